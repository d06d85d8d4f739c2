"""Sounds with known answers, for all tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100


def sine(hz: float, seconds: float, *, sample_rate: int = SAMPLE_RATE, amplitude: float = 0.5) -> NDArray[np.float32]:
    """A sine of shape (n,)."""
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def noise(
    seconds: float, *, sample_rate: int = SAMPLE_RATE, amplitude: float = 0.1, seed: int = 0
) -> NDArray[np.float32]:
    """White Gaussian noise of shape (n,), the same for the same seed."""
    generator = np.random.default_rng(seed)
    return (amplitude * generator.standard_normal(round(seconds * sample_rate))).astype(np.float32)


def clicks(
    bpm: float, seconds: float, *, sample_rate: int = SAMPLE_RATE, amplitude: float = 0.8, start_s: float = 0.0
) -> NDArray[np.float32]:
    """Short decaying 1 kHz clicks on every beat, each placed on the nearest sample."""
    sound = np.zeros(round(seconds * sample_rate), np.float32)
    times = np.arange(round(0.03 * sample_rate)) / sample_rate
    click = amplitude * np.sin(2 * np.pi * 1000 * times) * np.exp(-times / 0.005)
    for beat in range(int((seconds - start_s) * bpm / 60) + 1):
        at = round((start_s + beat * 60 / bpm) * sample_rate)
        length = min(len(click), len(sound) - at)
        if length > 0:
            sound[at : at + length] += click[:length]
    return sound


def music(seconds: float, *, sample_rate: int = SAMPLE_RATE, seed: int = 0) -> NDArray[np.float32]:
    """Something of everything: a chord, clicks at 120 bpm and a little noise, with silence at the end."""
    chord = sum(sine(hz, seconds, sample_rate=sample_rate, amplitude=0.1) for hz in (220.0, 277.18, 329.63))
    beats = clicks(120, seconds, sample_rate=sample_rate, amplitude=0.5)
    sound = chord + beats + noise(seconds, sample_rate=sample_rate, amplitude=0.01, seed=seed)
    sound[-len(sound) // 8 :] = 0
    return np.asarray(sound, np.float32)
