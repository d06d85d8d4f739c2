"""``samplemind bench accuracy``: corpora as they may come, scores in both forms, and what has been reached."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from samplemind.errors import CorpusError, PeerError
from samplemind.evaluation import Answer, Method, Scores, as_dict, as_text, evaluate, peer, read_corpus
from samplemind.evaluation.corpus import read_annotation
from tests.cli.conftest import Invoke, invoke
from tests.servers import require_fluidsynth
from tests.signals import SAMPLE_RATE, clicks, sine

__all__ = ["invoke"]

COLUMNS = ("path", "task", "label", "unit", "source_repo", "licence", "note")


def labelled(folder: Path, *rows: Sequence[str]) -> Path:
    """A corpus of files that are there, but hold nothing unless they are written."""
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((path, task, label, unit, "", "", note) for path, task, label, unit, note in rows)
    for path, *_ in rows:
        (folder / path).touch()
    return folder


class TestCorpus:
    def test_rows(self, tmp_path: Path) -> None:
        rows = read_corpus(
            labelled(
                tmp_path,
                ("a.wav", "tempo", "120", "bpm", "loop; bpm from file name; duration_mismatch(beats=3.9)"),
                ("a.wav", "key", "C minor", "key", ""),
            )
        )
        assert [(row.is_loop, row.is_mismatched) for row in rows] == [(True, True), (False, False)]
        assert rows[0].file == str(tmp_path / "a.wav")

    def test_without_labels(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match=r"labels\.csv: No such file"):
            read_corpus(tmp_path)

    def test_other_columns(self, tmp_path: Path) -> None:
        (tmp_path / "labels.csv").write_text("path,task\n")
        with pytest.raises(CorpusError, match="no column label"):
            read_corpus(tmp_path)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        labelled(tmp_path, ("a.wav", "tempo", "120", "bpm", ""))
        (tmp_path / "a.wav").unlink()
        with pytest.raises(CorpusError, match=r"a\.wav.* names it"):
            read_corpus(tmp_path)

    @pytest.mark.parametrize(
        ("text", "times", "numbers"),
        [
            ("0.5\t2\n0.01000 \t 1\n", (0.01, 0.5), (1, 2)),
            ("# notes\n0.147\t72\t3.323\t63\n", (0.147,), (72,)),
            ("0.03\n0.36\n", (0.03, 0.36), None),
            ("0.0 KD \n0.02 HH\n", (0.0, 0.02), None),
            (",beats,piano,metre\n0,0.08,0.08,3.0\n1,0.28,,4.0\n", (0.08, 0.28), None),
            ("start,pitch\n1.5,440.1,0.2\n", (1.5,), None),
        ],
    )
    def test_annotations(
        self, tmp_path: Path, text: str, times: tuple[float, ...], numbers: tuple[int, ...] | None
    ) -> None:
        (row,) = read_corpus(labelled(tmp_path, ("a.wav", "beats", "a.txt;a.other", "beats_file", "")))
        (tmp_path / "a.txt").write_text(text)
        annotation = read_annotation(row)
        assert (annotation.times, annotation.numbers) == (times, numbers)

    def test_an_annotation_without_times(self, tmp_path: Path) -> None:
        (row,) = read_corpus(labelled(tmp_path, ("a.wav", "beats", "a.txt", "beats_file", "")))
        with pytest.raises(CorpusError, match="No such file"):
            read_annotation(row)
        (tmp_path / "a.txt").write_text("none\n")
        with pytest.raises(CorpusError, match="no times"):
            read_annotation(row)


def test_methods_beside_each_other(tmp_path: Path) -> None:
    rows = read_corpus(
        labelled(tmp_path, *((f"{number}.wav", "tempo", "100", "bpm", "loop" * (number < 2)) for number in range(4)))
    )
    good = Method("good", lambda tasks: {path: Answer(tempo_bpm=100.0) for path in tasks})
    half = Method("half", lambda tasks: {path: Answer(tempo_bpm=[100.0, 50.0][int(path[-5]) % 2]) for path in tasks})
    deaf = Method("deaf", lambda tasks: dict.fromkeys(tasks, Answer()))
    found = as_dict(evaluate(rows, [good, half, deaf]))
    assert found["tempo"] == {
        "good": {"n": 4, "acc1": 1.0, "acc2": 1.0, "within_half_bpm": 1.0},
        "half": {"n": 4, "acc1": 0.5, "acc2": 1.0, "within_half_bpm": 0.5},
    }
    assert found["tempo_loops"]["half"]["n"] == 2
    assert set(found) == {"tempo", "tempo_loops"}
    text = as_text(evaluate(rows, [half], tasks=["tempo"]))
    assert "0.500 (0.00–1.00)" in text
    assert "1.000 (1.00–1.00)" in text
    with pytest.raises(CorpusError, match="no task 'tmpo'"):
        evaluate(rows, [good], tasks=["tmpo"])


def test_intervals_narrow_with_the_root_of_the_rows() -> None:
    values = tuple(np.random.default_rng(1).random(2500))
    few, many = (Scores(count, {"x": values[:count]}).interval("x") for count in (100, 2500))
    normal = 2 * 1.96 * np.std(values) / 50  # of the mean of many, by the central limit theorem
    assert many[1] - many[0] == pytest.approx(normal, rel=0.1)
    assert few[1] - few[0] == pytest.approx(5 * normal, rel=0.2)
    assert many[0] < np.mean(values) < many[1]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Clicks at 120 bpm, a tone, and something that is no audio."""
    (tmp_path / "beats.txt").write_text("".join(f"{time / 2}\n" for time in range(24)))
    folder = labelled(
        tmp_path,
        ("clicks.wav", "tempo", "120", "bpm", "loop"),
        ("clicks.wav", "onsets", "beats.txt", "onsets_file", ""),
        ("tone.wav", "pitch", "69", "midi", ""),
        ("tone.wav", "formats", "wav/pcm_s16le/s16/44100Hz/1ch", "", "frames=44100"),
        ("broken.wav", "corrupt", "truncated", "kind", ""),
        ("clicks.wav", "drums", "kick", "class", ""),
    )
    soundfile.write(folder / "clicks.wav", clicks(120.0, 12.0), SAMPLE_RATE)
    soundfile.write(folder / "tone.wav", sine(440.0, 1.0), SAMPLE_RATE)
    (folder / "broken.wav").write_bytes(b"RIFF....WAVE")
    return folder


def test_the_command(small: Path, invoke: Invoke) -> None:
    scores = json.loads(invoke("bench", "accuracy", "--corpus", small, "-j", 1, "--format", "json").stdout)
    assert {task: found["samplemind"]["n"] for task, found in scores.items()} == {
        "tempo": 1,
        "tempo_loops": 1,
        "onsets": 1,
        "pitch": 1,
        "formats": 1,
        "corrupt": 1,
    }
    assert all(value == 1 for found in scores.values() for value in found["samplemind"].values())
    text = invoke("bench", "accuracy", "--corpus", small, "--tasks", "pitch", "-j", 1).stdout
    assert text.splitlines()[1].split()[:3] == ["samplemind", "1", "1.000"]


def test_what_can_not_be_measured_is_told(small: Path, invoke: Invoke) -> None:
    for options, words in (
        (("--tasks", "pich"), "no task 'pich'"),
        (("--peers", "nobody"), "no library 'nobody' is known"),
        (("--corpus", small / "none"), "labels.csv"),
    ):
        result = invoke("bench", "accuracy", "--corpus", small, *options)
        assert (result.exit_code, result.stdout) == (2, "")
        assert words in result.stderr


@pytest.mark.parametrize("name", ["librosa", "sonara"])
def test_peers_are_asked_the_same(small: Path, name: str) -> None:
    found = as_dict(evaluate(read_corpus(small), [peer(name)]))
    assert found["tempo"][name]["acc2"] == 1.0
    assert found["onsets"][name]["f_measure"] > 0.8
    assert {"formats", "corrupt"}.isdisjoint(found)


def test_a_peer_that_is_not_installed_is_left_out(small: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: (name != "aubio" and there(name, *rest)) or None
    )
    with pytest.raises(PeerError, match="aubio is not installed"):
        peer("aubio")
    result = invoke("bench", "accuracy", "--corpus", small, "--tasks", "pitch", "--peers", "aubio", "-j", 1)
    assert result.exit_code == 0
    assert result.stderr == "samplemind: aubio is not installed: left out\n"


@pytest.mark.parametrize(
    ("task", "unit", "label"), [("tempo", "bpm", "fast"), ("key", "key", "H"), ("key", "chord", "C")]
)
def test_labels_that_mean_nothing(tmp_path: Path, task: str, unit: str, label: str) -> None:
    rows = read_corpus(labelled(tmp_path, ("a.wav", task, label, unit, "")))
    sure = Method("sure", lambda tasks: dict.fromkeys(tasks, Answer(tempo_bpm=120.0, key="C major")))
    with pytest.raises(CorpusError, match=f"a label of {task}"):
        evaluate(rows, [sure])


def test_what_was_reached_on_real_audio(corpus: Path, invoke: Invoke) -> None:
    """A little under what `docs/accuracy.md` tells: whoever makes it worse hears of it."""
    scores = json.loads(invoke("bench", "accuracy", "--corpus", corpus, "--format", "json").stdout)
    for task, metric, least in FLOORS:
        assert scores[task]["samplemind"][metric] >= least, (task, metric)


FLOORS = (
    ("tempo", "acc1", 0.80),
    ("tempo", "acc2", 0.87),
    ("tempo", "within_half_bpm", 0.73),
    ("beats", "f_measure", 0.90),
    ("onsets", "f_measure", 0.70),
    ("key", "weighted", 0.70),
    ("key_all", "weighted", 0.90),
    ("chord", "root", 0.95),
    ("pitch", "within_50_cents", 0.95),
    ("loudness", "within_tolerance", 1.0),
    ("formats", "decoded", 1.0),
    ("corrupt", "handled", 1.0),
    ("similarity", "map", 0.60),
)


def test_what_was_reached_on_rendered_audio(tmp_path: Path, invoke: Invoke) -> None:
    """The same on rendered music."""
    require_fluidsynth()
    options = ["--items", "60", "--seed", "2024", "--tasks", "tempo,beats,onsets,key"]
    subprocess.run([sys.executable, "-m", "benchmarks.synth", tmp_path, *options], check=True, capture_output=True)
    scores = json.loads(invoke("bench", "accuracy", "--corpus", tmp_path, "--format", "json").stdout)
    for task, metric, least in RENDERED_FLOORS:
        assert scores[task]["samplemind"][metric] >= least, (task, metric)


RENDERED_FLOORS = (
    ("tempo", "acc1", 0.65),
    ("tempo", "acc2", 0.86),
    ("tempo", "within_half_bpm", 0.63),
    ("beats", "f_measure", 0.65),
    ("onsets", "f_measure", 0.93),
    ("key", "weighted", 0.63),
)
