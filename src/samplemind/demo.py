"""Three sounds whose truth is known because they are made here: a drum loop, a chord progression, a pluck."""

from __future__ import annotations

import dataclasses
import io
import os
import tempfile
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.keys import note_name
from samplemind.engine import AudioEngine
from samplemind.result import AudioFeatures

Sound = NDArray[np.float64]

RATE: Final = 44_100
_SEED: Final = 1
"""Of the noise in snare and hats, so that the sounds are the same at every run."""

LOOP_BPM: Final = 124.0
_LOOP_BARS: Final = 4
_CHORDS: Final = ((57, 60, 64), (53, 57, 60), (50, 53, 57), (52, 56, 59))
"""MIDI notes of A minor, F major, D minor and E major, whose G# leads home and tells A minor from C major."""
_CHORD_S: Final = 2.0
_PLUCK_MIDI: Final = 57


@dataclass(frozen=True)
class Check:
    """One thing that was made, beside what was found."""

    made: str
    found: str
    holds: bool


@dataclass(frozen=True)
class DemoSound:
    """A sound, and how to tell whether an analysis of it is right."""

    name: str
    samples: Callable[[], Sound]
    checks: Callable[[AudioFeatures], tuple[Check, ...]]


@dataclass(frozen=True)
class Outcome:
    """What the analysis of a sound found."""

    sound: DemoSound
    features: AudioFeatures
    checks: tuple[Check, ...]


def drum_loop() -> Sound:
    """Four bars of kick, snare and hi-hats at `LOOP_BPM`, shape (n, 2): hats sit a little to the right."""
    noise = np.random.default_rng(_SEED)
    beat = 60 / LOOP_BPM
    beats = 4 * _LOOP_BARS
    kick, snare, hat = _kick(), _snare(noise), _hat(noise)
    left, right = np.zeros((2, round(beats * beat * RATE)))
    for channel, hats in ((left, 0.12), (right, 0.2)):
        for index in range(beats):
            _add(channel, index * beat, kick if index % 2 == 0 else snare)
            for half in (0.0, 0.5):
                _add(channel, (index + half) * beat, hats * hat)
        for bar in range(_LOOP_BARS):  # a kick before the third beat makes it swing along
            _add(channel, (4 * bar + 1.5) * beat, 0.7 * kick)
    return _normalised(np.stack([left, right], axis=1))


def chord_progression() -> Sound:
    """A minor, F major, D minor, E major, shape (n,): soft tones of six harmonics with a bass note."""
    sound = np.zeros(round(len(_CHORDS) * _CHORD_S * RATE))
    for index, chord in enumerate(_CHORDS):
        for midi in (*chord, chord[0] - 12):
            _add(sound, index * _CHORD_S, _tone(midi, _CHORD_S))
    return _normalised(sound)


def pluck() -> Sound:
    """A plucked string at `_PLUCK_MIDI`, shape (n,): harmonics that die away, high ones first."""
    time = np.arange(round(1.2 * RATE)) / RATE
    frequency = _frequency(_PLUCK_MIDI)
    harmonics = np.arange(1, 16)
    tones = np.sin(2 * np.pi * frequency * np.outer(harmonics, time)) * np.exp(-np.outer(2 + 1.5 * harmonics, time))
    sound = (tones / harmonics[:, None]).sum(axis=0)
    sound[: round(0.002 * RATE)] *= np.linspace(0, 1, round(0.002 * RATE))
    return _normalised(sound * np.minimum(1, (time[-1] - time) / 0.05))


def _kick() -> Sound:
    time = np.arange(round(0.25 * RATE)) / RATE
    sweep = 50 * time + 110 / 30 * (1 - np.exp(-30 * time))  # cycles of a tone that falls from 160 Hz to 50 Hz
    body: Sound = np.sin(2 * np.pi * sweep) * np.exp(-12 * time)
    return body


def _snare(noise: np.random.Generator) -> Sound:
    time = np.arange(round(0.2 * RATE)) / RATE
    rattle = noise.standard_normal(len(time)) * np.exp(-22 * time)
    return 0.25 * rattle + 0.4 * np.sin(2 * np.pi * 190 * time) * np.exp(-25 * time)


def _hat(noise: np.random.Generator) -> Sound:
    time = np.arange(round(0.06 * RATE)) / RATE
    bright: Sound = np.diff(noise.standard_normal(len(time) + 1)) * np.exp(-70 * time)
    return bright


def _tone(midi: int, seconds: float) -> Sound:
    time = np.arange(round(seconds * RATE)) / RATE
    fades = np.minimum(1, np.minimum(time / 0.02, (seconds - time) / 0.08))
    harmonics = [np.sin(2 * np.pi * k * _frequency(midi) * time) / k**2 for k in range(1, 7)]
    tone: Sound = np.sum(harmonics, axis=0) * fades * np.exp(-0.8 * time)
    return tone


def _frequency(midi: int) -> float:
    return float(440 * 2 ** ((midi - 69) / 12))


def _add(sound: Sound, start_s: float, part: Sound) -> None:
    start = round(start_s * RATE)
    room = sound[start : start + len(part)]
    room += part[: len(room)]


def _normalised(sound: Sound) -> Sound:
    return sound * (0.8 / float(np.abs(sound).max()))


def _check_loop(features: AudioFeatures) -> tuple[Check, ...]:
    tempo = features.tempo_bpm
    beats = features.beats_s
    return (
        _kind(features, "loop"),
        Check(
            f"{LOOP_BPM:.2f} BPM",
            "no tempo" if tempo is None else f"{tempo:.2f} BPM",
            tempo is not None and round(tempo, 1) == LOOP_BPM,
        ),
        Check(
            f"{4 * _LOOP_BARS} beats",
            "no beats" if beats is None else f"{len(beats)} beats",
            beats is not None and len(beats) == 4 * _LOOP_BARS,
        ),
    )


def _check_chords(features: AudioFeatures) -> tuple[Check, ...]:
    found = "no key" if features.key is None else f"{features.key} {features.mode}"
    return (Check("A minor", found, found == "A minor"),)


def _check_pluck(features: AudioFeatures) -> tuple[Check, ...]:
    midi = features.root_midi
    return (
        _kind(features, "one-shot"),
        Check(note_name(_PLUCK_MIDI), "no note" if midi is None else note_name(midi), midi == _PLUCK_MIDI),
    )


def _kind(features: AudioFeatures, made: str) -> Check:
    return Check(made, features.kind or "no kind", features.kind == made)


SOUNDS: Final = (
    DemoSound("drum-loop.wav", drum_loop, _check_loop),
    DemoSound("chords.wav", chord_progression, _check_chords),
    DemoSound("pluck.wav", pluck, _check_pluck),
)


def analyzed_sounds(folder: Path | None = None) -> Iterator[Outcome]:
    """Write the sounds as 16-bit WAV files and analyse them, without the cache.

    Args:
        folder: where to keep the files; by default they are temporary.

    Raises:
        OSError: the files can't be written, or would replace others.
    """
    with ExitStack() as stack, AudioEngine(cache=None) as engine:
        temporary = folder is None
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="samplemind-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        files = {folder / sound.name: wav(sound.samples()) for sound in SOUNDS}
        for path, data in files.items():
            if os.path.lexists(path) and not (path.is_file() and path.read_bytes() == data):
                raise FileExistsError(f"{path} is there already, and not one of these sounds")
        for sound, (path, data) in zip(SOUNDS, files.items(), strict=True):
            path.write_bytes(data)
            features = engine.analyze_audio(path)
            if temporary:
                features = dataclasses.replace(features, path=sound.name)
            yield Outcome(sound, features, sound.checks(features))


def wav(samples: Sound) -> bytes:
    """A WAV file of samples of shape (n,) or (n, channels), full scale ±1, as 16-bit PCM."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return data.getvalue()
