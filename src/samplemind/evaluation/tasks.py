"""What is asked of a corpus, and how answers are scored: by mir_eval where it has the metric.

A metric is a mean over rows, each scored from 0 to 1. A file without an answer scores 0.

Source of most: C. Raffel et al., "mir_eval: a transparent implementation of common MIR metrics", ISMIR 2014.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from samplemind.evaluation.answers import Answer
from samplemind.evaluation.corpus import Row, read_annotation

Metrics = Mapping[str, float]
Rows = Sequence[Row]
Answers = Sequence[Answer]

TEMPO_TOLERANCE: Final = 0.04
"""F. Gouyon et al., "An experimental comparison of audio tempo induction algorithms", IEEE TASLP 14(5), 2006."""
OCTAVES: Final = (1.0, 2.0, 3.0, 1 / 2, 1 / 3)
"""Ratios to the true tempo that count as right in its accuracy 2 (Gouyon et al. 2006)."""
HALF_BPM: Final = 0.5
ONSET_WINDOW_S: Final = 0.05
TRIMMED_S: Final = 5.0
"""Beats before this don't count (MIREX; the trackers of old needed them to start)."""
HALF_SEMITONE: Final = 0.5
LOUDNESS_TOLERANCE: Final = 0.1
"""LU, where the row states none: EBU Tech 3341's for integrated loudness."""
CODEC_FRAMES: Final = 4608
"""By how much the frames of a lossy file may differ: coders disagree about padding, by up to four frames of MP3."""
NEIGHBOURS: Final = 5


@dataclass(frozen=True)
class Task:
    """One question that a corpus asks.

    `scored` gives each row's metrics; a metric that the method has no answers for at all is left out of every row.
    """

    has: Callable[[Row], bool]
    """Whether a row belongs to the task."""
    needs: tuple[str, ...]
    """Fields of an answer; a method that has none of them in any file can't do the task."""
    scored: Callable[[Rows, Answers], list[Metrics]]
    level: str = "standard"
    """Analysis level at which samplemind has them."""
    by_peers: bool = True
    """Whether other libraries are asked too."""


def tempo_metrics(row: Row, answer: Answer) -> Metrics:
    """Right to 4 %; so, or in a simple ratio to it; right to half a beat per minute."""
    true, found = float(row.label), answer.tempo_bpm
    if found is None:
        return dict.fromkeys(("acc1", "acc2", "within_half_bpm"), 0.0)
    close = [abs(found - true * ratio) <= TEMPO_TOLERANCE * true * ratio for ratio in OCTAVES]
    return {
        "acc1": float(close[0]),
        "acc2": float(any(close)),
        "within_half_bpm": float(abs(found - true) <= HALF_BPM),
    }


def beat_metrics(rows: Rows, answers: Answers) -> list[Metrics]:
    """F-measure (70 ms), and the share at the right, and at any, metrical level in continuous passages."""
    with_downbeats = any(answer.downbeats_s is not None for answer in answers)
    return [_beat_metrics(row, answer, with_downbeats) for row, answer in zip(rows, answers, strict=True)]


def _beat_metrics(row: Row, answer: Answer, with_downbeats: bool) -> Metrics:
    from mir_eval import beat

    truth = read_annotation(row)
    end = _end(answer)
    true, found = _trimmed(np.array(truth.times), np.array(answer.beats_s or ()), end)
    _, cmlt, _, amlt = beat.continuity(true, found) if found.size > 1 else (0.0,) * 4
    metrics = {"f_measure": beat.f_measure(true, found) if found.size else 0.0, "cmlt": cmlt, "amlt": amlt}
    if with_downbeats and truth.numbers is not None:
        firsts = np.array(truth.times)[np.array(truth.numbers) == 1]
        true, found = _trimmed(firsts, np.array(answer.downbeats_s or ()), end)
        metrics["downbeat_f_measure"] = beat.f_measure(true, found) if found.size else 0.0
    return {name: float(value) for name, value in metrics.items()}


def _trimmed(true: Any, found: Any, end: float) -> tuple[Any, Any]:
    """Without the first seconds, unless hardly anything would be left; without what was annotated after the end."""
    true = true[true < end]
    if (true >= TRIMMED_S).sum() < 2:
        return true, found
    return true[true >= TRIMMED_S], found[found >= TRIMMED_S]


def _end(answer: Answer) -> float:
    """Length in seconds; infinite where the method does not tell it."""
    if answer.frames is None or not answer.sample_rate_hz:
        return np.inf
    return answer.frames / answer.sample_rate_hz


def onset_metrics(row: Row, answer: Answer) -> Metrics:
    """F-measure of onsets within 50 ms."""
    from mir_eval import onset

    true = np.array(read_annotation(row).times)
    true, found = true[true < _end(answer)], np.array(answer.onsets_s or ())
    return {"f_measure": float(onset.f_measure(true, found, window=ONSET_WINDOW_S)[0]) if found.size else 0.0}


def key_metrics(row: Row, answer: Answer) -> Metrics:
    """MIREX's weighted score (fifth 0.5, relative 0.3, parallel 0.2), and exactly right."""
    if answer.key is None:
        return {"weighted": 0.0, "exact": 0.0}
    from mir_eval import key

    score = float(key.weighted_score(row.label, answer.key))
    return {"weighted": score, "exact": float(score == 1.0)}


def chord_metrics(row: Row, answer: Answer) -> Metrics:
    """Root, and major or minor, of a file in which one chord sounds: those of its key."""
    if answer.key is None:
        return {"root": 0.0, "quality": 0.0}
    (true, quality), (found, mode) = row.label.split(), answer.key.split()
    return {"root": float(_pitch_class(true) == _pitch_class(found)), "quality": float(quality == mode)}


def _pitch_class(name: str) -> int:
    """Pitch class, from C, of a note with any number of accidentals."""
    return ("C D EF G A B".index(name[0].upper()) + name.count("#") - name[1:].count("b")) % 12


def pitch_metrics(row: Row, answer: Answer) -> Metrics:
    """Within a quarter tone; the same in any octave."""
    if answer.midi is None:
        return {"within_50_cents": 0.0, "chroma": 0.0}
    off = answer.midi - float(row.label)
    folded = (off + 6) % 12 - 6
    return {"within_50_cents": float(abs(off) <= HALF_SEMITONE), "chroma": float(abs(folded) <= HALF_SEMITONE)}


_LOUDNESS: Final = {
    "LUFS_integrated": "loudness_lufs",
    "LUFS_max_momentary": "momentary_max_lufs",
    "LRA_LU": "range_lu",
    "dBTP_max": "true_peak_dbtp",
}


def loudness_metrics(row: Row, answer: Answer) -> Metrics:
    """Within the tolerance that the row states: "tolerance 1" or "tolerance +0.2/-0.4"."""
    found = getattr(answer, _LOUDNESS[row.unit])
    stated = re.search(r"tolerance (?:\+([\d.]*\d)/-)?([\d.]*\d)", row.note)
    below = float(stated[2]) if stated else LOUDNESS_TOLERANCE
    above = float(stated[1]) if stated and stated[1] else below
    return {"within_tolerance": float(found is not None and -below <= found - float(row.label) <= above)}


def format_metrics(row: Row, answer: Answer) -> Metrics:
    """Decoded, at the rate, with the channels and of the length that the file has."""
    container, _, _, rate, channels = row.label.split("/")
    as_labelled = f"{answer.sample_rate_hz}Hz/{answer.channels}ch" == f"{rate}/{channels}"
    stated = re.search(r"frames=(\d+)", row.note)
    lossless = container in ("wav", "aiff", "flac")
    off = 0 if stated is None or answer.frames is None else abs(answer.frames - int(stated[1]))
    return {"decoded": float(as_labelled and off <= (0 if lossless else CODEC_FRAMES))}


def corrupt_metrics(row: Row, answer: Answer) -> Metrics:
    """A typed error or a result; neither a crash nor a hang."""
    return {"handled": float(answer.is_handled)}


def similarity_metrics(rows: Rows, answers: Answers) -> list[Metrics]:
    """Every file looks for the others of its class, by distance: average precision, and precision of the first five.

    C. Manning et al., "Introduction to information retrieval", 2008, chapter 8.
    """
    size = max(len(answer.vector) for answer in answers if answer.vector is not None)
    points = np.array([answer.vector if answer.vector is not None else [np.inf] * size for answer in answers])
    classes = np.array([row.label for row in rows])
    found: list[Metrics] = []
    for number, point in enumerate(points):
        if not np.isfinite(point).all():
            found.append({"map": 0.0, "precision_at_5": 0.0})
            continue
        distances = np.linalg.norm(points - point, axis=1)
        order = np.argsort(distances, kind="stable")
        relevant = (classes[order] == classes[number])[order != number]
        ranks = np.flatnonzero(relevant) + 1
        precision = float(np.mean(np.arange(1, ranks.size + 1) / ranks)) if ranks.size else 0.0
        found.append({"map": precision, "precision_at_5": float(relevant[:NEIGHBOURS].mean())})
    return found


def _each(metrics: Callable[[Row, Answer], Metrics]) -> Callable[[Rows, Answers], list[Metrics]]:
    return lambda rows, answers: [metrics(row, answer) for row, answer in zip(rows, answers, strict=True)]


_LOUDNESS_FIELDS: Final = tuple(_LOUDNESS.values())

TASKS: Final[Mapping[str, Task]] = {
    "tempo": Task(lambda row: row.task == "tempo" and not row.is_mismatched, ("tempo_bpm",), _each(tempo_metrics)),
    "tempo_loops": Task(
        lambda row: row.task == "tempo" and row.is_loop and not row.is_mismatched,
        ("tempo_bpm",),
        _each(tempo_metrics),
    ),
    "tempo_mismatch": Task(lambda row: row.task == "tempo" and row.is_mismatched, ("tempo_bpm",), _each(tempo_metrics)),
    "beats": Task(lambda row: row.task == "beats", ("beats_s",), beat_metrics),
    "onsets": Task(lambda row: row.task == "onsets", ("onsets_s",), _each(onset_metrics)),
    "key": Task(lambda row: row.task == "key" and row.unit == "key", ("key",), _each(key_metrics)),
    "key_all": Task(lambda row: row.task == "key", ("key",), _each(key_metrics)),
    "chord": Task(lambda row: row.task == "key" and row.unit == "chord", ("key",), _each(chord_metrics)),
    "pitch": Task(lambda row: row.task == "pitch", ("midi",), _each(pitch_metrics)),
    "loudness": Task(lambda row: row.task == "loudness", _LOUDNESS_FIELDS, _each(loudness_metrics), level="detailed"),
    "formats": Task(
        lambda row: row.task == "formats", ("sample_rate_hz",), _each(format_metrics), level="basic", by_peers=False
    ),
    "corrupt": Task(
        lambda row: row.task == "corrupt", ("is_handled",), _each(corrupt_metrics), level="standard", by_peers=False
    ),
    "similarity": Task(lambda row: row.task == "similarity", ("vector",), similarity_metrics),
}
"""The tasks by name, in the order in which they are reported."""
