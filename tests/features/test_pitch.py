"""Root notes of tones whose pitch is known, and of what has none."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from samplemind.audio.decode import open_audio
from samplemind.features.computation import compute
from samplemind.features.kind import Kind
from samplemind.features.opening import opening
from samplemind.features.pitch import RootNote, root_note
from samplemind.graph import Unknown

from ..signals import SAMPLE_RATE, noise, sine

Float32 = NDArray[np.float32]
ONE_SHOT = Kind("one-shot")

PARTIALS = {
    "sine": {1: 1.0},
    "sawtooth": {number: 1 / number for number in range(1, 20)},
    "square": {number: 1 / number for number in range(1, 20, 2)},
    "strong second": {1: 0.2, 2: 1.0, 3: 0.3, 4: 0.1},
    "weak fundamental": {1: 0.02, 2: 1.0, 3: 0.9, 4: 0.6, 5: 0.3},
}


def tone(midi: float, seconds: float = 0.5, *, timbre: str = "sawtooth") -> Float32:
    """A decaying tone."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hz = 440 * 2 ** ((midi - 69) / 12)
    partials = {n: a for n, a in PARTIALS[timbre].items() if hz * n < 20_000}
    sound = sum(a * np.sin(2 * np.pi * hz * n * times) for n, a in partials.items())
    return np.asarray(0.3 * sound * np.exp(-3 * times), np.float32)


def pitch_of(sound: NDArray[np.floating]) -> float:
    """Fractional MIDI number."""
    found = root_note(sound.astype(np.float32), ONE_SHOT)
    assert isinstance(found, RootNote), found
    assert -50 <= found.cents <= 50
    return found.midi + found.cents / 100


@pytest.mark.parametrize("timbre", ["sine", "sawtooth", "square", "strong second"])
@pytest.mark.parametrize("cents", [-40, 0, 25])
def test_every_key_of_a_piano(timbre: str, cents: int) -> None:
    # Above, a strong second partial has fewer than six samples to a period.
    highest = 102 if timbre == "strong second" else 108
    for midi in range(21, highest + 1):
        assert pitch_of(tone(midi + cents / 100, timbre=timbre)) == pytest.approx(midi + cents / 100, abs=0.05)


def test_a_fundamental_34_db_down_is_still_the_pitch() -> None:
    for midi in range(28, 90):
        assert pitch_of(tone(midi, timbre="weak fundamental")) == pytest.approx(midi, abs=0.05)


def test_a_bell_with_an_inharmonic_partial() -> None:
    sound = sine(880, 1.0) + 0.2 * sine(880 * 2.76, 1.0)
    assert pitch_of(sound) == pytest.approx(81, abs=0.1)


@pytest.mark.parametrize("change", [lambda x: 0.01 * x, lambda x: 100 * x, np.negative, lambda x: x + 0.3])
def test_gain_polarity_and_offset_change_nothing(change: np.ufunc) -> None:
    sound = tone(45.3)
    assert pitch_of(change(sound)) == pytest.approx(pitch_of(sound), abs=1e-3)


def test_silence_around_a_tone_and_noise_under_it() -> None:
    sound = tone(57) + noise(0.5, amplitude=0.003)
    assert pitch_of(np.pad(sound, (SAMPLE_RATE, 2 * SAMPLE_RATE))) == pytest.approx(57, abs=0.05)


def test_playing_twice_as_fast_is_an_octave_up() -> None:
    sound = tone(50.2, 2.0, timbre="sine")
    assert pitch_of(sound[::2]) - pitch_of(sound) == pytest.approx(12, abs=0.02)


def test_fifty_milliseconds_are_enough() -> None:
    assert pitch_of(tone(60, 0.05)) == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros(SAMPLE_RATE), "silent"),
        (np.zeros(1), "silent"),
        (np.full(SAMPLE_RATE, 0.25), "silent"),
        (np.eye(1, 882, 100)[0], "pitch"),
        (noise(1.0), "pitch"),
        (noise(0.02), "pitch"),
        (noise(0.3) * np.exp(-np.arange(round(0.3 * SAMPLE_RATE)) / 2000), "pitch"),
        (sine(15.0, 1.0), "pitch"),
        (sine(9000.0, 1.0) + noise(1.0, amplitude=0.5), "pitch"),
    ],
)
def test_what_has_no_pitch(sound: NDArray[np.floating], reason: str) -> None:
    found = root_note(sound.astype(np.float32), ONE_SHOT)
    assert isinstance(found, Unknown), found
    assert reason in found.reason


@pytest.mark.parametrize("label", ["loop", "track"])
def test_only_one_shots_have_a_root_note(label: str) -> None:
    assert isinstance(root_note(tone(60), Kind(label)), Unknown)


@pytest.mark.parametrize("seconds", [0.001, 7.99, 8.0, 20.0])
@pytest.mark.parametrize("block", [1_000, 131_072])
def test_opening_is_the_first_eight_seconds(block: int, seconds: float) -> None:
    sound = noise(seconds)
    state = None
    for start in range(0, len(sound), block):
        state = opening(state, sound[start : start + block])
    np.testing.assert_array_equal(state, sound[: 8 * SAMPLE_RATE])


def found_in(corpus: Path, task: str) -> list[tuple[str, RootNote | Unknown]]:
    """Labels of a task with what was found, every sound taken as a one-shot."""
    with (corpus / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == task]
    found = []
    for row in rows:
        with open_audio(corpus / row["path"]) as sound:
            info, blocks = sound.info, list(sound.blocks())
        answers = compute(
            partial(iter, blocks),
            ["root_note"],
            sample_rate=info.sample_rate,
            channels=info.channels,
            given={"kind": ONE_SHOT},
        )
        found.append((row["label"], answers.values["root_note"]))
    return found


def test_notes_of_real_instruments(corpus: Path) -> None:
    found = found_in(corpus, "pitch")
    right = [
        isinstance(note, RootNote) and abs(note.midi + note.cents / 100 - float(label)) <= 0.5 for label, note in found
    ]
    assert np.mean(right) >= 0.96


def test_real_drums_without_pitch(corpus: Path) -> None:
    unpitched = {"snare", "clap", "hihat_open", "hihat_closed", "crash", "ride", "shaker", "tambourine", "rim"}
    found = [note for label, note in found_in(corpus, "drums") if label in unpitched]
    assert np.mean([isinstance(note, Unknown) for note in found]) >= 0.97
