"""One number, or a few, for the shape of each spectrum: fused passes over a block of magnitudes."""

from __future__ import annotations

import functools
import itertools

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled

ROLLOFF_SHARE = 0.85
"""Share of the magnitude below the rolloff frequency (Tzanetakis & Cook 2002 use 85 %)."""
POWER_FLOOR = 1e-10
"""Powers below it count as it in logarithms: librosa's ``amin``."""


@compiled
def spectral_shape(
    power: NDArray[np.float32], hz_per_bin: float, rolloff_share: float, power_floor: float
) -> NDArray[np.float32]:
    """Shape of each spectrum, in one pass while the row is in the cache.

    Args:
        power: shape (n, bins).
        hz_per_bin: distance of bins.
        rolloff_share: share of magnitude below the rolloff.
        power_floor: least power that enters the flatness.

    Returns:
        Shape (n, 4): centroid, bandwidth and rolloff in Hz, flatness.
    """
    rows, bins = power.shape
    magnitude = np.empty(bins, np.float32)
    shape = np.zeros((rows, 4), np.float32)
    for row in range(rows):
        total = 0.0
        first = 0.0
        second = 0.0
        energy = 0.0
        for k in range(bins):
            value = np.sqrt(power[row, k])
            magnitude[k] = value
            position = np.float64(k)
            total += value
            first += position * value
            second += position * position * value
            energy += max(power[row, k], power_floor)
        # A logarithm costs more than all else here, so take it of products of eight: 1e-10 to 3e38, the range
        # of single precision, to the eighth power is still within double precision.
        logarithms = 0.0
        k = 0
        while k + 8 <= bins:
            product = 1.0
            for j in range(8):
                product *= max(np.float64(power[row, k + j]), power_floor)
            logarithms += np.log(product)
            k += 8
        while k < bins:
            logarithms += np.log(max(np.float64(power[row, k]), power_floor))
            k += 1
        shape[row, 3] = np.exp(logarithms / bins) / (energy / bins)
        if total > 0.0:
            centroid = first / total
            shape[row, 0] = centroid * hz_per_bin
            shape[row, 1] = np.sqrt(max(second / total - centroid * centroid, 0.0)) * hz_per_bin
            threshold = rolloff_share * total
            below = 0.0
            k = -1
            while below < threshold and k < bins - 1:
                k += 1
                below += magnitude[k]
            shape[row, 2] = max(k, 0) * hz_per_bin
    return shape


CONTRAST_LOWEST_HZ = 200.0
CONTRAST_OCTAVES = 6
CONTRAST_QUANTILE = 0.02
"""Jiang et al. (2002): octave bands from 200 Hz, peaks and valleys as the mean of the outermost 2 %."""


@functools.cache
def contrast_bands(sample_rate: int, n_fft: int) -> NDArray[np.int64]:
    """Octave bands as rows of (first bin, one past the last bin, bins in a peak or valley), librosa's way.

    Neighbouring bands share a bin, and the uppermost reaches to half the sample rate. Shape (7, 3).
    """
    hz = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    edges = np.concatenate([[0.0], CONTRAST_LOWEST_HZ * 2.0 ** np.arange(CONTRAST_OCTAVES + 1)])
    bands = []
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = np.flatnonzero((hz >= low) & (hz <= high))
        first = inside[0] - (band > 0)
        uppermost = band == CONTRAST_OCTAVES
        stop = hz.size if uppermost else inside[-1] + 1
        outermost = max(1, int(np.rint(CONTRAST_QUANTILE * (stop - first))))
        bands.append((first, stop if uppermost else stop - 1, outermost))
    return np.array(bands, np.int64)


@compiled
def peaks_and_valleys(magnitude: NDArray[np.float32], bands: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of the largest and of the smallest magnitudes of each band.

    Args:
        magnitude: shape (n, bins).
        bands: rows of first bin, one past the last, and how many magnitudes make a peak or a valley.

    Returns:
        Shape (2, n, bands): peaks, valleys.
    """
    found = np.zeros((2, magnitude.shape[0], bands.shape[0]))
    most = bands[:, 2].max()
    largest = np.empty(most, np.float32)
    smallest = np.empty(most, np.float32)
    for row in range(magnitude.shape[0]):
        for band in range(bands.shape[0]):
            first, stop, count = bands[band]
            largest[:count] = -np.inf
            smallest[:count] = np.inf
            # Insertion into short sorted lists: few values of a band get past the comparison with the outermost.
            values = magnitude[row, first:stop]
            bar = -np.inf
            for k in range(values.size):
                if values[k] > bar:
                    place = count - 1
                    while place > 0 and largest[place - 1] < values[k]:
                        largest[place] = largest[place - 1]
                        place -= 1
                    largest[place] = values[k]
                    bar = largest[count - 1]
            bar = np.inf
            for k in range(values.size):
                if values[k] < bar:
                    place = count - 1
                    while place > 0 and smallest[place - 1] > values[k]:
                        smallest[place] = smallest[place - 1]
                        place -= 1
                    smallest[place] = values[k]
                    bar = smallest[count - 1]
            for k in range(count):
                found[0, row, band] += largest[k] / count
                found[1, row, band] += smallest[k] / count
    return found


@compiled
def zero_crossings(frames: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Share of neighbouring samples in each frame whose signs differ; samples within ±threshold are positive."""
    rows, length = frames.shape
    share = np.empty(rows, np.float32)
    for row in range(rows):
        crossings = 0
        for k in range(1, length):
            crossings += (frames[row, k] < -threshold) != (frames[row, k - 1] < -threshold)
        share[row] = crossings / length
    return share


@compiled
def root_mean_square(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root mean square of each frame."""
    rows, length = frames.shape
    rms = np.empty(rows, np.float32)
    for row in range(rows):
        energy = 0.0
        for k in range(length):
            energy += np.float64(frames[row, k]) * frames[row, k]
        rms[row] = np.sqrt(energy / length)
    return rms
