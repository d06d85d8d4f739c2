"""A folder of rendered sound with ``labels.csv``, in the columns that `samplemind.evaluation` reads."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from benchmarks.synth.forms import TASKS, item
from benchmarks.synth.rendering import render
from benchmarks.synth.scores import SAMPLE_RATE, Item

COLUMNS: Final = ("path", "task", "label", "unit", "source_repo", "licence", "note")
_PIECE: Final = 10 * SAMPLE_RATE
"""Frames that libsndfile is given at a time: its Vorbis encoder overflows the stack with millions."""

Row = tuple[str, str, str, str, str, str, str]


def path_of(item: Item) -> str:
    """Where an item's sound is in the folder: the name says nothing of it."""
    return f"audio/{item.index:06}.{item.finish.suffix}"


def note_of(item: Item) -> str:
    """What the rows of an item say beside their labels; loops begin with that word, as in other corpora."""
    beats = f"; beats={item.duration_s * item.bpm / 60:.3f}" if item.bpm is not None else ""
    genre = f"; genre={item.genre}" if item.genre else ""
    traits = f"; traits={','.join(sorted(item.traits))}" if item.traits else ""
    kind = "loop" if item.form.endswith("loop") else item.form
    return f"{kind}; form={item.form}{genre}{traits}{beats}; seed={item.seed}"


def rows(item: Item, tasks: Collection[str] = TASKS) -> list[Row]:
    """The rows of an item."""
    name = f"{item.index:06}"
    facts = {
        "tempo": (f"{item.bpm:.6g}", "bpm") if item.bpm is not None else None,
        "beats": (f"beats/{name}.beats", "beats_file") if len(item.beats) > 3 and item.form != "stem" else None,
        "onsets": (f"onsets/{name}.txt", "onsets_file") if item.beats and item.onsets else None,
        "key": (item.key, "key") if item.key else (item.chord, "chord") if item.chord else None,
        "drums": (item.drum, "class") if item.drum else None,
        "pitch": (str(item.midi), "midi") if item.midi is not None else None,
    }
    return [
        (path_of(item), task, fact[0], fact[1], "rendered", "CC0-1.0", note_of(item))
        for task, fact in facts.items()
        if fact is not None and task in tasks
    ]


def write_item(folder: Path, item: Item, tasks: Collection[str] = TASKS) -> list[Row]:
    """The sound and the annotations of an item as files; its rows.

    Args:
        folder: has audio, beats and onsets in it.
        item: what is rendered.
        tasks: for which there are rows and annotations.
    """
    import soundfile

    found = rows(item, tasks)
    samples = render(item)
    subtype = "PCM_16" if item.finish.suffix in ("wav", "flac") else None
    with soundfile.SoundFile(folder / path_of(item), "w", SAMPLE_RATE, samples.shape[1], subtype) as file:
        for start in range(0, len(samples), _PIECE):
            file.write(samples[start : start + _PIECE])
    for _, task, label, *_ in found:
        if task == "beats":
            lines = [f"{beat.time_s:.5f}\t{beat.number}" for beat in item.beats]
            (folder / label).write_text("\n".join(lines) + "\n", encoding="utf-8")
        elif task == "onsets":
            (folder / label).write_text("\n".join(f"{t:.5f}" for t in item.onsets or ()) + "\n", encoding="utf-8")
    return found


def write_numbered(folder: Path, seed: int, tasks: Collection[str], index: int) -> list[Row]:
    """As `write_item`, for processes that are given a number: it is drawn where it is written."""
    return write_item(folder, item(seed, index, tasks), tasks)


def write_labels(folder: Path, found: Iterable[Row]) -> None:
    """The table of all rows."""
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(found)
