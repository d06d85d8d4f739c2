"""From samples to pitch classes: a decimator, and the spectral peaks of a long window folded into one octave."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled

Float32 = NDArray[np.float32]

BINS_PER_OCTAVE: Final = 60
"""Bins of a folded spectrum, 20 cents each: bin 5 k is pitch class k above C. With five bins a semitone, splitting a
peak between neighbours keeps its mean pitch to 0.6 cents; with three, to 3 cents."""
STOPBAND_DB: Final = 70.0
"""Attenuation of what would fold back onto the pitches, to 1 dB: the filter that this asks for measures 69.1."""
C4_HZ: Final = 440 * 2 ** (-9 / 12)


@functools.cache
def lowpass(sample_rate: float, *, passband_hz: float, stopband_hz: float) -> Float32:
    """Linear-phase low-pass filter of odd length and unit gain at 0 Hz (Kaiser 1974, windowed sinc)."""
    width = 2 * np.pi * (stopband_hz - passband_hz) / sample_rate
    half = int(np.ceil((STOPBAND_DB - 7.95) / (2.285 * width) / 2))
    offsets = np.arange(-half, half + 1)
    cutoff = (stopband_hz + passband_hz) / sample_rate
    taps = np.sinc(cutoff * offsets) * np.kaiser(2 * half + 1, 0.1102 * (STOPBAND_DB - 8.7))
    unit: Float32 = (taps / taps.sum()).astype(np.float32)
    return unit


@compiled
def decimated(samples: Float32, taps: Float32, factor: int) -> Float32:
    """Filter and keep every `factor`-th sample, where the filter overlaps the samples fully."""
    width = len(taps)
    count = max(0, (len(samples) - width) // factor + 1)
    kept = np.empty(count, np.float32)
    for k in range(count):
        # A slice, because an index that is a sum keeps the inner loop from becoming vector code.
        covered = samples[k * factor : k * factor + width]
        total = np.float32(0)
        for tap in range(width):
            total += taps[tap] * covered[tap]
        kept[k] = total
    return kept


@compiled
def folded_peaks(
    power: Float32,
    bin_hz: float,
    lowest_hz: float,
    highest_hz: float,
    reach: int,
    prominence: float,
    centre_hz: float,
    octaves: float,
    partial: float,
) -> Float32:
    """Spectral peaks of each frame, folded into one octave.

    A peak counts if its magnitude exceeds `prominence` times the mean magnitude of `reach` bins on either side: noise
    and drums have few such. Its frequency is that of a parabola through three logarithms; its weight is the root of
    its magnitude, times a Gaussian of `octaves` around `centre_hz`, the range in which pitches are played. If a third
    or a fifth of its frequency is as strong, the peak may be the third or fifth partial of a note there, of another
    pitch class: its weight then falls by `partial`, and by less where what is there is weaker than the peak.

    Args:
        power: squared magnitudes of a Hann-windowed transform, shape (frames, bins).
        bin_hz: distance between bins.
        lowest_hz: of a peak.
        highest_hz: of a peak.
        reach: bins on either side.
        prominence: of a peak, as a ratio of magnitudes.
        centre_hz: of the weight.
        octaves: standard deviation of the weight.
        partial: share of the weight, 0 to 1.

    Returns:
        Shape (frames, 60), from C. A row sums to the root of the energy in its peaks: of the main lobes, in the unit
        of the sum of `power`.
    """
    frames, bins = power.shape
    folded = np.zeros((frames, BINS_PER_OCTAVE), np.float32)
    low = max(1, int(np.ceil(lowest_hz / bin_hz)))
    high = min(bins - 1, int(highest_hz / bin_hz) + 1)
    used = min(bins, high + reach)
    roots = np.empty(used, np.float32)
    summed = np.empty(used + 1)
    octave = np.empty(BINS_PER_OCTAVE)
    for frame in range(frames):
        row = power[frame]
        for k in range(used):
            roots[k] = np.sqrt(row[k])
        summed[0] = 0.0
        for k in range(used):
            summed[k + 1] = summed[k] + roots[k]
        octave[:] = 0.0
        energy = 0.0
        for k in range(low, high):
            here = row[k]
            if not (here > row[k - 1] and here >= row[k + 1]):
                continue
            start = max(0, k - reach)
            end = min(used, k + reach + 1)
            if roots[k] * (end - start) <= prominence * (summed[end] - summed[start]):
                continue
            # A neighbour of no power at all would make the parabola infinitely steep.
            tiny = 1e-12 * here
            before = 0.5 * np.log(row[k - 1] + tiny)
            at = 0.5 * np.log(here)
            after = 0.5 * np.log(row[k + 1] + tiny)
            shift = 0.5 * (before - after) / (before - 2 * at + after)
            log_magnitude = at - 0.25 * (before - after) * shift
            hz = (k + shift) * bin_hz
            away = np.log2(hz / centre_hz) / octaves
            weight = np.exp(0.5 * log_magnitude - 0.5 * away * away)
            below = np.float32(0)
            for number in (3, 5):
                at_note = int((k + shift) / number + 0.5)
                below = max(below, roots[at_note - 1], roots[at_note], roots[at_note + 1])
            weight *= 1.0 - partial * min(1.0, below / roots[k])
            position = BINS_PER_OCTAVE * (np.log2(hz / C4_HZ) % 1.0)
            lower = int(position)
            share = position - lower
            octave[lower % BINS_PER_OCTAVE] += weight * (1.0 - share)
            octave[(lower + 1) % BINS_PER_OCTAVE] += weight * share
            # The main lobe of a Hann window holds 1.5 times the power of its highest point.
            energy += 1.5 * np.exp(2.0 * log_magnitude)
        total = octave.sum()
        if total > 0.0:
            for k in range(BINS_PER_OCTAVE):
                folded[frame, k] = octave[k] / total * np.sqrt(energy)
    return folded


@functools.cache
def _semitone_turns() -> NDArray[np.complex128]:
    """Where each bin is on its way from a semitone to the next, as a point of the unit circle. Shape (60,)."""
    turns: NDArray[np.complex128] = np.exp(2j * np.pi * np.arange(BINS_PER_OCTAVE) * 12 / BINS_PER_OCTAVE)
    return turns


def tuning_of(folded: NDArray[np.floating]) -> tuple[float, float]:
    """Mean deviation of pitches from the semitones at A4 = 440 Hz.

    Circular mean over a semitone (Fisher 1993).

    Args:
        folded: shape (60,), not all zero.

    Returns:
        The deviation in cents, -50 to 50, and how far the pitches agree on it, from 0 to 1.
    """
    mean = complex(np.sum(folded * _semitone_turns()) / np.sum(folded))
    return float(np.angle(mean)) * 100 / (2 * np.pi), abs(mean)


def semitones_of(folded: NDArray[np.floating], *, cents: float) -> NDArray[np.float64]:
    """Weight per pitch class from C, after retuning.

    Every bin counts for the semitones within 50 cents, by a squared cosine of its distance.

    Args:
        folded: shape (…, 60).
        cents: deviation of the semitones from A4 = 440 Hz.

    Returns:
        Shape (…, 12).
    """
    bins = np.arange(BINS_PER_OCTAVE)[:, np.newaxis] * 1200 / BINS_PER_OCTAVE
    away = (bins - 100 * np.arange(12) - cents + 600) % 1200 - 600
    window = np.where(np.abs(away) < 50, np.cos(np.pi * away / 100) ** 2, 0)
    classes: NDArray[np.float64] = np.asarray(folded, np.float64) @ window
    return classes
