"""Loudness after ITU-R BS.1770-5: K-weighting, channel weights, gating, and peaks between the samples.

"The standard" is ITU-R BS.1770-5, "Algorithms to measure audio programme loudness and true-peak audio level" (2023).
"""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

K_WEIGHTING_48K: Final = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621),
)
"""The head's shelf and the high-pass at 48 kHz, each b0 b1 b2 a1 a2: the standard's tables 1 and 2."""
TABLE_RATE: Final = 48_000
HIGHEST_CORNER: Final = 0.45
"""Share of the sample rate above which no corner is put; only rates under 3.8 kHz come near it."""

SURROUND: Final = 1.41
"""Weight of channels to the side, 60° to 120° from the front (the standard's tables 3 and 4)."""
CHANNEL_WEIGHTS: Final = {
    4: (1.0, 1.0, SURROUND, SURROUND),
    5: (1.0, 1.0, 1.0, SURROUND, SURROUND),
    6: (1.0, 1.0, 1.0, 0.0, SURROUND, SURROUND),
    7: (1.0, 1.0, 1.0, 0.0, 1.0, SURROUND, SURROUND),
    8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, SURROUND, SURROUND),
}

FULL_SCALE: Final = -0.691
"""LUFS of weighted channels whose mean squares sum to 1: a 997 Hz sine of full scale is then -3.01 LUFS."""
ABSOLUTE_GATE: Final = -70.0
"""LUFS that a gating block must exceed to count."""
INTERPOLATION: Final = np.array(
    [
        *(0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000, -0.0594482421875, 0.1373291015625),
        *(0.9721679687500, -0.1022949218750, 0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500),
        *(-0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250, -0.1665039062500, 0.4650878906250),
        *(0.7797851562500, -0.2003173828125, 0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375),
    ],
    np.float32,
).reshape(2, 12)
"""Phases 0 and 1 of the filter that gives four values per sample (the standard's annex 2); phases 3 and 2 are the same
two backwards."""
INTERPOLATION_REACH: Final = INTERPOLATION.shape[1] - 1
"""Samples before the newest that a value between the samples depends on."""

K_MEMORY: Final = 8
"""Numbers that K-weighting remembers of a channel: four samples, and two outputs of each filter."""
NEGLIGIBLE: Final = 1e-100
"""Filter memory below this is dropped: on its way to zero it would reach numbers that processors are slow at."""


@functools.lru_cache(maxsize=16)
def k_weighting(sample_rate: int) -> Float64:
    """Find the two K-weighting filters for a sample rate.

    The standard gives coefficients for 48 kHz and asks for the same response at other rates. Here each filter is
    taken back through the bilinear transform to the analogue filter it stands for, and forth again at
    the wanted rate, warped so that its corner frequency stays where it is. Up to 0.45 times the rate, the response
    keeps within 0.02 dB of the standard's from 32 kHz, 0.07 dB at 16 kHz and 0.3 dB at 8 kHz.

    Args:
        sample_rate: in Hz.

    Returns:
        Shape (2, 5): b0 b1 b2 a1 a2 of the shelf and of the high-pass. At 48 kHz the standard's own numbers.
    """
    filters = np.empty((2, 5))
    for stage, (b0, b1, b2, a1, a2) in enumerate(K_WEIGHTING_48K):
        # With z^-1 = (1 - s) / (1 + s), the quadratics in s of numerator and denominator, constant term first.
        zeros = np.array([b0 + b1 + b2, 2 * (b0 - b2), b0 - b1 + b2])
        poles = np.array([1 + a1 + a2, 2 * (1 - a2), 1 - a1 + a2])
        corner = math.sqrt(poles[0] / poles[2])
        cycles = math.atan(corner) / math.pi * TABLE_RATE / sample_rate
        stretch = (corner / math.tan(math.pi * min(cycles, HIGHEST_CORNER))) ** np.arange(3)
        back = np.array([[1, 1, 1], [2, 0, -2], [1, -1, 1]])
        b, a = back @ (zeros * stretch), back @ (poles * stretch)
        filters[stage] = [*(b / a[0]), *(a[1:] / a[0])]
    return filters


def channel_weights(channels: int) -> Float64:
    """Weigh the channels of a sound by their place around the listener.

    Channels are taken in the order of WAVE_FORMAT_EXTENSIBLE for the usual layout of their number: 4 left, right,
    surround pair; 5 adds the centre before the surrounds, 6 the LFE after the centre; 7 has a back centre, and 8
    a back pair, before the side pair. Surrounds count 1.41 times, back channels (beyond 120°) once and the LFE
    not at all. Of other numbers of channels all count once.

    Args:
        channels: how many, at least 1.

    Returns:
        Shape (channels,).
    """
    return np.array(CHANNEL_WEIGHTS.get(channels, (1.0,) * channels))


@compiled
def k_weighted_energy(samples: Float32, ends: Int64, filters: Float64, memory: Float64) -> Float64:
    """Sum the squares of K-weighted samples over consecutive stretches.

    Args:
        samples: shape (n, channels).
        ends: shape (stretches,), ascending: each stretch goes from the end of the one before up to its own.
        filters: from `k_weighting`.
        memory: shape (channels, `K_MEMORY`), what the filters remember of earlier samples, zero at the start; updated.

    Returns:
        Shape (stretches, channels).
    """
    channels = samples.shape[1]
    energy = np.zeros((ends.size, channels))
    b0, b1, b2, a1, a2 = filters[0, 0], filters[0, 1], filters[0, 2], filters[0, 3], filters[0, 4]
    c0, c1, c2, d1, d2 = filters[1, 0], filters[1, 1], filters[1, 2], filters[1, 3], filters[1, 4]
    # The zeros of both filters together, as one filter that is not recursive: it is compiled to vector instructions,
    # and leaves two products a sample and filter to what can't be.
    h0, h1, h2, h3, h4 = b0 * c0, b0 * c1 + b1 * c0, b0 * c2 + b1 * c1 + b2 * c0, b1 * c2 + b2 * c1, b2 * c2
    longest = 0
    start = 0
    for stretch in range(ends.size):
        longest = max(longest, ends[stretch] - start)
        start = ends[stretch]
    x = np.empty(longest + 4)
    driven = np.zeros((2, longest))
    # Each step of a recursive filter waits for the one before: two channels at a time fill the wait.
    for left in range(0, channels, 2):
        right = min(left + 1, channels - 1)
        p1, p2, p3, p4 = memory[left, 4], memory[left, 5], memory[left, 6], memory[left, 7]
        q1, q2, q3, q4 = memory[right, 4], memory[right, 5], memory[right, 6], memory[right, 7]
        start = 0
        for stretch in range(ends.size):
            size = ends[stretch] - start
            for channel in range(left, right + 1):
                for i in range(4):
                    x[i] = memory[channel, i]
                for i in range(size):
                    x[i + 4] = samples[start + i, channel]
                for i in range(4):
                    memory[channel, i] = x[size + i]
                for i in range(size):
                    driven[channel - left, i] = (
                        h0 * x[i + 4] + h1 * x[i + 3] + h2 * x[i + 2] + h3 * x[i + 1] + h4 * x[i]
                    )
            left_energy = 0.0
            right_energy = 0.0
            for i in range(size):
                y = driven[0, i] - a2 * p2 - a1 * p1
                p2 = p1
                p1 = y
                z = y - d2 * p4 - d1 * p3
                p4 = p3
                p3 = z
                left_energy += z * z
                y = driven[1, i] - a2 * q2 - a1 * q1
                q2 = q1
                q1 = y
                z = y - d2 * q4 - d1 * q3
                q4 = q3
                q3 = z
                right_energy += z * z
            energy[stretch, right] = right_energy
            energy[stretch, left] = left_energy
            start = ends[stretch]
            if abs(p1) + abs(p2) + abs(p3) + abs(p4) < NEGLIGIBLE:
                p1 = p2 = p3 = p4 = 0.0
            if abs(q1) + abs(q2) + abs(q3) + abs(q4) < NEGLIGIBLE:
                q1 = q2 = q3 = q4 = 0.0
        memory[right, 4], memory[right, 5], memory[right, 6], memory[right, 7] = q1, q2, q3, q4
        memory[left, 4], memory[left, 5], memory[left, 6], memory[left, 7] = p1, p2, p3, p4
    return energy


@compiled
def interpolated_peak(samples: Float32, phases: Float32, peak: np.float32) -> np.float32:
    """Find the largest magnitude at and between the samples, if it exceeds what was found before.

    Stretches whose samples are too small to make any value above `peak` are passed over.

    Args:
        samples: shape (n, channels), contiguous; values between are found from the row `INTERPOLATION_REACH` on.
        phases: `INTERPOLATION`.
        peak: the largest magnitude so far.

    Returns:
        The larger of `peak` and the largest magnitude here.
    """
    channels = samples.shape[1]
    taps = phases.shape[1]
    reach = (taps - 1) * channels
    most = np.float32(0)
    for phase in range(phases.shape[0]):
        most = max(most, np.abs(phases[phase]).sum())
    flat = samples.reshape(-1)
    values = np.zeros(128, np.float32)
    # Bit patterns of floats that are not negative are ordered as integers are, and maxima of integers vectorise.
    bits = values.view(np.int32)
    magnitude = np.int32(0x7FFFFFFF)
    for start in range(0, flat.size - reach, values.size):
        part = flat[start : start + values.size + reach]
        part_bits = part.view(np.int32)
        largest = np.int32(0)
        for i in range(part.size):
            largest = max(largest, part_bits[i] & magnitude)
        bits[0] = largest
        if values[0] * most <= peak:
            continue
        peak = max(peak, values[0])
        for phase in range(phases.shape[0]):
            weights = phases[phase]
            size = part.size - reach
            for i in range(size):
                forwards = np.float32(0)
                backwards = np.float32(0)
                for tap in range(12):  # a literal, so that the loop can be unrolled
                    sample = part[i + tap * channels]
                    forwards += weights[tap] * sample
                    backwards += weights[11 - tap] * sample
                values[i] = max(abs(forwards), abs(backwards))
            largest = np.int32(0)
            for i in range(size):
                largest = max(largest, bits[i])
            bits[0] = largest
            peak = max(peak, values[0])
    return peak


def lufs(power: float) -> float:
    """Express a sum of weighted mean squares in LUFS (the standard's equation 2).

    Args:
        power: above 0.
    """
    return FULL_SCALE + 10 * math.log10(power)


def power_at(loudness: float) -> float:
    """Turn LUFS back into a sum of weighted mean squares: the inverse of `lufs`."""
    return float(10 ** ((loudness - FULL_SCALE) / 10))


def above_gates(power: Float64, *, relative: float) -> Float64:
    """Keep the blocks above the absolute gate and, among those, the ones above the relative gate.

    Args:
        power: shape (blocks,), sums of weighted mean squares.
        relative: LU below the loudness of what passes the absolute gate; negative.

    Returns:
        The power of the blocks that pass both; none where all of it is below -70 LUFS.
    """
    audible = power[power > power_at(ABSOLUTE_GATE)]
    if audible.size == 0:
        return audible
    passed: Float64 = audible[audible > audible.mean() * 10 ** (relative / 10)]
    return passed


def sliding_mean(values: Float64, width: int) -> Float64:
    """Average every `width` neighbours.

    Args:
        values: shape (n,), n at least `width`.
        width: how many.

    Returns:
        Shape (n - width + 1,).
    """
    sums = np.concatenate([np.zeros(1), np.cumsum(values, dtype=np.float64)])
    means: Float64 = np.maximum((sums[width:] - sums[:-width]) / width, 0.0)
    return means
