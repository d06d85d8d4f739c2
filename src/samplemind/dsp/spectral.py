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


def peaks_and_valleys(
    power: NDArray[np.float32], bands: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of the largest and of the smallest magnitudes of each band.

    Args:
        power: squared magnitudes, shape (n, bins).
        bands: rows of first bin, one past the last, and how many magnitudes make a peak or a valley.

    Returns:
        Peaks and valleys, each of shape (n, bands).
    """
    peaks, valleys = np.empty((2, len(power), len(bands)))
    for band, (first, stop, count) in enumerate(bands):
        # NumPy sorts single precision with vector instructions: three times as fast as looking for the few
        # outermost one by one. Roots are taken of those only.
        ordered = np.sort(power[:, first:stop], axis=1)
        np.sqrt(ordered[:, -count:]).mean(axis=1, dtype=np.float64, out=peaks[:, band])
        np.sqrt(ordered[:, :count]).mean(axis=1, dtype=np.float64, out=valleys[:, band])
    return peaks, valleys


def zero_crossing_shares(frames: NDArray[np.float32], hop: int, threshold: float) -> NDArray[np.float32]:
    """Share of neighbouring samples in each frame whose signs differ; samples within ±threshold are positive.

    Args:
        frames: shape (n, length), each `hop` samples after the one before, length a multiple of hop.
        hop: distance of frames.
        threshold: least magnitude of a negative sample.
    """
    # Frames overlap: each sample is looked at once, and the counts of the hops that a frame spans are added up.
    within, between = _hop_crossings(_unframed(frames, hop), hop, threshold)
    spans = frames.shape[1] // hop
    crossings = _sliding_sum(within, spans)
    crossings[:] += _sliding_sum(between[1:], spans - 1)[: len(crossings)]
    shares: NDArray[np.float32] = (crossings / frames.shape[1]).astype(np.float32)
    return shares


def root_mean_square(frames: NDArray[np.float32], hop: int) -> NDArray[np.float32]:
    """Root mean square of each frame.

    Args:
        frames: shape (n, length), each `hop` samples after the one before, length a multiple of hop.
        hop: distance of frames.
    """
    energies = _sliding_sum(_hop_energies(_unframed(frames, hop), hop), frames.shape[1] // hop)
    rms: NDArray[np.float32] = np.sqrt(energies / frames.shape[1]).astype(np.float32)
    return rms


def _unframed(frames: NDArray[np.float32], hop: int) -> NDArray[np.float32]:
    """The samples that overlapping frames were cut from."""
    return np.concatenate([frames[:, :hop].ravel(), frames[-1:, hop:].ravel()])


def _sliding_sum(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    count = max(0, len(values) - width + 1)
    total = np.zeros(count)
    for offset in range(width):
        total += values[offset : offset + count]
    return total


@compiled
def _hop_energies(samples: NDArray[np.float32], hop: int) -> NDArray[np.float64]:
    energies = np.empty(samples.size // hop)
    for number in range(energies.size):
        piece = samples[number * hop : (number + 1) * hop]
        energy = 0.0
        for k in range(piece.size):
            energy += np.float64(piece[k]) * piece[k]
        energies[number] = energy
    return energies


@compiled
def _hop_crossings(
    samples: NDArray[np.float32], hop: int, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Changes of sign inside each hop, and between it and the one before."""
    hops = samples.size // hop
    within = np.zeros(hops)
    between = np.zeros(hops)
    for number in range(hops):
        piece = samples[number * hop : (number + 1) * hop]
        crossings = 0
        for k in range(1, piece.size):
            crossings += (piece[k] < -threshold) != (piece[k - 1] < -threshold)
        within[number] = crossings
        if number > 0:
            between[number] = (piece[0] < -threshold) != (samples[number * hop - 1] < -threshold)
    return within, between
