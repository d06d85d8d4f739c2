"""From masked spectra back to sound: the harmonic and the percussive part of one channel, in a stream.

This is a graph of its own, run once per channel at the channel's own rate; `samplemind.separation` drives it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any, Final

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
    """What is not complete yet of overlapping frames.

    `sums` of their windowed parts and of the squared window, each of shape (2048,), and the `sound` that they stand
    for, as far as it came.
    """

    sums: tuple[NDArray[np.float64], ...]
    window: NDArray[np.float64]
    sound: NDArray[np.float32]
    before: int
    """Samples of the padding before the sound that are still to be dropped."""


def hops(frames: PerFrame) -> PerFrame:
    """The samples from the centre of each frame to the centre of the next: shape (frames, 512)."""
    return frames[:, _HALF : _HALF + HOP_LENGTH]


def parts(
    state: Overlap | None,
    hops: PerFrame,
    spectrum: ComplexPerFrame,
    harmonic_median: PerFrame,
    percussive_median: PerFrame,
    margin: float,
    last: bool,
) -> tuple[Overlap, Parts]:
    """Harmonic and percussive samples: each spectrum masked, transformed back, and overlapped with its neighbours.

    The masks are H² / (H² + (m P)²) and P² / (P² + (m H)²) with the margin m (J. Driedger, M. Müller, S. Disch,
    "Extending harmonic-percussive separation of audio signals", ISMIR 2014); with m = 1 the parts add up to the
    sound, so that the second is what the first leaves. The last block reaches up to half a frame beyond the sound's
    end.
    """
    masks = [soft_mask(harmonic_median, percussive_median * np.float32(margin))]
    if margin != 1:
        masks.append(soft_mask(percussive_median, harmonic_median * np.float32(margin)))
    if state is None:
        none = np.zeros(N_FFT)
        state = Overlap((none,) * len(masks), none, np.empty(0, np.float32), _HALF)
    sums = [_overlapped(before, _pieces(spectrum * mask)) for before, mask in zip(state.sums, masks, strict=True)]
    weights = _overlapped(state.window, np.broadcast_to(_squared_window(), (len(spectrum), N_FFT)))
    done = len(weights) - _HALF if last else len(weights) - N_FFT
    dropped = min(state.before, done)
    weighted = np.maximum(weights[dropped:done], _LEAST_WEIGHT)
    sound = np.concatenate([state.sound, hops.ravel()])
    whole = np.empty((done - dropped, 2), np.float32)
    for number, total in enumerate(sums):
        whole[:, number] = total[dropped:done] / weighted
    if margin == 1:
        whole[:, 1] = sound[: len(whole)] - whole[:, 0]
    left = tuple(total[done:] for total in sums)
    return Overlap(left, weights[done:], sound[len(whole) :], state.before - dropped), whole


_LEAST_WEIGHT: Final = 1e-8
"""Only in the padding before the sound is so little of any window."""


def _pieces(masked: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Windowed frames of spectra."""
    import scipy.fft

    pieces: NDArray[np.float32] = scipy.fft.irfft(masked, N_FFT, axis=1, overwrite_x=True)
    pieces *= hann(N_FFT)
    return pieces


def _overlapped(before: NDArray[np.float64], pieces: NDArray[Any]) -> NDArray[np.float64]:
    """Sum of frames, each a hop after the one before, and of what earlier ones left: so many hops more, and 2048."""
    count, quarters = len(pieces), N_FFT // HOP_LENGTH
    total = np.concatenate([before, np.zeros(count * HOP_LENGTH)]).reshape(count + quarters, HOP_LENGTH)
    for quarter in reversed(range(quarters)):
        total[quarter : quarter + count] += pieces[:, quarter * HOP_LENGTH : (quarter + 1) * HOP_LENGTH]
    return total.ravel()


@functools.cache
def _squared_window() -> NDArray[np.float64]:
    window = hann(N_FFT).astype(np.float64)
    return window * window


@functools.cache
def separation_graph(margin: float) -> Graph:
    """The graph of one channel: `parts` of the input `mono`, with the margin as a setting."""
    functions = (frames, hops, spectrum, power, magnitude, harmonic_median, percussive_median, parts)
    return Graph(functions, inputs={"mono": Mono}, settings={"margin": margin})
