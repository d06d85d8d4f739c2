"""Labelled audio: a folder with ``labels.csv``, whose rows say what is true of a file.

Columns: path, task, label, unit, source_repo, licence, note. Paths, of files and of annotations, are relative to the
folder. A file may have several rows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from samplemind.errors import CorpusError

_COLUMNS: Final = ("path", "task", "label", "unit", "note")
_BEATS_COLUMN: Final = "beats"
"""Name of the column of times in annotations that have a header and more columns than times and numbers."""


@dataclass(frozen=True)
class Row:
    """What is true of one file."""

    folder: Path
    """Of the corpus."""
    path: str
    """Of the file, in the folder."""
    task: str
    label: str
    unit: str
    note: str

    @property
    def file(self) -> str:
        """Where the file is."""
        return str(self.folder / self.path)

    @property
    def is_loop(self) -> bool:
        """Whether the file is a loop."""
        return self.note.startswith("loop")

    @property
    def is_mismatched(self) -> bool:
        """Whether the file's length doesn't fit the tempo that it is said to have."""
        return "duration_mismatch" in self.note


@dataclass(frozen=True)
class Annotation:
    """Events that somebody heard in a file."""

    times: tuple[float, ...]
    """Seconds, ascending."""
    numbers: tuple[int, ...] | None
    """Which beat of its bar each event is, from 1; None where that was not annotated."""


def read_corpus(folder: Path) -> list[Row]:
    """The rows of a corpus, in their order.

    Raises:
        CorpusError: there are no labels, or not in the expected columns, or a file is missing.
    """
    place = folder / "labels.csv"
    try:
        with place.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise CorpusError(f"{place}: there is no column {missing[0]}")
            rows = [Row(folder, *((each[name] or "").strip() for name in _COLUMNS)) for each in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{place}: {getattr(error, 'strerror', None) or error}") from error
    for row in rows:
        if not Path(row.file).is_file():
            raise CorpusError(f"{row.file}: {place} names it, but it is not there")
    return rows


def read_annotation(row: Row) -> Annotation:
    """The events that a row's label leads to.

    The label names a file, or several with ``;`` between, of which the first counts. Its first column is seconds, its
    second may be the number of the beat in the bar; in a table with a header, the column called "beats" is seconds.

    Raises:
        CorpusError: the file can't be read, or has no times.
    """
    place = row.folder / row.label.split(";")[0]
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{place}: {getattr(error, 'strerror', None) or error}") from error
    events = sorted(_events(lines))
    if not events:
        raise CorpusError(f"{place}: no times")
    times = tuple(time for time, _ in events)
    numbers = tuple(number for _, number in events if number is not None)
    numbered = row.unit == "beats_file" and len(numbers) == len(times)
    return Annotation(times, numbers if numbered else None)


def _events(lines: list[str]) -> Iterator[tuple[float, int | None]]:
    """Times, and the whole numbers beside them if there are any."""
    column, numbered = 0, True
    for line in lines:
        cells = [cell.strip() for cell in line.split(",")] if "," in line else line.split()
        if _BEATS_COLUMN in cells:
            column, numbered = cells.index(_BEATS_COLUMN), False
            continue
        try:
            time = float(cells[column])
        except (ValueError, IndexError):  # a comment, a header, a cell that was left empty
            continue
        number = cells[1] if numbered and len(cells) > 1 else ""
        yield time, int(number) if number.isdigit() else None
