"""The note that a one-shot plays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.pitch import normalised_autocorrelation, period_of
from samplemind.features.kind import Kind
from samplemind.features.streams import SAMPLE_RATE
from samplemind.graph import Unknown

LOWEST_MIDI: Final = 21
HIGHEST_MIDI: Final = 108
"""The keys of a piano."""
SHORTEST_PERIOD: Final = 2
"""Samples, the period of 22 kHz: that of a tone above the piano must be found, lest its multiple be taken for it."""
FRAME: Final = 4096
"""93 ms: two and a half periods of the lowest note."""
MOST_FRAMES: Final = 8
"""Of the frames that are loud enough, spread evenly. With three, notes of real instruments are wrong more often."""
SOFTEST: Final = 0.01
"""Frames with less than this share of the loudest one's energy, -20 dB, don't count: breath, releases, echoes."""
LEAST_CLARITY: Final = 0.8
"""Clarity of a pitch at least. Notes of real instruments reach 0.83 at least and nine in ten 0.9; of snares, claps,
cymbals, shakers and rims none has 0.8, of kicks one in twelve; toms, cowbells and congas, which are tuned, often do."""


@dataclass(frozen=True)
class RootNote:
    """A note: its MIDI number (A4 = 440 Hz is 69), and the deviation from it, -50 to 50 cents."""

    midi: int
    cents: float


def root_note(opening: NDArray[np.float32], kind: Kind) -> RootNote | Unknown:
    """The one note of a one-shot, MIDI 21 to 108; of a chord, the note of its common period.

    From its first 8 s after digital silence, which are enough for any note. Source: P. McLeod & G. Wyvill, "A smarter
    way to find pitch", ICMC 2005, over several frames as one. Unknown where the sound has no clear period: drums,
    noise, silence.
    """
    if kind.label != "one-shot":
        return Unknown("only a one-shot has one root note")
    frames = _loud_frames(opening)
    if frames is None:
        return Unknown("its first 8 s are silent")
    longest = math.ceil(SAMPLE_RATE / _hz(LOWEST_MIDI - 0.5))
    found = period_of(normalised_autocorrelation(frames, lags=longest + 2), shortest=SHORTEST_PERIOD)
    if found is None or found[1] < LEAST_CLARITY:
        return Unknown("it has no clear pitch")
    note = 69 + 12 * math.log2(SAMPLE_RATE / found[0] / 440)
    midi = round(note)
    if not LOWEST_MIDI <= midi <= HIGHEST_MIDI:
        return Unknown("its pitch is beyond the keys of a piano")
    return RootNote(midi, 100 * (note - midi))


def _loud_frames(samples: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Up to eight frames of zero mean and common scale: shape (n, 4096). None for silence."""
    if len(samples) < FRAME:
        samples = np.concatenate([samples, np.zeros(FRAME - len(samples), np.float32)])
    samples = np.ascontiguousarray(samples)
    count, step = 1 + (len(samples) - FRAME) // (FRAME // 2), samples.itemsize
    frames = np.ndarray((count, FRAME), samples.dtype, samples, strides=(FRAME // 2 * step, step))
    energies = np.einsum("ij,ij->i", frames, frames)
    loud = np.flatnonzero(energies >= SOFTEST * energies.max())
    if len(loud) > MOST_FRAMES:
        loud = loud[np.linspace(0, len(loud) - 1, MOST_FRAMES).round().astype(np.intp)]
    chosen = frames[loud] - frames[loud].mean(axis=1, keepdims=True)
    peak = np.abs(chosen).max()
    # What is left of a constant is rounding.
    if peak <= 1e-6 * np.abs(samples).max():
        return None
    scaled: NDArray[np.float32] = chosen / peak
    return scaled


def _hz(midi: float) -> float:
    return 440 * 2 ** ((midi - 69) / 12)
