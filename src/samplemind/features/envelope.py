"""How a single sound sets in and dies away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.envelopes import amplitude_and_power, quadrature
from samplemind.features.kind import Kind
from samplemind.features.streams import SAMPLE_RATE
from samplemind.graph import Unknown

RESOLUTION: Final = SAMPLE_RATE // 1000
"""Samples over which the envelope is smoothed: 1 ms, the finest difference in attack that matters to the ear."""
PEAK_WIDTH: Final = 4 * RESOLUTION
"""Samples over which the peak is averaged: 4 ms even out noise, whose envelope jumps about."""
EDGE: Final = 40 * RESOLUTION
"""Samples before the end where no peak is looked for (or an eighth of a short sound): where a sound is cut off, its
analytic signal swells for a period or two. 40 ms are two periods at 50 Hz."""
RISE_FROM: Final = 0.1
RISE_TO: Final = 0.9
"""Shares of the peak between which the sound is rising (Peeters 2004, fixed-threshold method)."""
DECAYED: Final = 0.1
"""Share of the peak at which a sound has died away: -20 dB, reached without noise in real recordings."""


@dataclass(frozen=True)
class Envelope:
    """Amplitude of a sound over time.

    `amplitude` has shape (n,) at 44.1 kHz; `peak` is its largest value over 4 ms, around sample `peak_at`.
    """

    amplitude: NDArray[np.float32]
    peak: float
    peak_at: int


def envelope(opening: NDArray[np.float32], kind: Kind) -> Envelope | Unknown:
    """Follow the amplitude of a one-shot: magnitude of the analytic signal, root mean square over 1 ms.

    The analytic signal has no ripple at twice the pitch, as rectified samples have, so that the attack of a bass note
    can be told as finely as that of a click. Source: Gabor 1946; G. Peeters, "A large set of audio features for sound
    description", CUIDADO report, Ircam 2004.
    """
    if kind.label != "one-shot":
        return Unknown("only a one-shot has one attack and one decay")
    n = len(opening)
    amplitude, blunt = amplitude_and_power(opening, quadrature(opening, EDGE), RESOLUTION, PEAK_WIDTH)
    peak_at = int(blunt[: n - min(EDGE, n // 8)].argmax())
    if blunt[peak_at] == 0:
        return Unknown("too soft, over its first 8 s, for its envelope to be followed")
    return Envelope(amplitude, math.sqrt(blunt[peak_at]), peak_at)


def attack_s(envelope: Envelope) -> float:
    """Time in seconds in which a one-shot first rises from 10 % to 90 % of its peak amplitude.

    To about 1 ms. Only the first 8 s after digital silence are looked at. Source: Peeters 2004, attack time with fixed
    thresholds (whose logarithm is the MPEG-7 log attack time).
    """
    risen = int(np.argmax(envelope.amplitude >= RISE_TO * envelope.peak))
    low = np.flatnonzero(envelope.amplitude[:risen] < RISE_FROM * envelope.peak)
    start = int(low[-1]) + 1 if low.size else 0
    return (risen - start) / SAMPLE_RATE


def decay_s(envelope: Envelope) -> float | Unknown:
    """Time in seconds from a one-shot's peak until it stays 20 dB below it.

    Unknown where it ends, or its first 8 s do, before it has died away so far.
    """
    loud = np.flatnonzero(envelope.amplitude > DECAYED * envelope.peak)
    if loud[-1] == len(envelope.amplitude) - 1:
        return Unknown("it ends, or its first 8 s do, less than 20 dB below its peak")
    return max(0.0, (int(loud[-1]) + 1 - envelope.peak_at) / SAMPLE_RATE)
