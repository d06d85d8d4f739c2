"""Timbre over the whole sound: statistics of what the spectra say frame by frame.

Every statistic is over all frames, silent ones too, accumulated in double precision.
"""

from __future__ import annotations

from samplemind.dsp.statistics import Moments, moments_including
from samplemind.features.streams import PerFrame


def spectral_centroid_moments(state: Moments | None, spectral_centroid: PerFrame) -> Moments | None:
    """Statistics of the spectral centroid, in Hz."""
    return moments_including(state, spectral_centroid)


def spectral_bandwidth_moments(state: Moments | None, spectral_bandwidth: PerFrame) -> Moments | None:
    """Statistics of the spectral bandwidth, in Hz."""
    return moments_including(state, spectral_bandwidth)


def spectral_rolloff_moments(state: Moments | None, spectral_rolloff: PerFrame) -> Moments | None:
    """Statistics of the spectral rolloff, in Hz."""
    return moments_including(state, spectral_rolloff)


def spectral_flatness_moments(state: Moments | None, spectral_flatness: PerFrame) -> Moments | None:
    """Statistics of the spectral flatness, 0 to 1."""
    return moments_including(state, spectral_flatness)


def spectral_contrast_moments(state: Moments | None, spectral_contrast: PerFrame) -> Moments | None:
    """Statistics of the spectral contrast in dB, seven columns."""
    return moments_including(state, spectral_contrast)


def zero_crossing_rate_moments(state: Moments | None, zero_crossing_rate: PerFrame) -> Moments | None:
    """Statistics of the zero-crossing rate, 0 to 1."""
    return moments_including(state, zero_crossing_rate)


def rms_moments(state: Moments | None, rms: PerFrame) -> Moments | None:
    """Statistics of the root mean square, full scale 1."""
    return moments_including(state, rms)


def mfcc_moments(state: Moments | None, mfcc: PerFrame) -> Moments | None:
    """Statistics of the mel-frequency cepstral coefficients, twenty columns."""
    return moments_including(state, mfcc)


def chroma_moments(state: Moments | None, chroma: PerFrame) -> Moments | None:
    """Statistics of the chroma, twelve columns from C."""
    return moments_including(state, chroma)
