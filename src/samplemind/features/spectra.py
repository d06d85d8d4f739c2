"""The full-band spectrum and what is read off it, frame by frame.

Frames of 2048 samples every 512 at 44.1 kHz, centred, Hann window. Every number here equals librosa's with the same
parameters.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.filterbanks import chroma_bank, cosine_bank, mel_bank
from samplemind.dsp.fourier import power_of, windowed_rfft
from samplemind.dsp.framing import next_frames
from samplemind.dsp.spectral import (
    POWER_FLOOR,
    ROLLOFF_SHARE,
    contrast_bands,
    peaks_over_valleys,
    root_mean_square,
    zero_crossing_shares,
)
from samplemind.dsp.spectral import spectral_shape as shape_of
from samplemind.features.streams import FRAME_RATE, HOP_LENGTH, N_FFT, SAMPLE_RATE, Mono, PerFrame
from samplemind.graph import Stream

ComplexPerFrame = Annotated[NDArray[np.complex64], Stream("frames", rate_hz=FRAME_RATE)]
"""Complex rows per frame of the full-band spectrum."""

MEL_BANDS = 128
MFCC_COUNT = 20
ZERO_THRESHOLD = 1e-10
"""Samples closer to zero than this have no sign of their own: librosa's threshold."""


def frames(state: Any | None, mono: Mono, last: bool) -> tuple[Any, PerFrame]:
    """Overlapping frames of the mono stream, zeros beyond its ends: shape (frames, 2048)."""
    return next_frames(state, mono, length=N_FFT, hop=HOP_LENGTH, last=last)


def spectrum(frames: PerFrame) -> ComplexPerFrame:
    """Short-time Fourier transform: shape (frames, 1025), complex, unscaled."""
    return windowed_rfft(frames)


def power(spectrum: ComplexPerFrame) -> PerFrame:
    """Squared magnitude of the spectrum: shape (frames, 1025)."""
    return power_of(spectrum)


def magnitude(power: PerFrame) -> PerFrame:
    """Magnitude of the spectrum: shape (frames, 1025)."""
    roots: PerFrame = np.sqrt(power)
    return roots


def mel(power: PerFrame) -> PerFrame:
    """Power in 128 mel bands of Slaney's scale from 0 to 22.05 kHz: shape (frames, 128)."""
    return mel_bank(SAMPLE_RATE, N_FFT, MEL_BANDS).gather(power)


def mfcc(mel: PerFrame) -> PerFrame:
    """Mel-frequency cepstral coefficients: shape (frames, 20).

    Orthonormal cosine transform of the mel powers in dB (Davis & Mermelstein 1980), no clipping below the loudest.
    Powers under 1e-10 are taken as 1e-10, as in librosa: a gain moves the first coefficient alone, except where a
    band comes so near digital silence; there all of them depend on the level.
    """
    decibels = np.log(np.maximum(mel, np.float32(POWER_FLOOR))) * np.float32(10 / np.log(10))
    return cosine_bank(MFCC_COUNT, MEL_BANDS).gather(decibels)


def chroma(power: PerFrame) -> PerFrame:
    """Power per pitch class from C, at A4 = 440 Hz, the strongest of each frame 1: shape (frames, 12)."""
    classes = chroma_bank(SAMPLE_RATE, N_FFT).gather(power)
    strongest = classes.max(axis=1, keepdims=True)
    np.divide(classes, strongest, out=classes, where=strongest > np.finfo(np.float32).tiny)
    return classes


def spectral_shape(power: PerFrame) -> PerFrame:
    """Centroid, bandwidth and rolloff in Hz, and flatness, of each spectrum: shape (frames, 4)."""
    return shape_of(power, SAMPLE_RATE / N_FFT, ROLLOFF_SHARE, POWER_FLOOR)


def spectral_centroid(spectral_shape: PerFrame) -> PerFrame:
    """Mean frequency in Hz, weighted by magnitude: shape (frames,). 0 for silence."""
    return spectral_shape[:, 0]


def spectral_bandwidth(spectral_shape: PerFrame) -> PerFrame:
    """Standard deviation of frequency in Hz, weighted by magnitude: shape (frames,). 0 for silence."""
    return spectral_shape[:, 1]


def spectral_rolloff(spectral_shape: PerFrame) -> PerFrame:
    """Frequency in Hz below which 85 % of the magnitude lies: shape (frames,). 0 for silence."""
    return spectral_shape[:, 2]


def spectral_flatness(spectral_shape: PerFrame) -> PerFrame:
    """Geometric over arithmetic mean of the power, 0 (a tone) to 1 (noise): shape (frames,). 1 for silence.

    Powers under 1e-10 are taken as 1e-10, as in librosa: where a bin comes so near digital silence, as those beside a
    pure tone or above a low-pass do, it depends on the level.
    """
    return spectral_shape[:, 3]


def spectral_contrast(power: PerFrame) -> PerFrame:
    """Peak over valley in seven octave bands, in dB of magnitude: shape (frames, 7) (Jiang et al. 2002).

    Bands start at 0, 200, 400, 800, 1600, 3200 and 6400 Hz; peak and valley are means of the outermost 2 %. As in
    librosa, the dB are ten times the logarithm of the magnitude ratio, and magnitudes under 1e-10 are taken as 1e-10:
    only of bands that hold next to digital silence does it depend on the level.
    """
    ratios = peaks_over_valleys(power, contrast_bands(SAMPLE_RATE, N_FFT), POWER_FLOOR)
    contrast: PerFrame = (10 * np.log10(ratios)).astype(np.float32)
    return contrast


def rms(frames: PerFrame) -> PerFrame:
    """Root mean square of each frame's samples, full scale 1: shape (frames,)."""
    return root_mean_square(frames, HOP_LENGTH)


def zero_crossing_rate(state: Any | None, mono: Mono, last: bool) -> tuple[Any, PerFrame]:
    """Share of sign changes between neighbouring samples, 0 to 1: shape (frames,).

    Frames like those of the spectrum, but continued beyond the ends by the first and the last sample. Samples from
    -1e-10 up count as positive, as in librosa: the level plays a part only where a sound comes so near zero.
    """
    state, edged = next_frames(state, mono, length=N_FFT, hop=HOP_LENGTH, last=last, pad="edge")
    return state, zero_crossing_shares(edged, HOP_LENGTH, ZERO_THRESHOLD)
