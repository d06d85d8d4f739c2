"""The rendered corpus: the same for the same seed, and what its labels say is in the sound."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from benchmarks.synth import SAMPLE_RATE, Hit, Item, Note, items, render
from benchmarks.synth.drums import KINDS
from benchmarks.synth.forms import FORMS
from benchmarks.synth.genres import GENRES
from benchmarks.synth.labels import COLUMNS
from benchmarks.synth.timelines import ramp, swung

from tests.servers import require_fluidsynth

SEED = 3
MAJOR, MINOR = {0, 2, 4, 5, 7, 9, 11}, {0, 2, 3, 5, 7, 8, 10, 11}
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
TRAITS = {
    "4/4",
    "3/4",
    "5/4",
    "6/8",
    "7/8",
    "swing",
    "half-time",
    "double-time",
    "ramp",
    "rubato",
    "off-beat bass",
    "no drums",
    "drums only",
    "long intro",
    "silence around",
    "detuned",
    "modulation",
    "late entry",
    "tail",
    "wrapped",
    "cut",
    "excerpt",
    "noise",
    "low-pass",
    "saturated",
    "reverb",
    "coded",
    "1 bars",
    "2 bars",
    "4 bars",
    "8 bars",
}


@pytest.fixture(scope="module")
def many() -> list[Item]:
    return list(items(SEED, 800))


def _is_ours(item: Item) -> bool:
    return item.kit != "midi" and not any(isinstance(voice, int) for voice in item.voices)


def _plain(item: Item) -> bool:
    finish = item.finish
    return finish.noise_db is None and not finish.reverb_s and not item.wraps and finish.low_pass_hz is None


def test_the_same_seed_renders_the_same_bytes() -> None:
    first = [(each, render(each).tobytes()) for each in items(SEED, 6)]
    assert [(each, render(each).tobytes()) for each in items(SEED, 6)] == first


def test_another_seed_renders_others() -> None:
    assert list(items(SEED + 1, 6)) != list(items(SEED, 6))


def test_every_form_genre_trait_and_key_occurs(many: list[Item]) -> None:
    assert {each.form for each in many} == set(FORMS)
    assert {each.genre for each in many} - {""} == {genre.name for genre in GENRES}
    assert set().union(*(each.traits for each in many)) >= TRAITS
    assert len({each.key for each in many if each.key}) == 24
    tempi = [each.bpm for each in many if each.bpm is not None]
    assert min(tempi) < 65
    assert max(tempi) > 190
    assert 0.05 < np.mean([tempo % 1 > 0 for tempo in tempi]) < 0.6


def test_every_drum_occurs_where_only_drums_are_asked_for() -> None:
    strokes = list(items(SEED, 200, ("drums",)))
    assert {each.form for each in strokes} == {"stroke"}
    assert {each.drum for each in strokes} == set(KINDS)


def test_loops_are_whole_bars(many: list[Item]) -> None:
    loops = [each for each in many if {"cut", "wrapped"} & each.traits]
    assert len(loops) > 100
    for loop in loops:
        assert loop.bpm is not None
        assert loop.frames == round(len(loop.beats) * 60 / loop.bpm * SAMPLE_RATE)
        assert len(loop.beats) % max(beat.number for beat in loop.beats) == 0


def test_steady_beats_are_a_beat_apart(many: list[Item]) -> None:
    steady = [each for each in many if each.bpm and len(each.beats) > 1 and not {"ramp", "rubato"} & each.traits]
    for each in steady:
        assert each.bpm is not None
        np.testing.assert_allclose(np.diff([beat.time_s for beat in each.beats]), 60 / each.bpm, atol=1e-9)


def test_notes_are_in_the_key(many: list[Item]) -> None:
    keyed = [each for each in many if each.key and "modulation" not in each.traits]
    for each in keyed:
        tonic, mode = str(each.key).split()
        classes = {(note.midi - PITCHES.index(tonic)) % 12 for note in each.notes}
        assert classes <= (MAJOR if mode == "major" else MINOR), each.index


def test_a_ramp_ends_as_much_faster_as_it_says() -> None:
    line = ramp(120, 16, 1.25)
    first = line.seconds(0.1) - line.seconds(0)
    last = line.seconds(16) - line.seconds(15.9)
    assert first / last == pytest.approx(1.25, rel=0.01)


def test_a_triplet_swing_makes_the_first_eighth_twice_as_long() -> None:
    assert swung(3.5, 2 / 3, 1.0) == pytest.approx(3 + 2 / 3)
    assert swung(3.0, 2 / 3, 1.0) == 3.0


@pytest.mark.parametrize("kit", ["electronic", "acoustic"])
def test_strokes_sound_where_they_are_labelled(kit: str) -> None:
    """Before each is silence, and sound no later than 3 ms after."""
    for number, kind in enumerate(KINDS):
        times = (0.1, 3.1234)
        item = Item(SEED, number, "drum loop", 6.0, hits=tuple(Hit(time, kind, 0.8) for time in times), kit=kit)
        _assert_rises(render(item), times)


@pytest.mark.parametrize("program", [0, 24, 33, 11])
def test_fluidsynth_sounds_where_notes_are_labelled(program: int) -> None:
    require_fluidsynth()
    times = (0.25, 2.5037, 4.7512)
    notes = tuple(Note(time, time + 0.3, 60, 0.8, 0) for time in times)
    _assert_rises(render(Item(SEED, 0, "melody loop", 7.0, notes=notes, voices=(program,))), times)


@pytest.mark.parametrize("cents", [-40.0, 0.0, 25.0])
def test_fluidsynth_plays_the_labelled_pitch(cents: float) -> None:
    require_fluidsynth()
    item = Item(SEED, 0, "note", 4.0, notes=(Note(0, 3.9, 69, 0.8, 0),), voices=(80,), midi=69, cents=cents)
    _assert_pitch(render(item), 440 * 2 ** (cents / 1200))


@pytest.mark.parametrize("voice", ["sine", "square", "pluck", "saw bass"])
def test_our_tones_have_the_labelled_pitch(voice: str) -> None:
    item = Item(SEED, 0, "note", 4.0, notes=(Note(0, 3.9, 57, 0.8, 0),), voices=(voice,), midi=57)
    _assert_pitch(render(item), 220)


def test_the_energy_of_mixes_rises_at_labelled_strokes(many: list[Item]) -> None:
    """After a loud stroke there is more sound than before it, in nearly all of the mixes of our own drums."""
    mixes = [each for each in many if each.form == "drum loop" and _is_ours(each) and _plain(each)][:12]
    rises = []
    for mix in mixes:
        power = np.abs(render(mix)).max(axis=1)
        for hit in mix.hits:
            place, span = round(hit.start_s * SAMPLE_RATE), round(0.004 * SAMPLE_RATE)
            if hit.kind in ("kick", "snare", "clap") and place >= span:
                rises.append(power[place : place + 5 * span].max() > power[place - span : place].max())
    assert len(rises) > 50
    assert np.mean(rises) > 0.9


def test_a_corpus_is_written_with_its_labels(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.synth", str(tmp_path), "--items", "8", "--seed", "5"]
    subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[1])
    with (tmp_path / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert Counter(row["licence"] for row in rows) == {"CC0-1.0": len(rows)}
    by_path = {f"audio/{each.index:06}.{each.finish.suffix}": each for each in items(5, 8)}
    for row in rows:
        item = by_path[row["path"]]
        assert soundfile.info(tmp_path / row["path"]).frames == item.frames
        if row["task"] == "beats":
            lines = (tmp_path / row["label"]).read_text(encoding="utf-8").split("\n")[:-1]
            assert [int(line.split("\t")[1]) for line in lines] == [beat.number for beat in item.beats]


def _assert_rises(sound: np.ndarray, times: tuple[float, ...]) -> None:
    power = np.abs(sound).max(axis=1)
    for time in times:
        place, span = round(time * SAMPLE_RATE), round(0.003 * SAMPLE_RATE)
        peak = power[place : place + 20 * span].max()
        assert power[place - 5 * span : place - span].max() < 0.02 * peak
        assert power[place - span : place + span].max() > 0.02 * peak


def _assert_pitch(sound: np.ndarray, hz: float) -> None:
    """The strongest partial about the labelled frequency is within 5 cents of it."""
    samples = sound[8192:73728, 0].astype(float)
    spectrum = np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples))
    freqs = np.fft.rfftfreq(8 * len(samples), 1 / SAMPLE_RATE)
    near = (freqs > hz * 2 ** (-1 / 12)) & (freqs < hz * 2 ** (1 / 12))
    found = freqs[near][np.abs(spectrum[near]).argmax()]
    assert abs(1200 * np.log2(found / hz)) < 5
