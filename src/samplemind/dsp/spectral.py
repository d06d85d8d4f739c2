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
    floored = np.empty(bins, np.float32)
    floored_bits = floored.view(np.int32)
    floor = np.float32(power_floor)
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
            floored[k] = max(power[row, k], floor)
            energy += floored[k]
        # A logarithm costs more than all else here. So exponents are added up, and the logarithm is taken of products
        # of the significands: each is under 2, so that 512 of them are within double precision.
        exponents = 0
        for k in range(bins):
            exponents += (floored_bits[k] >> 23) - 127
            floored_bits[k] = floored_bits[k] & 0x7FFFFF | 0x3F800000
        logarithms = exponents * np.log(2.0)
        for start in range(0, bins, 512):
            product = 1.0
            significands = floored[start : start + 512]
            for k in range(significands.size):
                product *= np.float64(significands[k])
            logarithms += np.log(product)
        shape[row, 3] = np.exp(logarithms / bins) / (energy / bins)
        if total > 0.0:
            centroid = first / total
            shape[row, 0] = centroid * hz_per_bin
            shape[row, 1] = np.sqrt(max(second / total - centroid * centroid, 0.0)) * hz_per_bin
            threshold = rolloff_share * total
            below = 0.0
            start = 0
            while start + 32 <= bins:  # the sum of many is found sooner than that of one after the other
                stretch = magnitude[start : start + 32]
                ahead = 0.0
                for k in range(stretch.size):
                    ahead += np.float64(stretch[k])
                if below + ahead >= threshold:
                    break
                below += ahead
                start += 32
            k = start - 1
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


def peaks_over_valleys(power: NDArray[np.float32], bands: NDArray[np.int64], floor: float) -> NDArray[np.float64]:
    """Mean of the largest over mean of the smallest magnitudes of each band.

    Args:
        power: squared magnitudes, shape (n, bins).
        bands: rows of first bin, one past the last, and how many magnitudes make a peak or a valley.
        floor: least peak or valley that enters the ratio.

    Returns:
        Shape (n, bands).
    """
    ordered = power.copy()
    for first, stop, count in bands.tolist():
        # NumPy sorts single precision with vector instructions: three times as fast as looking for the few
        # outermost one by one.
        if count > 1:
            ordered[:, first:stop].sort(axis=1)
    return _ends_over_starts(ordered, bands, floor)


@compiled
def _ends_over_starts(power: NDArray[np.float32], bands: NDArray[np.int64], floor: float) -> NDArray[np.float64]:
    """What `peaks_over_valleys` gives of power that is sorted in each band, but for those with a peak of one."""
    ratios = np.empty((power.shape[0], bands.shape[0]))
    for row in range(power.shape[0]):
        for band in range(bands.shape[0]):
            values = power[row, bands[band, 0] : bands[band, 1]]
            count = bands[band, 2]
            peak = 0.0
            valley = 0.0
            if count == 1:
                highest = values[0]
                lowest = values[0]
                for k in range(1, values.size):
                    highest = max(highest, values[k])
                    lowest = min(lowest, values[k])
                peak = np.sqrt(highest)
                valley = np.sqrt(lowest)
            else:
                for k in range(count):
                    valley += np.sqrt(values[k]) / count
                    peak += np.sqrt(values[values.size - 1 - k]) / count
            ratios[row, band] = max(peak, floor) / max(valley, floor)
    return ratios


def zero_crossing_shares(frames: NDArray[np.float32], hop: int, threshold: float) -> NDArray[np.float32]:
    """Share of neighbouring samples in each frame whose signs differ; samples within ±threshold are positive.

    Args:
        frames: shape (n, length), each `hop` samples after the one before, length a multiple of hop.
        hop: distance of frames.
        threshold: least magnitude of a negative sample.
    """
    return _crossing_shares(*_hops(frames, hop), threshold)


def root_mean_square(frames: NDArray[np.float32], hop: int) -> NDArray[np.float32]:
    """Root mean square of each frame.

    Args:
        frames: shape (n, length), each `hop` samples after the one before, length a multiple of hop.
        hop: distance of frames.
    """
    return _roots_of_means(*_hops(frames, hop))


def _hops(frames: NDArray[np.float32], hop: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What overlapping frames were cut from: the first hop of every frame, and the others of the last frame.

    Shapes (n, hop) and (length / hop - 1, hop), or none where there is no frame. Each sample is looked at once, and
    what the kernels find in the hops that a frame spans is added up.
    """
    return np.ascontiguousarray(frames[:, :hop]), np.ascontiguousarray(frames[-1:, hop:]).reshape(-1, hop)


@compiled
def _roots_of_means(firsts: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    frames, hop = firsts.shape
    spans = 1 + others.shape[0]
    energies = np.empty(frames + others.shape[0])
    for number in range(energies.size):
        piece = firsts[number] if number < frames else others[number - frames]
        energy = 0.0
        for k in range(hop):
            energy += np.float64(piece[k]) * piece[k]
        energies[number] = energy
    roots = np.empty(frames, np.float32)
    for row in range(frames):
        roots[row] = np.sqrt(energies[row : row + spans].sum() / (spans * hop))
    return roots


@compiled
def _crossing_shares(firsts: NDArray[np.float32], others: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    frames, hop = firsts.shape
    spans = 1 + others.shape[0]
    within = np.empty(frames + others.shape[0], np.int64)
    between = np.zeros(frames + others.shape[0], np.int64)  # a hop and the one before
    negative = np.zeros(hop, np.bool_)
    for number in range(within.size):
        piece = firsts[number] if number < frames else others[number - frames]
        before = negative[hop - 1]
        for k in range(hop):
            negative[k] = piece[k] < -threshold
        between[number] = before != negative[0]
        crossings = 0
        for k in range(hop - 1):
            crossings += negative[k] != negative[k + 1]
        within[number] = crossings
    shares = np.empty(frames, np.float32)
    for row in range(frames):
        crossings = within[row : row + spans].sum() + between[row + 1 : row + spans].sum()
        shares[row] = crossings / (spans * hop)
    return shares
