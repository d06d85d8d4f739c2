"""Banks of weights that gather the bins of a spectrum into bands."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled


@dataclass(frozen=True)
class Filterbank:
    """Weights of bands over bins, kept as the contiguous run of bins where each band is not zero."""

    weights: NDArray[np.float32]
    """Shape (bands, bins)."""
    starts: NDArray[np.int64]
    """First bin with weight, per band."""
    stops: NDArray[np.int64]
    """One past the last bin with weight, per band."""

    @classmethod
    def of(cls, weights: NDArray[np.floating]) -> Filterbank:
        """Find the runs of a dense matrix of shape (bands, bins)."""
        filled = weights != 0
        occupied = filled.any(axis=1)
        starts = np.where(occupied, filled.argmax(axis=1), 0)
        stops = np.where(occupied, filled.shape[1] - filled[:, ::-1].argmax(axis=1), 0)
        return cls(np.ascontiguousarray(weights, np.float32), starts.astype(np.int64), stops.astype(np.int64))

    def gather(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weighted sums of shape (n, bands) of rows of shape (n, bins)."""
        return _gather(rows, self.weights, self.starts, self.stops)


@compiled
def _gather(
    rows: NDArray[np.float32], weights: NDArray[np.float32], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> NDArray[np.float32]:
    bands = np.empty((rows.shape[0], weights.shape[0]), np.float32)
    last = rows.shape[0] - 1
    # Four rows at a time: a weight is loaded once for all of them. Where fewer are left the last one is repeated, so
    # that every row is summed in the same order wherever a block ends.
    for first in range(0, rows.shape[0], 4):
        second = min(first + 1, last)
        third = min(first + 2, last)
        fourth = min(first + 3, last)
        for band in range(weights.shape[0]):
            # Slices rather than offsets: their indices start at 0, so that the compiler sees they can't be negative
            # and uses vector instructions.
            start = starts[band]
            stop = stops[band]
            factors = weights[band, start:stop]
            a = rows[first, start:stop]
            b = rows[second, start:stop]
            c = rows[third, start:stop]
            d = rows[fourth, start:stop]
            total_a = np.float32(0)
            total_b = np.float32(0)
            total_c = np.float32(0)
            total_d = np.float32(0)
            for k in range(factors.size):
                factor = factors[k]
                total_a += a[k] * factor
                total_b += b[k] * factor
                total_c += c[k] * factor
                total_d += d[k] * factor
            bands[first, band] = total_a
            bands[second, band] = total_b
            bands[third, band] = total_c
            bands[fourth, band] = total_d
    return bands


_MEL_BREAK_HZ = 1000.0
"""Slaney's scale is linear below 1 kHz, logarithmic above."""
_HZ_PER_MEL = 200.0 / 3
_LOG_STEP = np.log(6.4) / 27


def _hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.log(np.maximum(hz, _MEL_BREAK_HZ) / _MEL_BREAK_HZ) / _LOG_STEP
    return np.where(hz < _MEL_BREAK_HZ, hz / _HZ_PER_MEL, _MEL_BREAK_HZ / _HZ_PER_MEL + above)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.maximum(mel - _MEL_BREAK_HZ / _HZ_PER_MEL, 0)
    return np.where(above == 0, mel * _HZ_PER_MEL, _MEL_BREAK_HZ * np.exp(above * _LOG_STEP))


@functools.cache
def mel_bank(sample_rate: int, n_fft: int, bands: int) -> Filterbank:
    """Triangular bands on the mel scale of Slaney's Auditory Toolbox (1998), each of unit area.

    Weights of shape (bands, n_fft // 2 + 1), over 0 Hz to half the sample rate.
    """
    bins = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    edges = _mel_to_hz(np.linspace(0, _hz_to_mel(np.array(sample_rate / 2)), bands + 2))
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return Filterbank.of(triangles * (2 / (edges[2:] - edges[:-2]))[:, None])


_CHROMA_CENTRE_OCTAVE = 5.0
"""Octave (above A0 = 27.5 Hz) that weighs most."""
_CHROMA_OCTAVE_WIDTH = 2.0
"""Standard deviation of the octave weight, in octaves."""


@functools.cache
def chroma_bank(sample_rate: int, n_fft: int, classes: int = 12) -> Filterbank:
    """Pitch classes from C over linear bins, at A4 = 440 Hz: Ellis's fft2chromamx (2007), as librosa has it.

    Weights of shape (classes, n_fft // 2 + 1): a Gaussian around each class, of unit norm per bin, weighted by a
    Gaussian over octaves.
    """
    hz = np.arange(1, n_fft) * sample_rate / n_fft
    position = classes * np.log2(hz / 27.5)
    position = np.concatenate([[position[0] - 1.5 * classes], position])  # 0 Hz: an octave and a half below bin 1
    width = np.concatenate([np.maximum(np.diff(position), 1.0), [1]])
    half = round(classes / 2)
    distance = np.remainder(position - np.arange(classes)[:, None] + half + 10 * classes, classes) - half
    weights = np.exp(-0.5 * (2 * distance / width) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=0))
    octave = position / classes
    weights *= np.exp(-0.5 * ((octave - _CHROMA_CENTRE_OCTAVE) / _CHROMA_OCTAVE_WIDTH) ** 2)
    from_c = np.roll(weights, -3 * (classes // 12), axis=0)  # the formula counts from A
    return Filterbank.of(from_c[:, : n_fft // 2 + 1])


@functools.cache
def cosine_bank(coefficients: int, bands: int) -> Filterbank:
    """The first rows of the orthonormal type-II cosine transform, shape (coefficients, bands)."""
    angles = np.pi * np.arange(coefficients)[:, None] * (2 * np.arange(bands) + 1) / (2 * bands)
    rows = np.cos(angles) * np.sqrt(2 / bands)
    rows[0] /= np.sqrt(2)
    return Filterbank.of(rows)
