"""From masked spectra back to sound: the harmonic and the percussive part of one channel, in a stream.

This is a graph of its own, run once per channel at the channel's own rate; `samplemind.separation` drives it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.fourier import hann
from samplemind.dsp.separation import soft_mask
from samplemind.features.separation import harmonic_median, percussive_median
from samplemind.features.spectra import ComplexPerFrame, frames, magnitude, power, spectrum
from samplemind.features.streams import HOP_LENGTH, N_FFT, Mono, PerFrame
from samplemind.graph import Graph, Stream

Parts = Annotated[NDArray[np.float32], Stream("parts")]
"""Samples of the harmonic and of the percussive part, shape (n, 2)."""

_HALF: Final = N_FFT // 2


@dataclass(frozen=True)
class Overlap:
    """Sums of overlapping frames that are still to come to an end: windowed parts (2048, 2), squared window (2048,)."""

    parts: NDArray[np.float64]
    window: NDArray[np.float64]
    before: int
    """Samples of the padding before the sound that are still to be dropped."""


def parts(
    state: Overlap | None,
    spectrum: ComplexPerFrame,
    harmonic_median: PerFrame,
    percussive_median: PerFrame,
    margin: float,
    last: bool,
) -> tuple[Overlap, Parts]:
    """Harmonic and percussive samples: each spectrum masked, transformed back, and overlapped with its neighbours.

    The masks are H² / (H² + (m P)²) and P² / (P² + (m H)²) with the margin m (J. Driedger, M. Müller, S. Disch,
    "Extending harmonic-percussive separation of audio signals", ISMIR 2014); with m = 1 the parts add up to the
    sound. The last block reaches up to half a frame beyond the sound's end.
    """
    import scipy.fft

    if state is None:
        state = Overlap(np.zeros((N_FFT, 2)), np.zeros(N_FFT), _HALF)
    count = len(spectrum)
    window = hann(N_FFT)
    harmonic = soft_mask(harmonic_median, percussive_median * np.float32(margin))
    percussive = 1 - harmonic if margin == 1 else soft_mask(percussive_median, harmonic_median * np.float32(margin))
    masked = np.stack([spectrum * harmonic, spectrum * percussive])
    pieces = scipy.fft.irfft(masked, N_FFT, axis=2) * window
    length = N_FFT + count * HOP_LENGTH
    summed = np.zeros((length, 2))
    summed[:N_FFT] = state.parts
    weights = np.zeros(length)
    weights[:N_FFT] = state.window
    for number in range(count):
        here = slice(number * HOP_LENGTH, number * HOP_LENGTH + N_FFT)
        summed[here] += pieces[:, number].T
        weights[here] += _squared_window()
    done = length - _HALF if last else count * HOP_LENGTH
    whole = summed[:done] / np.maximum(weights[:done], _LEAST_WEIGHT)[:, None]
    dropped = min(state.before, done)
    return Overlap(summed[done:], weights[done:], state.before - dropped), whole[dropped:].astype(np.float32)


_LEAST_WEIGHT: Final = 1e-8
"""Only in the padding before the sound is so little of any window."""


@functools.cache
def _squared_window() -> NDArray[np.float64]:
    window = hann(N_FFT).astype(np.float64)
    return window * window


@functools.cache
def separation_graph(margin: float) -> Graph:
    """The graph of one channel: `parts` of the input `mono`, with the margin as a setting."""
    functions = (frames, spectrum, power, magnitude, harmonic_median, percussive_median, parts)
    return Graph(functions, inputs={"mono": Mono}, settings={"margin": margin})
