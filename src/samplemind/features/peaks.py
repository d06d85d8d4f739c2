"""How far a sound swings: its sample peak, and the outline that a picture of it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled
from samplemind.features.streams import Samples
from samplemind.graph import Unknown

FINEST: Final = 1000
"""Bins per second of the outline of a short sound: attacks shorter than 1 ms can't be seen in any picture."""
MOST_BINS: Final = 4096
"""The outline never has more: it has then 16 to 32 bins for each of the waveform's slices, at any duration."""
SLICES: Final = 128
"""Numbers in the waveform overview: more columns than a terminal or a row in a list has."""


@dataclass(frozen=True)
class Outline:
    """Peaks of a sound in bins of equal width, the last of which may be unfinished.

    `peaks` has shape (bins,), at most 4096, absolute amplitudes with full scale 1, over all channels; `width` is
    samples per bin and `length` samples in all.
    """

    peaks: NDArray[np.float32]
    width: int
    length: int


def peak_outline(state: Outline | None, samples: Samples, sample_rate: int) -> Outline:
    """Follow the largest absolute sample of all channels in bins of equal width, shape (bins,).

    Bins start out 1 ms wide; whenever there would be more than 4096, neighbours are joined in pairs. So the
    outline of a long sound is no larger than that of a short one, and does not depend on how the samples arrive.
    """
    if state is None:
        state = Outline(np.empty(0, np.float32), max(1, round(sample_rate / FINEST)), 0)
    frames = len(samples)
    if frames == 0:
        return state
    begun = state.length % state.width
    peaks = _peaks(np.ascontiguousarray(samples), begun, state.width)
    whole = state.peaks
    if begun:
        peaks[0] = max(peaks[0], whole[-1])
        whole = whole[:-1]
    peaks, width = np.concatenate([whole, peaks]), state.width
    while len(peaks) > MOST_BINS:
        peaks = np.maximum.reduceat(peaks, np.arange(0, len(peaks), 2))
        width *= 2
    return Outline(peaks, width, state.length + frames)


@compiled
def _peaks(samples: NDArray[np.float32], begun: int, width: int) -> NDArray[np.float32]:
    """Largest absolute sample of each bin of `width` frames, the first of which had `begun` before these."""
    frames, channels = samples.shape
    bits = samples.reshape(frames * channels).view(np.int32)  # maxima of integers vectorise
    magnitude = np.int32(0x7FFFFFFF)
    peaks = np.empty((begun + frames + width - 1) // width, np.float32)
    peak_bits = peaks.view(np.int32)
    for number in range(peaks.size):
        start = max(number * width - begun, 0)
        stop = min((number + 1) * width - begun, frames)
        patterns = bits[start * channels : stop * channels]
        peak = np.int32(0)
        for k in range(patterns.size):
            peak = max(peak, np.int32(patterns[k] & magnitude))
        peak_bits[number] = peak
    return peaks


def peak_dbfs(peak_outline: Outline) -> float | Unknown:
    """Largest absolute sample of all channels in dB relative to full scale; above 0 in floating-point files only.

    Unknown where every sample is zero.
    """
    peak = float(peak_outline.peaks.max(initial=0))
    return 20 * math.log10(peak) if peak > 0 else Unknown("every sample is zero")


def waveform(peak_outline: Outline) -> NDArray[np.float32]:
    """Peak amplitude in 128 equal slices of the duration, 0 to 1 of full scale (what is over 1 counts as 1).

    Shape (slices,); a sound too short for 128 bins of 1 ms has a slice for each bin instead.
    """
    peaks, width, length = peak_outline.peaks, peak_outline.width, peak_outline.length
    if len(peaks) > SLICES:
        # Each slice begins in the bin that holds its first sample.
        peaks = np.maximum.reduceat(peaks, np.arange(SLICES) * length // (SLICES * width))
    return np.minimum(peaks, np.float32(1))
