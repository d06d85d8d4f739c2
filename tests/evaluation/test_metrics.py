"""Metrics: values that follow from their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from samplemind.errors import CrashError, DecodeError, InternalError
from samplemind.evaluation import TASKS, Answer, Row
from samplemind.evaluation.answers import answer_of


def scored(
    task: str, label: str, answer: Answer, *, unit: str = "", note: str = "", folder: Path = Path()
) -> dict[str, float]:
    """Metrics of one file."""
    row = Row(folder, "sound.wav", task, label, unit, note)
    (metrics,) = TASKS[task].scored([row], [answer])
    return dict(metrics)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (120.0, (1, 1, 1)),
        (120.5, (1, 1, 1)),
        (120.6, (1, 1, 0)),
        (124.8, (1, 1, 0)),
        (124.9, (0, 0, 0)),
        (60.0, (0, 1, 0)),
        (240.0, (0, 1, 0)),
        (40.0, (0, 1, 0)),
        (360.0, (0, 1, 0)),
        (90.0, (0, 0, 0)),
        (None, (0, 0, 0)),
    ],
)
def test_tempo(found: float | None, expected: tuple[int, int, int]) -> None:
    metrics = scored("tempo", "120", Answer(tempo_bpm=found))
    assert (metrics["acc1"], metrics["acc2"], metrics["within_half_bpm"]) == expected


def annotated(folder: Path, text: str) -> Path:
    (folder / "sound.txt").write_text(text)
    return folder


class TestBeats:
    TIMES = np.arange(40) * 0.5

    def test_right(self, tmp_path: Path) -> None:
        folder = annotated(tmp_path, "".join(f"{time}\t{number % 4 + 1}\n" for number, time in enumerate(self.TIMES)))
        answer = Answer(beats_s=list(self.TIMES + 0.06), downbeats_s=list(self.TIMES[::4]))
        metrics = scored("beats", "sound.txt", answer, unit="beats_file", folder=folder)
        assert metrics == {"f_measure": 1.0, "cmlt": 1.0, "amlt": 1.0, "downbeat_f_measure": 1.0}

    def test_off_by_more_than_70_ms(self, tmp_path: Path) -> None:
        folder = annotated(tmp_path, "\n".join(map(str, self.TIMES)))
        answer = Answer(beats_s=list(self.TIMES + 0.1))
        assert scored("beats", "sound.txt", answer, unit="beats_file", folder=folder)["f_measure"] == 0.0

    def test_every_other_beat(self, tmp_path: Path) -> None:
        folder = annotated(tmp_path, "\n".join(map(str, self.TIMES)))
        metrics = scored("beats", "sound.txt", Answer(beats_s=list(self.TIMES[::2])), unit="beats_file", folder=folder)
        assert metrics["f_measure"] == pytest.approx(2 / 3)  # all right, half of them found
        assert metrics["cmlt"] == 0.0
        assert metrics["amlt"] == 1.0
        assert "downbeat_f_measure" not in metrics

    def test_the_first_seconds_count_only_where_there_is_nothing_else(self, tmp_path: Path) -> None:
        wrong = np.where(self.TIMES < 5, self.TIMES + 0.2, self.TIMES)
        folder = annotated(tmp_path, "\n".join(map(str, self.TIMES)))
        assert scored("beats", "sound.txt", Answer(beats_s=list(wrong)), folder=folder)["f_measure"] == 1.0
        folder = annotated(tmp_path, "\n".join(map(str, self.TIMES[:8])))
        assert scored("beats", "sound.txt", Answer(beats_s=list(wrong[:8])), folder=folder)["f_measure"] == 0.0
        assert scored("beats", "sound.txt", Answer(beats_s=list(self.TIMES[:8])), folder=folder)["f_measure"] == 1.0

    def test_no_beats(self, tmp_path: Path) -> None:
        folder = annotated(tmp_path, "\n".join(map(str, self.TIMES)))
        assert set(scored("beats", "sound.txt", Answer(), folder=folder).values()) == {0.0}


def test_onsets(tmp_path: Path) -> None:
    folder = annotated(tmp_path, "0.1 KD\n0.5 SD\n0.9 KD\n7.0 KD\n")
    found = Answer(onsets_s=[0.14, 0.5, 0.96], sample_rate_hz=100, frames=200)  # the last annotation is beyond the end
    assert scored("onsets", "sound.txt", found, folder=folder) == {"f_measure": pytest.approx(2 / 3)}
    assert scored("onsets", "sound.txt", Answer(), folder=folder) == {"f_measure": 0.0}


@pytest.mark.parametrize(
    ("true", "found", "weighted", "exact"),
    [
        ("C major", "C major", 1.0, 1.0),
        ("Db major", "C# major", 1.0, 1.0),
        ("C major", "G major", 0.5, 0.0),
        ("C major", "A minor", 0.3, 0.0),
        ("C major", "C minor", 0.2, 0.0),
        ("C major", "F# major", 0.0, 0.0),
        ("C major", None, 0.0, 0.0),
    ],
)
def test_key(true: str, found: str | None, weighted: float, exact: float) -> None:
    assert scored("key", true, Answer(key=found), unit="key") == {"weighted": weighted, "exact": exact}


def test_chord() -> None:
    assert scored("chord", "Bb minor", Answer(key="A# minor")) == {"root": 1.0, "quality": 1.0}
    assert scored("chord", "B major", Answer(key="B minor")) == {"root": 1.0, "quality": 0.0}
    assert scored("chord", "Cb major", Answer(key="B major")) == {"root": 1.0, "quality": 1.0}
    assert scored("chord", "C major", Answer()) == {"root": 0.0, "quality": 0.0}


@pytest.mark.parametrize(
    ("found", "exact", "chroma"), [(69.5, 1, 1), (69.6, 0, 0), (57.4, 0, 1), (80.8, 0, 1), (75.0, 0, 0), (None, 0, 0)]
)
def test_pitch(found: float | None, exact: int, chroma: int) -> None:
    assert scored("pitch", "69", Answer(midi=found)) == {"within_50_cents": exact, "chroma": chroma}


@pytest.mark.parametrize(
    ("unit", "note", "answer", "right"),
    [
        ("LUFS_integrated", "tolerance 0.1; orig=x", Answer(loudness_lufs=-6.09), 1),
        ("LUFS_integrated", "tolerance 0.1; orig=x", Answer(loudness_lufs=-6.11), 0),
        ("LUFS_integrated", "asserted", Answer(loudness_lufs=-5.8), 0),
        ("LRA_LU", "tolerance 1 LU", Answer(range_lu=-6.9), 1),
        ("dBTP_max", "tolerance +0.2/-0.4 dB", Answer(true_peak_dbtp=-5.85), 1),
        ("dBTP_max", "tolerance +0.2/-0.4 dB", Answer(true_peak_dbtp=-5.75), 0),
        ("dBTP_max", "tolerance +0.2/-0.4 dB", Answer(true_peak_dbtp=-6.35), 1),
        ("LUFS_max_momentary", "tolerance 0.1", Answer(loudness_lufs=-6.0), 0),
    ],
)
def test_loudness(unit: str, note: str, answer: Answer, right: int) -> None:
    assert scored("loudness", "-6.0", answer, unit=unit, note=note) == {"within_tolerance": right}


def test_formats() -> None:
    label = "wav/pcm_s16le/s16/8000Hz/2ch"
    right = Answer(sample_rate_hz=8000, channels=2, frames=100)
    assert scored("formats", label, right, note="frames=100; x") == {"decoded": 1.0}
    assert scored("formats", label, right, note="frames=101; x") == {"decoded": 0.0}
    assert scored("formats", label.replace("2ch", "1ch"), right, note="frames=100") == {"decoded": 0.0}
    assert scored("formats", "mp3/mp3/fltp/8000Hz/2ch", right, note="frames=1252; x") == {"decoded": 1.0}
    assert scored("formats", label, Answer()) == {"decoded": 0.0}


def test_corrupt_files_may_fail_but_not_crash() -> None:
    for error, handled in (
        (DecodeError("a", "damaged"), 1),
        (CrashError("a", "hung"), 0),
        (InternalError("a", "?"), 0),
    ):
        assert scored("corrupt", "truncated", answer_of(error)) == {"handled": handled}


def test_similarity() -> None:
    # On a line: a a b a, and one of b without an answer. From each: its neighbours in order, and which are its kind.
    places = {"a": [0.0, 1.0, 2.5], "b": [2.0]}
    rows = [Row(Path(), "x", "similarity", label, "", "") for label, found in places.items() for _ in found]
    answers = [Answer(vector=[place]) for found in places.values() for place in found]
    first, second, third, other = TASKS["similarity"].scored(rows, answers)
    assert first["map"] == pytest.approx((1 / 1 + 2 / 3) / 2)  # 1.0 (a), 2.0 (b), 2.5 (a)
    assert second["map"] == pytest.approx((1 / 1 + 2 / 3) / 2)  # 0.0 (a), then 2.0 (b), 2.5 (a)
    assert third["map"] == pytest.approx((1 / 2 + 2 / 3) / 2)  # 2.0 (b), 1.0 (a), 0.0 (a)
    assert other == {"map": 0.0, "precision_at_5": 0.0}  # there is no other of its kind
    assert first["precision_at_5"] == pytest.approx(2 / 3)  # of the three that there are
