"""Drums from noise and falling tones, each of a character drawn by chance.

The recipes are those of analogue drum machines: a kick is a sine that falls, a snare a membrane's two modes and
filtered noise, metal six square waves of unrelated pitch through a high-pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.synth.scores import SAMPLE_RATE

Sound = NDArray[np.float64]
Random = np.random.Generator

_METAL_HZ: Final = np.array([205.3, 304.4, 369.6, 522.7, 540.0, 800.0])
"""Of the six oscillators in a TR-808's cymbal and hats."""


def stroke(kind: str, kit: str, rng: Random) -> Sound:
    """One stroke, its highest peak 1.

    Args:
        kind: one of `KINDS`.
        kit: "acoustic" is rounder and noisier than "electronic".
        rng: draws the character.
    """
    sound = _RECIPES[kind](rng, 1.0 if kit == "acoustic" else 0.0)
    fade = min(len(sound), round(0.005 * SAMPLE_RATE))
    sound[-fade:] *= np.linspace(1, 0, fade)
    return sound / max(1e-9, float(np.abs(sound).max()))


def _time(seconds: float) -> Sound:
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _decay(time: Sound, seconds: float) -> Sound:
    """Falls by 60 dB in so many seconds, after half a millisecond's rise."""
    shape: Sound = np.minimum(1.0, time / 0.0005) * np.exp(-6.9 * time / seconds)
    return shape


def _filtered(sound: Sound, low_hz: float | None, high_hz: float | None, order: int = 2) -> Sound:
    from scipy.signal import butter, sosfilt

    for hz, kind in ((low_hz, "highpass"), (high_hz, "lowpass")):
        if hz is not None:
            sound = sosfilt(butter(order, min(hz, 0.45 * SAMPLE_RATE), kind, fs=SAMPLE_RATE, output="sos"), sound)
    return sound


def _noise(rng: Random, time: Sound, low_hz: float | None, high_hz: float | None = None) -> Sound:
    sound = _filtered(rng.standard_normal(len(time)), low_hz, high_hz)
    return sound / max(1e-9, float(np.abs(sound).max()))


def _fall(time: Sound, top_hz: float, end_hz: float, rate: float) -> Sound:
    """A sine whose pitch falls to its end."""
    swept: Sound = np.sin(2 * np.pi * (end_hz * time + (top_hz - end_hz) / rate * (1 - np.exp(-rate * time))))
    return swept


def _metal(rng: Random, time: Sound, low_hz: float, scale: float = 1.0) -> Sound:
    pitches = _METAL_HZ * scale * rng.uniform(0.8, 1.3) * rng.uniform(0.95, 1.05, len(_METAL_HZ))
    squares = np.sign(np.sin(2 * np.pi * np.outer(pitches, time) + rng.uniform(0, 6, (len(pitches), 1)))).sum(axis=0)
    return _filtered(squares, low_hz, None) / len(pitches)


def _kick(rng: Random, acoustic: float) -> Sound:
    length = rng.uniform(0.15, 0.35) if acoustic else float(np.exp(rng.uniform(np.log(0.15), np.log(1.0))))
    time = _time(length)
    end = rng.uniform(40, 70)
    body = _fall(time, end + rng.uniform(40, 350), end, rng.uniform(20, 120)) * _decay(time, length)
    click = _noise(rng, time, rng.uniform(800, 3000)) * _decay(time, rng.uniform(0.005, 0.03))
    return np.tanh(rng.uniform(1, 3) * body) + rng.uniform(0, 0.5) * click


def _snare(rng: Random, acoustic: float) -> Sound:
    length = rng.uniform(0.12, 0.45)
    time = _time(length)
    hz = rng.uniform(150, 250)
    body = _fall(time, hz * rng.uniform(1, 1.6), hz, 60) + 0.5 * np.sin(2 * np.pi * 1.6 * hz * time)
    rattle = _noise(rng, time, rng.uniform(500, 2500), rng.uniform(7000, 16000)) * _decay(time, length)
    return rng.uniform(0.3, 1.0) * body * _decay(time, rng.uniform(0.08, 0.2)) + (1.0 + acoustic) * rattle


def _clap(rng: Random, acoustic: float) -> Sound:
    length = rng.uniform(0.15, 0.5)
    time = _time(length)
    noise = _noise(rng, time, rng.uniform(600, 1100), rng.uniform(2500, 7000))
    gap = rng.uniform(0.007, 0.013)
    bursts = sum(
        (np.where(time >= k * gap, np.exp(-(time - k * gap) / 0.004), 0.0) for k in range(3)), np.zeros_like(time)
    )
    tail = np.where(time >= 3 * gap, np.exp(-6.9 * (time - 3 * gap) / length), 0.0)
    return noise * (np.minimum(bursts, 1.0) + rng.uniform(0.6, 1.0) * tail)


def _hat(rng: Random, acoustic: float, low_s: float, high_s: float) -> Sound:
    length = rng.uniform(low_s, high_s)
    time = _time(length)
    low = rng.uniform(5000, 9000)
    share = rng.uniform(0.3, 0.9) if acoustic else rng.uniform(0.0, 1.0)
    return (share * _noise(rng, time, low) + (1 - share) * _metal(rng, time, low)) * _decay(time, length)


def _tom(rng: Random, acoustic: float) -> Sound:
    length = rng.uniform(0.25, 0.7)
    time = _time(length)
    hz = rng.uniform(70, 220)
    skin = _noise(rng, time, 300, 4000) * _decay(time, 0.04)
    return _fall(time, hz * rng.uniform(1.1, 1.7), hz, rng.uniform(10, 40)) * _decay(time, length) + 0.2 * skin


def _rim(rng: Random, acoustic: float) -> Sound:
    time = _time(rng.uniform(0.03, 0.09))
    hz = rng.uniform(400, 900)
    ring = np.sin(2 * np.pi * hz * time) + np.sin(2 * np.pi * hz * rng.uniform(2.5, 4.2) * time)
    return (ring + rng.uniform(0.2, 0.9) * _noise(rng, time, 1500)) * _decay(time, rng.uniform(0.02, 0.07))


def _shaker(rng: Random, acoustic: float) -> Sound:
    length = rng.uniform(0.05, 0.16)
    time = _time(length)
    shape: Sound = np.minimum(time / rng.uniform(0.003, 0.02), 1.0) * np.exp(-5 * time / length)
    return _noise(rng, time, rng.uniform(3000, 6500), rng.uniform(9000, 18000)) * shape


def _crash(rng: Random, acoustic: float) -> Sound:
    length = rng.uniform(1.0, 2.5)
    time = _time(length)
    low = rng.uniform(1500, 4500)
    return (_noise(rng, time, low) + rng.uniform(0.2, 1) * _metal(rng, time, low, 1.4)) * _decay(time, length)


def _ride(rng: Random, acoustic: float) -> Sound:
    length = rng.uniform(0.6, 1.6)
    time = _time(length)
    ping = np.sin(2 * np.pi * rng.uniform(2500, 4800) * time) * _decay(time, 0.3)
    wash = _metal(rng, time, rng.uniform(3500, 6000), 1.7) + 0.5 * _noise(rng, time, 6000)
    return 0.4 * ping + wash * (0.3 * _decay(time, length) + 0.7 * _decay(time, 0.15))


def _cowbell(rng: Random, acoustic: float) -> Sound:
    time = _time(rng.uniform(0.12, 0.5))
    hz = rng.uniform(480, 640)
    pair = np.sign(np.sin(2 * np.pi * hz * time)) + np.sign(np.sin(2 * np.pi * hz * rng.uniform(1.42, 1.55) * time))
    return _filtered(pair, hz, 4 * hz) * _decay(time, float(time[-1]))


def _tambourine(rng: Random, acoustic: float) -> Sound:
    length = rng.uniform(0.1, 0.35)
    time = _time(length)
    jingles: Sound = np.sin(2 * np.pi * np.outer(rng.uniform(5000, 11000, 6), time)).sum(axis=0) / 6
    return (jingles + _noise(rng, time, 6000)) * _decay(time, length)


def _hand_drum(rng: Random, acoustic: float) -> Sound:
    length = rng.uniform(0.12, 0.4)
    time = _time(length)
    hz = rng.uniform(160, 420)
    tone = _fall(time, 1.15 * hz, hz, 60) + rng.uniform(0.1, 0.5) * np.sin(2 * np.pi * 1.59 * hz * time)
    slap = _noise(rng, time, 700, 6000) * _decay(time, rng.uniform(0.01, 0.04))
    return tone * _decay(time, length) + rng.uniform(0.2, 1.0) * slap


def _wood(rng: Random, acoustic: float) -> Sound:
    time = _time(rng.uniform(0.04, 0.12))
    hz = rng.uniform(800, 2600)
    return (np.sin(2 * np.pi * hz * time) + 0.2 * np.sin(2 * np.pi * 2.7 * hz * time)) * _decay(time, float(time[-1]))


_RECIPES: Final[dict[str, Callable[[Random, float], Sound]]] = {
    "kick": _kick,
    "snare": _snare,
    "clap": _clap,
    "hihat_closed": lambda rng, acoustic: _hat(rng, acoustic, 0.03, 0.12),
    "hihat_open": lambda rng, acoustic: _hat(rng, acoustic, 0.25, 0.8),
    "tom": _tom,
    "rim": _rim,
    "shaker": _shaker,
    "crash": _crash,
    "ride": _ride,
    "cowbell": _cowbell,
    "tambourine": _tambourine,
    "hand_drum": _hand_drum,
    "wood_clave": _wood,
}
KINDS: Final = tuple(_RECIPES)
