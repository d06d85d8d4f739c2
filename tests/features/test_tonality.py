"""Tuning and key of cadences, chords and things that have neither."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from samplemind.audio.decode import open_audio
from samplemind.dsp.keys import MODES, PITCH_CLASSES
from samplemind.features.computation import compute
from samplemind.features.tonality import Key, Tuning
from samplemind.graph import Unknown

from ..signals import SAMPLE_RATE, clicks, noise, sine

Float32 = NDArray[np.float32]

PARTIALS = {
    "sine": [1.0],
    "sawtooth": [1 / number for number in range(1, 25)],
    "square": [number % 2 / number for number in range(1, 25)],
    "organ": [1, 0.8, 0.5, 0.5, 0, 0.3, 0, 0.3],
}


def tonality(sound: NDArray[np.floating], sample_rate: int = SAMPLE_RATE, *, block: int = 131_072) -> dict[str, Any]:
    """Key, tuning and what they are made of, through the feature graph."""
    samples = np.asarray(sound, np.float32).reshape(len(sound), -1)

    def blocks() -> Iterable[Float32]:
        return (samples[start : start + block] for start in range(0, len(samples), block))

    wanted = ("key", "tuning", "pitch_profile", "tonal_chroma")
    return compute(blocks, wanted, sample_rate=sample_rate, channels=samples.shape[1]).values


def chord(notes: Iterable[float], seconds: float, *, timbre: str = "organ", sample_rate: int = SAMPLE_RATE) -> Float32:
    """MIDI notes together."""
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    sound = np.zeros(len(times))
    for note in notes:
        hz = 440 * 2 ** ((note - 69) / 12)
        for number, amplitude in enumerate(PARTIALS[timbre], start=1):
            if amplitude and hz * number < 0.45 * sample_rate:
                sound += amplitude * np.sin(2 * np.pi * hz * number * times)
    return (0.1 * sound).astype(np.float32)


def cadence(tonic: float, mode: str, *, timbre: str = "organ", sample_rate: int = SAMPLE_RATE) -> Float32:
    """I, IV, V, I in a key; the dominant of a minor key is major."""
    third = 4 if mode == "major" else 3
    steps = [(0, third, 7), (5, 5 + third, 12), (7, 11, 14), (0, third, 7)]
    chords = [[60 + tonic + step for step in notes] for notes in steps]
    return np.concatenate([chord(notes, 0.5, timbre=timbre, sample_rate=sample_rate) for notes in chords])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("timbre", PARTIALS)
@pytest.mark.parametrize(("sample_rate", "cents"), [(22_050, 40), (44_100, 0), (48_000, -40), (96_000, 15)])
def test_cadences_in_every_key(sample_rate: int, cents: int, timbre: str, mode: str) -> None:
    for tonic, name in enumerate(PITCH_CLASSES):
        found = tonality(cadence(tonic + cents / 100, mode, timbre=timbre, sample_rate=sample_rate), sample_rate)
        assert (found["key"].tonic, found["key"].mode) == (name, mode)
        assert found["tuning"].cents == pytest.approx(cents, abs=2)


@pytest.fixture(scope="module")
def song() -> Float32:
    """A cadence in E minor, 20 cents sharp, with clicks and noise."""
    sound = np.tile(cadence(4.2, "minor"), 2)
    seconds = len(sound) / SAMPLE_RATE
    return sound + clicks(120, seconds, amplitude=0.3) + noise(seconds, amplitude=0.01)


CHANGES = {
    "40 dB softer": lambda sound: 0.01 * sound,
    "40 dB louder": lambda sound: 100 * sound,
    "polarity": np.negative,
    "two channels": lambda sound: np.column_stack([sound, sound]),
    "silence around": lambda sound: np.pad(sound, (3 * SAMPLE_RATE, 2 * SAMPLE_RATE)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_neither_key_nor_tuning(song: Float32, change: str) -> None:
    before, after = tonality(song), tonality(CHANGES[change](song))
    assert (before["key"].tonic, before["key"].mode) == (after["key"].tonic, after["key"].mode) == ("E", "minor")
    assert after["key"].confidence == pytest.approx(before["key"].confidence, abs=0.05)
    assert after["tuning"].cents == pytest.approx(before["tuning"].cents, abs=0.5)


@pytest.mark.parametrize("sample_rate", [8_000, 22_050, 48_000, 192_000])
def test_resampling_changes_neither(song: Float32, sample_rate: int) -> None:
    found = tonality(soxr.resample(song, SAMPLE_RATE, sample_rate), sample_rate)
    assert (found["key"].tonic, found["key"].mode) == ("E", "minor")
    assert found["tuning"].cents == pytest.approx(20, abs=2)


@pytest.mark.parametrize("block", [4_410, 44_100, 100_003])
def test_blocks_make_no_difference(song: Float32, block: int) -> None:
    whole, cut = tonality(song), tonality(song, block=block)
    assert whole["tonal_chroma"].shape == (1 + len(song) // 8192, 60)
    scale = whole["tonal_chroma"].max()
    np.testing.assert_allclose(cut["tonal_chroma"], whole["tonal_chroma"], atol=1e-5 * scale)
    assert [c.tonic for c in cut["key"].candidates] == [c.tonic for c in whole["key"].candidates]


def test_frames_are_centred_where_they_say() -> None:
    sound = np.zeros(10 * SAMPLE_RATE, np.float32)
    start = 4 * SAMPLE_RATE
    sound[start : start + SAMPLE_RATE] = sine(440, 1.0)
    loudness = tonality(sound)["tonal_chroma"].sum(axis=1)
    middle = np.sum(loudness * np.arange(len(loudness)) * 8192) / loudness.sum()
    assert middle == pytest.approx(start + SAMPLE_RATE / 2, abs=1024)


@pytest.mark.parametrize("cents", [-49.0, -30.0, 0.0, 12.5, 49.0])
def test_tuning_of_a_sine(cents: float) -> None:
    found = tonality(sine(440 * 2 ** (cents / 1200), 1.0))["tuning"]
    assert isinstance(found, Tuning)
    assert found.cents == pytest.approx(cents, abs=0.7)


def test_candidates_are_ranked_probabilities() -> None:
    found = tonality(cadence(0, "major"))["key"]
    assert isinstance(found, Key)
    probabilities = [candidate.probability for candidate in found.candidates]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0.99 < sum(probabilities) <= 1
    assert found.confidence == probabilities[0] > 0.8
    assert (found.camelot, found.open_key) == ("8B", "1d")


def test_an_ambiguous_sound_is_less_sure() -> None:
    # Two notes of a fifth leave the mode open; a cadence doesn't.
    fifth = tonality(chord((60, 67), 2.0, timbre="sine"))["key"]
    assert fifth.tonic == "C"
    assert fifth.confidence < 0.6 < tonality(cadence(0, "major", timbre="sine"))["key"].confidence


def drums() -> Float32:
    """A kick of falling pitch and a burst of noise, eight of each."""
    times = np.arange(round(0.25 * SAMPLE_RATE)) / SAMPLE_RATE
    kick = np.sin(2 * np.pi * (50 * times - 8 * np.exp(-times / 0.02))) * np.exp(-times / 0.06)
    snare = noise(0.25, amplitude=0.4) * np.exp(-times / 0.05)
    return np.tile(np.concatenate([kick, snare]), 8).astype(np.float32)


KEYLESS = {
    "silence": np.zeros(SAMPLE_RATE),
    "one sample": np.zeros(1),
    "constant": np.full(SAMPLE_RATE, 0.5),
    "step": np.repeat([0.0, 0.5], SAMPLE_RATE),
    "click": np.eye(1, 882, 200)[0],
    "20 ms of noise": noise(0.02),
    "0.5 s of noise": noise(0.5),
    "20 s of noise": noise(20.0),
    "brown noise": 0.001 * np.cumsum(noise(5.0)),
    "clicks": clicks(120, 8.0),
    "drums": drums(),
    "a sine": sine(440, 2.0),
}


@pytest.mark.parametrize("name", KEYLESS)
def test_what_has_no_key(name: str) -> None:
    assert isinstance(tonality(KEYLESS[name])["key"], Unknown)


@pytest.mark.parametrize("name", ["silence", "constant", "click", "20 s of noise"])
def test_what_has_no_tuning(name: str) -> None:
    assert isinstance(tonality(KEYLESS[name])["tuning"], Unknown)


def test_a_glide_has_no_tuning() -> None:
    times = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    # An octave, at the same speed all the way, over every deviation alike.
    phase = 220 * 10 / np.log(2) * 2 ** (times / 10)
    assert isinstance(tonality(0.5 * np.sin(2 * np.pi * phase))["tuning"], Unknown)


def keys_in(corpus: Path, task: str) -> list[tuple[dict[str, str], Key | Unknown]]:
    """Rows of a task with the keys that were found."""
    with (corpus / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == task]
    found = []
    for row in rows:
        with open_audio(corpus / row["path"]) as sound:
            info, blocks = sound.info, list(sound.blocks())
        run = compute(partial(iter, blocks), ["key"], sample_rate=info.sample_rate, channels=info.channels)
        found.append((row, run.values["key"]))
    return found


def test_keys_of_real_sounds(corpus: Path) -> None:
    scores: dict[str, list[float]] = {"key": [], "chord": []}
    for row, found in keys_in(corpus, "key"):
        known = isinstance(found, Key)
        score = mir_eval.key.weighted_score(row["label"], f"{found.tonic} {found.mode}") if known else 0.0
        scores[row["unit"]].append(score)
    assert np.mean(scores["key"] + scores["chord"]) >= 0.88
    assert np.mean(scores["key"]) >= 0.65


def test_real_drums_without_pitch_have_no_key(corpus: Path) -> None:
    unpitched = {"kick", "clap", "hihat_open", "hihat_closed", "shaker", "tambourine", "rim"}
    found = [found for row, found in keys_in(corpus, "drums") if row["label"] in unpitched]
    assert np.mean([isinstance(key, Unknown) for key in found]) >= 0.95
