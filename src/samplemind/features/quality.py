"""Faults of a recording, on the file's own samples, rate and channels.

samples ──┬▶ clipping ──────▶ clipped_samples
          ├▶ channel_sums ──▶ dc_offset, phase_correlation
          └▶ slices ────────▶ leading_silence_s, trailing_silence_s, noise_floor_dbfs
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.faults import clipped_runs, levels_of_slices, sums_and_products
from samplemind.features.streams import Samples
from samplemind.graph import Stream, Unknown

FULL_SCALE: Final = 32_767 / 32_768
"""The largest positive sample of 16 bits: what is at it, or beyond, is at full scale. More bits, and floating point,
reach it too. A lower threshold that suited 8 bits, whose largest sample is 127/128, would take what 16 bits still
resolve for clipped."""
CLIPPED_RUN: Final = 3
"""So many samples in a row at full scale are clipped: a peak that just reaches it has one or two."""
SILENCE_DB: Final = -60.0
"""What is softer than this below the peak is silence at the ends: the fall over which reverberation is measured
(ISO 3382)."""
SLICES_PER_S: Final = 100
"""Slices of 10 ms in which silence and noise are looked for."""
NOISE_SLICES: Final = 10
"""Slices in a window of the noise floor: 100 ms, two periods of the lowest audible tone."""
NOISE_PERCENTILE: Final = 5.0
"""The noise floor is the level that the softest twentieth of the windows stays under: pauses may be short."""
SHORTEST_FOR_NOISE_S: Final = 1.0
"""A shorter sound has no pause in which its noise could be heard."""

PerSlice = Annotated[NDArray[np.float32], Stream("slices")]
"""One row per 10 ms of the file's own samples."""

_SILENT: Final = Unknown("every sample is zero")


@dataclass(frozen=True)
class Clipping:
    """Clipped samples so far, and per channel the signed length of the run at full scale that is going on."""

    count: int
    runs: NDArray[np.int64]


def clipping(state: Clipping | None, samples: Samples) -> Clipping:
    """Follow runs of samples at full scale, channel by channel."""
    runs = np.zeros(samples.shape[1], np.int64) if state is None else state.runs.copy()
    count = clipped_runs(samples, FULL_SCALE, CLIPPED_RUN, runs)
    return Clipping((state.count if state else 0) + count, runs)


def clipped_samples(clipping: Clipping) -> int:
    """Samples, over all channels, in runs of three or more at full scale or beyond, of one sign.

    Full scale is a magnitude of 32767/32768, the largest sample of 16 bits. Samples of 8 bits reach it at the bottom
    alone (at the top they end at 127/128), and those of µ-law and A-law not at all (they end at 0.98): their clipping
    there is not counted. What was clipped and turned down afterwards is not counted in any format.
    """
    return clipping.count


@dataclass(frozen=True)
class ChannelSums:
    """Over all samples, per channel: sum and sum of squares; and the sum of products of the first two channels."""

    count: int
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    product: float


def channel_sums(state: ChannelSums | None, samples: Samples) -> ChannelSums:
    """Accumulate sums, squares and products of the channels in double precision."""
    channels = samples.shape[1]
    found = sums_and_products(samples)
    new = ChannelSums(len(samples), found[:channels], found[channels:-1], float(found[-1]))
    if state is None:
        return new
    return ChannelSums(
        state.count + new.count, state.sums + new.sums, state.squares + new.squares, state.product + new.product
    )


def dc_offset(channel_sums: ChannelSums) -> float:
    """Mean of the samples of the channel where it is farthest from zero, -1 to 1."""
    means = channel_sums.sums / channel_sums.count
    return float(means[np.abs(means).argmax()])


def phase_correlation(channel_sums: ChannelSums) -> float | Unknown:
    """Correlation of left and right, 1 (mono) over 0 (unrelated) to -1 (they cancel), as a phase meter shows it.

    The products of the samples' mean over the root of the product of their mean squares. Unknown unless there are two
    channels and both sound.
    """
    if channel_sums.squares.size != 2:
        return Unknown(f"phase is a relation of two channels, and there are {channel_sums.squares.size}")
    power = math.sqrt(channel_sums.squares[0]) * math.sqrt(channel_sums.squares[1])
    if power <= 0:
        return Unknown("at least one of the two channels is silent")
    return max(-1.0, min(1.0, channel_sums.product / power))


def slices(
    state: NDArray[np.float32] | None, samples: Samples, sample_rate: int, last: bool
) -> tuple[Samples, PerSlice]:
    """Peak, and mean square, of every 10 ms, over all channels: shape (slices, 2).

    The last slice may be shorter.
    """
    size = _slice_frames(sample_rate)
    rows = samples if state is None else np.concatenate([state, samples])
    whole = len(rows) if last else len(rows) // size * size
    return rows[whole:], levels_of_slices(np.ascontiguousarray(rows[:whole]), size)


def leading_silence_s(slices: PerSlice, sample_rate: int) -> float | Unknown:
    """Seconds, in steps of 10 ms, before the sound first comes within 60 dB of its peak. Unknown for silence."""
    loud = _loud_slices(slices)
    return _SILENT if loud is None else float(loud[0]) * _slice_frames(sample_rate) / sample_rate


def trailing_silence_s(slices: PerSlice, sample_rate: int, duration_s: float) -> float | Unknown:
    """Seconds, in steps of 10 ms, after the sound was last within 60 dB of its peak. Unknown for silence."""
    loud = _loud_slices(slices)
    if loud is None:
        return _SILENT
    return max(0.0, duration_s - float(loud[-1] + 1) * _slice_frames(sample_rate) / sample_rate)


def noise_floor_dbfs(slices: PerSlice, duration_s: float) -> float | Unknown:
    """Level that the softest twentieth of all windows of 100 ms stays under, root mean square in dBFS.

    Windows of digital silence have no noise and don't count. Unknown for sounds under 1 s, and where no complete
    100 ms sound.
    """
    if duration_s < SHORTEST_FOR_NOISE_S:
        return Unknown(f"shorter than the {SHORTEST_FOR_NOISE_S:g} s in which a pause could show it")
    windows = len(slices) // NOISE_SLICES
    powers = slices[: windows * NOISE_SLICES, 1].reshape(windows, NOISE_SLICES).mean(axis=1, dtype=np.float64)
    powers = powers[powers > 0]
    if powers.size:
        return 10 * math.log10(np.percentile(powers, NOISE_PERCENTILE))
    return Unknown("no complete 100 ms of it are loud enough to be measured") if slices[:, 0].any() else _SILENT


def _slice_frames(sample_rate: int) -> int:
    return max(1, round(sample_rate / SLICES_PER_S))


def _loud_slices(slices: NDArray[np.float32]) -> NDArray[np.intp] | None:
    """Indices of the slices that come within 60 dB of the peak; None for silence."""
    peaks = slices[:, 0]
    return np.flatnonzero(peaks >= peaks.max() * 10 ** (SILENCE_DB / 20)) if peaks.any() else None
