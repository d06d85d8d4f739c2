"""Soft masks, and the energies that they leave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled


@compiled
def soft_mask(wanted: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of one of two magnitudes in the sum of their squares, element by element; a half where both are zero.

    Equal to ``librosa.util.softmask(wanted, other, power=2, split_zeros=True)``.

    Args:
        wanted: shape (n, bins), not negative.
        other: the same shape.
    """
    rows, bins = wanted.shape
    mask = np.empty((rows, bins), np.float32)
    tiny = np.float32(1.1754944e-38)  # the least normal number of single precision, as in librosa
    for row in range(rows):
        for k in range(bins):
            first = wanted[row, k]
            second = other[row, k]
            largest = max(first, second)
            # Divided by the larger one first, so that no square leaves the range.
            scale = np.float32(1) / max(largest, tiny)
            first = first * scale
            second = second * scale
            share = first * first / max(first * first + second * second, tiny)
            mask[row, k] = share if largest >= tiny else np.float32(0.5)
    return mask


@compiled
def energies_of_parts(
    power: NDArray[np.float32], mask: NDArray[np.float32], edges: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies of the spectrum under a mask and under its complement, in bands.

    Args:
        power: squared magnitudes, shape (n, bins).
        mask: 0 to 1, the same shape.
        edges: first bin of each band, and one past the last; bands + 1 numbers.

    Returns:
        Two arrays of shape (bands,).
    """
    bands = edges.size - 1
    inside = np.zeros(bands)
    outside = np.zeros(bands)
    for row in range(power.shape[0]):
        for band in range(bands):
            values = power[row, edges[band] : edges[band + 1]]
            shares = mask[row, edges[band] : edges[band + 1]]
            kept = 0.0
            left = 0.0
            for k in range(values.size):
                share = np.float64(shares[k])
                kept += share * share * values[k]
                left += (1.0 - share) * (1.0 - share) * values[k]
            inside[band] += kept
            outside[band] += left
    return inside, outside
