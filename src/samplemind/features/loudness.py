"""How loud a sound is: ITU-R BS.1770-5 and EBU R 128 on the file's own samples, channels and rate.

    samples ──▶ k_weighted_power (100 a second) ──┬▶ loudness_lufs
                                                  ├▶ loudness_momentary_max_lufs
                                                  ├▶ loudness_short_term_max_lufs
                                                  └▶ loudness_range_lu
    samples ──▶ true_peak ──▶ true_peak_dbtp

A sound shorter than a measure's window (0.4 s, or 3 s for the short-term maximum) is measured with digital silence
after it up to one window, which is what a meter shows that was watching silence before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp import loudness as bs1770
from samplemind.features.streams import Samples
from samplemind.graph import Stream, Unknown

SUB_BLOCKS_PER_S: Final = 100
"""Gating needs a grid of 100 ms; the maxima of EBU Tech 3341's cases 10 and 13 need about 20 ms or less."""
PerSubBlock = Annotated[NDArray[np.float32], Stream("sub-blocks", rate_hz=SUB_BLOCKS_PER_S)]
"""One value per 10 ms of the file's own samples, shape (sub-blocks,)."""
GATING_STEP: Final = SUB_BLOCKS_PER_S // 10
"""Sub-blocks from one gating block to the next: 400 ms blocks that overlap by 75 % (BS.1770-5)."""
MOMENTARY: Final = 4 * GATING_STEP
"""Sub-blocks in the 400 ms window of gating and of momentary loudness."""
SHORT_TERM: Final = 30 * GATING_STEP
"""Sub-blocks in the 3 s window of short-term loudness (EBU Tech 3341)."""
INTEGRATED_GATE: Final = -10.0
"""Relative gate in LU of integrated loudness (BS.1770-5)."""
RANGE_GATE: Final = -20.0
"""Relative gate in LU of the loudness range (EBU Tech 3342)."""
RANGE_PERCENTILES: Final = (10, 95)
"""Percentiles of short-term loudness between which the loudness range lies (EBU Tech 3342)."""
PIECE: Final = 1 << 16
"""Windows that are averaged at a time: eleven minutes, half a megabyte."""

_SILENT: Final = Unknown("silent, or as good as silent, in every complete 10 ms")


@dataclass(frozen=True)
class Weighting:
    """What K-weighting carries from block to block: filters, their memory, and the unfinished sub-block.

    `seen` samples have gone through, which completed `sub_blocks`; `memory` is `k_weighted_energy`'s and
    `unfinished` (channels,) the energy since the last complete sub-block.
    """

    seen: int
    sub_blocks: int
    filters: NDArray[np.float64]
    memory: NDArray[np.float64]
    unfinished: NDArray[np.float64]


def k_weighted_power(
    state: Weighting | None, samples: Samples, sample_rate: int, last: bool
) -> tuple[Weighting, PerSubBlock]:
    """Measure the K-weighted power of each 10 ms, summed over the channels by their weights.

    Sub-block k ends before sample round(k * sample_rate / 100). A last one that is not complete is left out, as
    the standard leaves out incomplete gating blocks, but a sound of less than 400 ms is first continued with
    digital silence to 400 ms. Mean squares, full scale² = 1; shape (sub-blocks,). Source: ITU-R BS.1770-5, annex 1,
    equations 1 and 2, with the channel weights of `samplemind.dsp.loudness.channel_weights`.
    """
    channels = samples.shape[1]
    if state is None:
        filters = bs1770.k_weighting(sample_rate)
        state = Weighting(0, 0, filters, np.zeros((channels, bs1770.K_MEMORY)), np.zeros(channels))
    missing = math.ceil(MOMENTARY / SUB_BLOCKS_PER_S * sample_rate) - state.seen - len(samples)
    if last and missing > 0:
        samples = np.concatenate([samples, np.zeros((missing, channels), np.float32)])
    seen = state.seen + len(samples)
    complete = _complete_before(seen, sample_rate)
    ends = _ends(np.arange(state.sub_blocks + 1, complete + 1), sample_rate) - state.seen
    memory = state.memory.copy()
    energy = bs1770.k_weighted_energy(samples, np.append(ends, len(samples)), state.filters, memory)
    energy[0] += state.unfinished
    weights = bs1770.channel_weights(channels) * (SUB_BLOCKS_PER_S / sample_rate)
    power = np.einsum("ij,j->i", energy[:-1], weights)
    return Weighting(seen, complete, state.filters, memory, energy[-1]), power.astype(np.float32)


def loudness_lufs(k_weighted_power: PerSubBlock) -> float | Unknown:
    """Integrated loudness of the whole sound in LUFS, gated.

    Unknown for silence, and where no complete 400 ms are louder than -70 LUFS. Source: ITU-R BS.1770-5, annex 1,
    equations 3 to 7.
    """
    if not k_weighted_power.any():
        return _SILENT
    blocks = _windows(k_weighted_power, MOMENTARY, GATING_STEP)
    gated = bs1770.above_gates(blocks, relative=INTEGRATED_GATE)
    return bs1770.lufs(float(gated.mean())) if gated.size else _below_gate(MOMENTARY)


def loudness_momentary_max_lufs(k_weighted_power: PerSubBlock) -> float | Unknown:
    """Loudest 400 ms in LUFS, on a grid of 10 ms and without gate. Source: EBU Tech 3341 (2023)."""
    return _loudest(k_weighted_power, MOMENTARY)


def loudness_short_term_max_lufs(k_weighted_power: PerSubBlock) -> float | Unknown:
    """Loudest 3 s in LUFS, on a grid of 10 ms and without gate. Source: EBU Tech 3341 (2023)."""
    return _loudest(k_weighted_power, SHORT_TERM)


def loudness_range_lu(k_weighted_power: PerSubBlock) -> float | Unknown:
    """Loudness range (LRA) in LU: how far short-term loudness spreads, from its 10th to its 95th percentile.

    Short-term loudness is taken every 100 ms, gated at -70 LUFS and 20 LU below what passes that. Unknown for
    silence, for a sound shorter than 3 s, and where no complete 3 s are louder than -70 LUFS. Source: EBU Tech 3342
    (2023).
    """
    if len(k_weighted_power) < SHORT_TERM:
        return Unknown("shorter than the 3 s over which short-term loudness is measured")
    if not k_weighted_power.any():
        return _SILENT
    windows = _windows(k_weighted_power, SHORT_TERM, GATING_STEP)
    gated = bs1770.above_gates(windows, relative=RANGE_GATE)
    if gated.size == 0:
        return _below_gate(SHORT_TERM)
    low, high = np.percentile(10 * np.log10(gated), RANGE_PERCENTILES)
    return float(high - low)


@dataclass(frozen=True)
class TruePeak:
    """The largest magnitude so far, full scale 1, and the samples, shape (11, channels), that the next depend on."""

    magnitude: float
    latest: NDArray[np.float32]


def true_peak(state: TruePeak | None, samples: Samples, last: bool) -> TruePeak:
    """Follow the largest magnitude of any channel, at the samples and at three points between each two.

    Before the first and after the last sample there is silence. Source: ITU-R BS.1770-5, annex 2; samples themselves
    count too, as the standard's filter misses them slightly.
    """
    silence = np.zeros((bs1770.INTERPOLATION_REACH, samples.shape[1]), np.float32)
    state = state or TruePeak(0.0, silence)
    parts = [state.latest, samples, silence] if last else [state.latest, samples]
    joined = np.concatenate(parts)
    peak = bs1770.interpolated_peak(joined, bs1770.INTERPOLATION, np.float32(state.magnitude))
    return TruePeak(float(peak), joined[len(joined) - len(silence) :])


def true_peak_dbtp(true_peak: TruePeak) -> float | Unknown:
    """Largest magnitude that the sound has between its samples too, in dB relative to full scale (dBTP).

    Unknown where every sample is zero. Source: ITU-R BS.1770-5, annex 2.
    """
    return 20 * math.log10(true_peak.magnitude) if true_peak.magnitude > 0 else Unknown("every sample is zero")


def _below_gate(width: int) -> Unknown:
    return Unknown(f"no complete window of {width / SUB_BLOCKS_PER_S:g} s is louder than -70 LUFS")


def _ends(sub_blocks: NDArray[np.int64], sample_rate: int) -> NDArray[np.int64]:
    return (sub_blocks * sample_rate + SUB_BLOCKS_PER_S // 2) // SUB_BLOCKS_PER_S


def _complete_before(seen: int, sample_rate: int) -> int:
    # How many of `_ends` are at most `seen`.
    return ((seen + 1) * SUB_BLOCKS_PER_S - 1 - SUB_BLOCKS_PER_S // 2) // sample_rate


def _windows(power: NDArray[np.float32], width: int, step: int) -> NDArray[np.float64]:
    steps = power[: len(power) // step * step].reshape(-1, step).mean(axis=1, dtype=np.float64)
    return bs1770.sliding_mean(steps, width // step)


def _loudest(power: NDArray[np.float32], width: int) -> float | Unknown:
    padded = np.pad(power, (0, max(0, width - len(power))))
    # In pieces: a sound of ten hours has millions of windows.
    starts = range(0, len(padded) - width + 1, PIECE)
    pieces = (padded[start : start + PIECE + width - 1].astype(np.float64) for start in starts)
    loudest = max(float(bs1770.sliding_mean(piece, width).max()) for piece in pieces)
    return bs1770.lufs(loudest) if loudest > 0 else _SILENT
