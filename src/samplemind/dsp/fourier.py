"""Short-time Fourier spectra."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled


@functools.cache
def hann(length: int) -> NDArray[np.float32]:
    """Periodic Hann window of shape (length,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


def windowed_rfft(frames: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Spectrum of Hann-windowed real frames.

    Args:
        frames: shape (n, length).

    Returns:
        Shape (n, length // 2 + 1), single precision, unscaled.
    """
    import scipy.fft

    spectrum: NDArray[np.complex64] = scipy.fft.rfft(frames * hann(frames.shape[1]), axis=1, overwrite_x=True)
    return spectrum


@compiled
def power_of(spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Squared magnitude of every element of a 2-D array."""
    rows, columns = spectrum.shape
    power = np.empty((rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            value = spectrum[row, column]
            power[row, column] = value.real * value.real + value.imag * value.imag
    return power
