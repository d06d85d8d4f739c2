"""Tones of our own: synthesizers' waves through a low-pass whose brightness dies away.

A filter that moves is two that don't, one dark and one bright, and a fade from one to the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.synth.scores import SAMPLE_RATE

Sound = NDArray[np.float64]


@dataclass(frozen=True)
class Tone:
    """How a voice sounds."""

    wave: str
    """sine, triangle, square, saw, or bell (a carrier and its modulator)."""
    attack_s: float = 0.002
    decay_s: float = 1.0
    """Until it is down by 60 dB while held."""
    release_s: float = 0.03
    dark: float = 2.0
    """Where the closed filter is, in multiples of the tone's own frequency."""
    bright: float = 12.0
    closing_s: float = 0.2
    spread_cents: float = 0.0
    """Between three oscillators; 0 for one alone."""
    wobbles_hz: float = 0.0


TONES: Final[dict[str, Tone]] = {
    "sine": Tone("sine", decay_s=3.0),
    "sub": Tone("sine", attack_s=0.004, decay_s=4.0),
    "triangle": Tone("triangle", decay_s=2.0),
    "square": Tone("square", attack_s=0.001, decay_s=2.5, release_s=0.01, dark=12, bright=30),
    "pulse lead": Tone("square", decay_s=4.0, dark=5, bright=15),
    "saw bass": Tone("saw", decay_s=2.0, dark=2, bright=10, closing_s=0.12),
    "acid": Tone("saw", decay_s=1.0, dark=1.5, bright=20, closing_s=0.08),
    "reese": Tone("saw", attack_s=0.005, decay_s=6.0, dark=4, bright=8, spread_cents=18),
    "wobble": Tone("saw", attack_s=0.005, decay_s=8.0, dark=1.5, bright=14, spread_cents=10, wobbles_hz=4.0),
    "pluck": Tone("saw", attack_s=0.001, decay_s=0.6, dark=2, bright=14, closing_s=0.06),
    "stab": Tone("saw", decay_s=0.8, dark=2, bright=9, closing_s=0.1, spread_cents=12),
    "supersaw": Tone("saw", attack_s=0.004, decay_s=5.0, dark=8, bright=16, spread_cents=25),
    "supersaw pad": Tone("saw", attack_s=0.25, decay_s=12.0, release_s=0.3, dark=5, bright=7, spread_cents=20),
    "pad": Tone("triangle", attack_s=0.4, decay_s=15.0, release_s=0.5, dark=6, bright=8, spread_cents=12),
    "bell": Tone("bell", attack_s=0.001, decay_s=1.5, release_s=0.4, dark=30, bright=40),
    "keys": Tone("triangle", attack_s=0.002, decay_s=1.6, release_s=0.08, dark=4, bright=10, spread_cents=3),
}


def tone(name: str, midi: float, seconds: float) -> Sound:
    """A tone held for so long and then let go, its highest peak about 1.

    Args:
        name: one of `TONES`.
        midi: its pitch, fractions allowed.
        seconds: until it is let go.
    """
    from scipy.signal import butter, sosfilt

    voice = TONES[name]
    hz = 440 * 2 ** ((midi - 69) / 12)
    time = np.arange(max(1, round((seconds + voice.release_s) * SAMPLE_RATE))) / SAMPLE_RATE
    offsets = (-voice.spread_cents, 0.0, voice.spread_cents) if voice.spread_cents else (0.0,)
    waves = [_wave(voice.wave, hz * 2 ** (cents / 1200), time, start) for start, cents in enumerate(offsets)]
    sound: Sound = np.mean(waves, axis=0)
    if voice.wave not in ("sine", "bell"):
        edge = 0.45 * SAMPLE_RATE
        dark, bright = (
            sosfilt(butter(2, min(edge, hz * times), fs=SAMPLE_RATE, output="sos"), sound)
            for times in (voice.dark, voice.bright)
        )
        share = np.exp(-time / voice.closing_s)
        if voice.wobbles_hz:
            share = 0.5 - 0.5 * np.cos(2 * np.pi * voice.wobbles_hz * time)
        sound = dark + share * (bright - dark)
    shape: Sound = np.minimum(1.0, time / voice.attack_s) * np.exp(-6.9 * time / voice.decay_s)
    shape *= np.clip((time[-1] - time) / voice.release_s, 0.0, 1.0)
    return sound * shape


def _wave(shape: str, hz: float, time: Sound, start: int) -> Sound:
    phase = (hz * time + 0.37 * start) % 1.0
    wave: Sound
    match shape:
        case "sine":
            wave = np.sin(2 * np.pi * phase)
        case "triangle":
            wave = 2 * np.abs(2 * phase - 1) - 1
        case "bell":
            modulation = 2.5 * np.exp(-4 * time) * np.sin(2 * np.pi * 3.5 * hz * time)
            wave = np.sin(2 * np.pi * phase + modulation)
        case "square":
            wave = _saw(phase, hz) - _saw((phase + 0.5) % 1.0, hz)
        case _:
            wave = _saw(phase, hz)
    return wave


def _saw(phase: Sound, hz: float) -> Sound:
    """A falling edge once a period, rounded over two samples: polyBLEP (Välimäki, Huovilainen 2007)."""
    step = hz / SAMPLE_RATE
    wave = 2 * phase - 1
    after, before = phase < step, phase > 1 - step
    ahead = phase[after] / step
    wave[after] -= 2 * ahead - ahead * ahead - 1
    behind = (phase[before] - 1) / step
    wave[before] -= behind * behind + 2 * behind + 1
    return wave
