"""How strongly a sound repeats after each lag, and the tempi that this speaks for."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled

Float64 = NDArray[np.float64]

OVERSAMPLING: Final = 4
"""Points of the autocorrelation per frame: its peaks are read between the frames."""
LOCAL_MEAN_FRAMES: Final = 43
"""Half the width of the local mean that is taken off the onset strength: 0.5 s at 86 frames per second."""
BLOCK_FRAMES: Final = 8192
"""Frames that are worked on at a time: memory does not grow with the length of the sound."""
OVERLAP_FLOOR: Final = 0.06
"""Smallest product of the overlapping energies, as a share of the squared energy: where hardly anything overlaps,
agreement is chance and must not count in full. Real loops fare alike from 0.03 to 0.06, worse with more."""


@compiled
def without_slow_changes(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Onset strength less its mean over one second around.

    Smoothed over three frames, so that a repetition which falls between two frames counts as much as one that
    falls on them. Zero where the sound is silent.

    Args:
        bands: shape (frames, bands).

    Returns:
        Shape (frames, bands).
    """
    count, columns = bands.shape
    changes = np.empty((count, columns), np.float32)
    smooth = np.empty(count, np.float32)
    for column in range(columns):
        for frame in range(count):
            before = bands[frame - 1, column] if frame > 0 else np.float32(0)
            after = bands[frame + 1, column] if frame + 1 < count else np.float32(0)
            smooth[frame] = (before + after) / np.float32(4) + bands[frame, column] / np.float32(2)
        total = 0.0
        for frame in range(min(LOCAL_MEAN_FRAMES, count)):
            total += smooth[frame]
        for frame in range(count):
            first, end = max(frame - LOCAL_MEAN_FRAMES, 0), min(frame + LOCAL_MEAN_FRAMES + 1, count)
            if end > frame + LOCAL_MEAN_FRAMES:
                total += smooth[end - 1]
            changes[frame, column] = smooth[frame] - total / (end - first)
            if frame >= LOCAL_MEAN_FRAMES:
                total -= smooth[first]
    return changes


def autocorrelation(signals: NDArray[np.float32], lags: int) -> Float64:
    """Normalised autocorrelation of several signals, weighted by their strength and summed.

    Each lag is divided by the geometric mean of the energies that overlap at that lag: 1 means that the sound
    repeats exactly, however long or short it is.

    Args:
        signals: shape (n, signals).
        lags: how many lags, from 0, are wanted; at most n.

    Returns:
        Shape (lags * OVERSAMPLING,), at steps of 1 / OVERSAMPLING.
    """
    count = len(signals)
    block = min(count, BLOCK_FRAMES)
    size = 1 << (block + lags).bit_length()
    cross = np.zeros((size // 2 + 1, signals.shape[1]), np.complex128)
    for start in range(0, count, block):
        here = np.fft.rfft(signals[start : start + block], size, axis=0)
        ahead = np.fft.rfft(signals[start : start + block + lags], size, axis=0)
        cross += here.conj() * ahead
    cross[-1] /= 2  # Padding the spectrum makes two bins of the highest one.
    products = np.fft.irfft(cross, size * OVERSAMPLING, axis=0)[: lags * OVERSAMPLING] * OVERSAMPLING
    total = np.einsum("ij,ij->j", signals, signals, dtype=np.float64)
    # At lag k the last k frames find no partner, nor do the first k.
    none = np.zeros((1, signals.shape[1]))
    lost_end = np.cumsum(np.square(signals[:-lags:-1], dtype=np.float64), axis=0)
    lost_start = np.cumsum(np.square(signals[: lags - 1], dtype=np.float64), axis=0)
    head, tail = total - np.concatenate([none, lost_end]), total - np.concatenate([none, lost_start])
    partners = np.sqrt(np.maximum(head * tail, OVERLAP_FLOOR * total**2))
    overlap = np.repeat(partners, OVERSAMPLING, axis=0)
    weights = np.sqrt(total) / max(np.sqrt(total).sum(), 1e-300)
    correlation: Float64 = np.sum(products / np.maximum(overlap, 1e-300) * weights, axis=1)
    return correlation


def at_lags(correlation: Float64, lags: Float64) -> Float64:
    """Autocorrelation at fractional lags in frames; NaN past its end."""
    positions = np.arange(len(correlation)) / OVERSAMPLING
    return np.interp(lags, positions, correlation, right=np.nan)
