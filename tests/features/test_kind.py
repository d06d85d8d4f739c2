"""One-shots, loops and tracks, synthesised and real."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from samplemind.features import spectra
from samplemind.features.kind import kind
from samplemind.features.onsets import onset_bands, onset_envelope, onsets
from samplemind.features.tempo import Tempo
from samplemind.graph import Unknown
from tests.signals import SAMPLE_RATE, clicks, noise, sine

Samples = NDArray[np.float32]
NO_TEMPO = Unknown("not asked")


def kind_of(sound: Samples, tempo: Tempo | Unknown = NO_TEMPO) -> str | Unknown:
    _, frames = spectra.frames(None, sound, True)
    mel = spectra.mel(spectra.power(spectra.spectrum(frames)))
    envelope = onset_envelope(onset_bands(mel))
    found = kind(len(sound) / SAMPLE_RATE, onsets(envelope), envelope, spectra.rms(frames), tempo)
    return found if isinstance(found, Unknown) else found.label


def decaying(sound: Samples, decay_s: float) -> Samples:
    return (sound * np.exp(-np.arange(len(sound)) / SAMPLE_RATE / decay_s)).astype(np.float32)


def tempo_of(bpm: float) -> Tempo:
    return Tempo(bpm, 1.0, ((bpm, 1.0),))


ONE_SHOTS: dict[str, Samples] = {
    "drum": decaying(noise(0.3), 0.05),
    "cymbal": decaying(noise(4.0), 1.0),
    "sustained note": sine(220, 3.0),
    "note with vibrato": np.sin(np.cumsum(2 * np.pi / SAMPLE_RATE * (440 + 10 * sine(6, 3.0)))).astype(np.float32),
    "two hits": np.concatenate([decaying(noise(0.5), 0.05)] * 2),
    "roll shorter than a bar": clicks(600, 0.8),
    "strum with a long tail": np.concatenate([clicks(900, 0.3), decaying(sine(220, 3.0), 1.0)]),
    "click": clicks(60, 0.02),
}


@pytest.mark.parametrize("name", ONE_SHOTS)
@pytest.mark.parametrize("gain", [0.001, 1.0])
def test_one_shots(name: str, gain: float) -> None:
    assert kind_of(ONE_SHOTS[name] * np.float32(gain)) == "one-shot"


def test_events_crowded_at_the_start_are_one_sound() -> None:
    sound = np.concatenate([clicks(240, 1.0), np.zeros(2 * SAMPLE_RATE, np.float32)])
    assert kind_of(sound) == "one-shot"


@pytest.mark.parametrize("gain", [0.001, 1.0])
@pytest.mark.parametrize(("bpm", "seconds"), [(120, 2.0), (174, 60 / 174 * 16), (90, 60 / 90 * 16)])
def test_loops(bpm: float, seconds: float, gain: float) -> None:
    assert kind_of(clicks(bpm, seconds) * np.float32(gain)) == "loop"


def test_a_longer_sound_is_a_loop_if_it_lasts_whole_bars() -> None:
    tempo = tempo_of(120)
    assert kind_of(clicks(120, 16.0), tempo) == "loop"
    assert kind_of(clicks(120, 17.0), tempo) == "track"
    assert kind_of(clicks(120, 16.0), NO_TEMPO) == "track"


@pytest.mark.parametrize(("before_s", "after_s"), [(1, 0), (5, 0), (0, 5), (2, 4)])
@pytest.mark.parametrize("bars", [1, 2, 8])
def test_silence_around_a_loop_changes_nothing(bars: int, before_s: int, after_s: int) -> None:
    # The last click sounds until the end of its bar, or else silence could be its rest.
    beat = decaying(noise(0.5), 0.1)
    beat[-400:] += 0.01
    loop = np.tile(beat, 4 * bars)
    padded = np.pad(loop, (before_s * SAMPLE_RATE, after_s * SAMPLE_RATE))
    assert kind_of(padded, tempo_of(120)) == kind_of(loop, tempo_of(120)) == "loop"


@pytest.mark.parametrize("sound", [clicks(120, 64.0), sine(100, 61.0)], ids=["clicks", "drone"])
def test_what_lasts_over_a_minute_is_a_track(sound: Samples) -> None:
    assert kind_of(sound, tempo_of(120)) == "track"


def test_a_sound_of_no_frames_is_not_called_silent() -> None:
    found = kind(1e-6, np.empty(0), np.empty(0, np.float32), np.empty(0, np.float32), NO_TEMPO)
    assert isinstance(found, Unknown)
    assert "short" in found.reason


@pytest.mark.parametrize("samples", [1, 882, SAMPLE_RATE])
def test_silence_has_no_kind(samples: int) -> None:
    assert isinstance(kind_of(np.zeros(samples, np.float32)), Unknown)


def test_real_sounds(corpus: Path) -> None:
    with (corpus / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row["path"].endswith(".m4a")]
    expected = {row["path"]: "one-shot" for row in rows if row["task"] in {"drums", "pitch", "similarity"}}
    expected |= {row["path"]: "loop" for row in rows if row["task"] == "tempo" and row["note"].startswith("loop")}
    right, total = Counter[str](), Counter[str]()
    for path, label in expected.items():
        sound, sample_rate = soundfile.read(corpus / path, dtype="float32", always_2d=True)
        mono = np.asarray(soxr.resample(sound.mean(axis=1), sample_rate, SAMPLE_RATE), np.float32)
        total[label] += 1
        right[label] += kind_of(mono) == label
    # Four of the 42 loops hold a single hit.
    assert right["one-shot"] >= 0.97 * total["one-shot"]
    assert right["loop"] >= 0.85 * total["loop"]
