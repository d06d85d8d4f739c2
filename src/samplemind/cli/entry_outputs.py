"""The forms in which sounds of the library are printed, one class each."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

from samplemind.cli.outputs import Format
from samplemind.cli.report import UNKNOWN, duration
from samplemind.cli.terminal import complain, fitted, printable, style_of, width

if TYPE_CHECKING:
    from samplemind.library.found import Entry, FoundFile

_COLUMNS: Final = (
    *("id", "kind", "duration_s", "sample_rate_hz", "channels", "tempo_bpm", "tempo_confidence"),
    *("key", "camelot", "key_confidence", "loudness_lufs", "loudness_range_lu", "true_peak_dbtp"),
    *("spectral_centroid_hz", "attack_s", "harmonic_ratio", "root_midi", "level", "added_at"),
)
"""Fields of an entry that are columns of a table for programs."""
_INDENT: Final = " " * 8
_CORRECTED: Final = "*"
"""Stands after a value that the user has corrected."""


class Output(Protocol):
    """A form that entries are printed in."""

    def add(self, entry: Entry) -> None:
        """Print one."""

    def close(self, cursor: str | None) -> None:
        """Print what closes the whole, and where to go on if there are more."""


class Table:
    """A row a sound, and what its name or a correction contradicts below it."""

    _HEADS: Final = (
        ("kind", "<", 9),
        ("length", ">", 9),
        ("tempo", ">", 7),
        ("key", "<", 9),
        ("", "<", 3),
        ("LUFS", ">", 5),
    )
    _GAP: Final = "  "

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._style = style_of(out)
        # A name may only be cut where a person looks at it.
        self._width = width() if out.isatty() else None
        self._is_empty = True

    def add(self, entry: Entry) -> None:
        """Print the row."""
        if self._is_empty:
            self._out.write(self._style.bold(self._row([*(head for head, _, _ in self._HEADS), "file"])) + "\n")
            self._is_empty = False
        tempo = UNKNOWN if entry.tempo_bpm is None else f"{entry.tempo_bpm:.2f}"
        cells = [
            _marked(entry, "kind", entry.kind or UNKNOWN),
            duration(entry.duration_s),
            _marked(entry, "tempo_bpm", tempo),
            _marked(entry, "key", entry.key or UNKNOWN),
            entry.camelot or "",
            UNKNOWN if entry.loudness_lufs is None else f"{entry.loudness_lufs:.1f}",
        ]
        start = self._row([*cells, ""])
        paths = [file.path for file in entry.files if not file.missing] or [file.path for file in entry.files[:1]]
        self._out.write(start + self._fitted(paths[0] if paths else UNKNOWN, len(start)) + "\n")
        others = [f"also {path}" for path in paths[1:]]
        for note in (*_notes(entry), *others):
            self._out.write(self._style.dim(_INDENT + self._fitted(note, len(_INDENT))) + "\n")

    def close(self, cursor: str | None) -> None:
        """Say where to go on."""
        _tell(cursor)

    def _fitted(self, text: str, before: int) -> str:
        """A text in the columns that are left."""
        shown = printable(text)
        return shown if self._width is None else fitted(shown, self._width - before)

    def _row(self, cells: list[str]) -> str:
        *fixed, name = cells
        padded = [f"{cell:{side}{room}}" for cell, (_, side, room) in zip(fixed, self._HEADS, strict=True)]
        return self._GAP.join([*padded, name])


def _marked(entry: Entry, field: str, text: str) -> str:
    return text + _CORRECTED if field in entry.corrected else text


def _notes(entry: Entry) -> Iterator[str]:
    """What was measured where it is corrected, and what names say where it is something else."""
    for field, value in entry.corrected.items():
        match field:
            case "tempo_bpm":
                yield f"* measured {UNKNOWN if value is None else f'{value:.2f}'} BPM"
            case "key" | "kind":
                yield f"* measured {value or UNKNOWN}"
    said = dict.fromkeys(word for file in entry.files for word in _contradicted(entry, file))
    if said:
        yield f"name says {', '.join(said)}"
    if all(file.missing for file in entry.files):
        yield "missing"


def _contradicted(entry: Entry, file: FoundFile) -> list[str]:
    """What a file's name says, and the entry has otherwise or not."""
    from samplemind.library.conflicts import key_conflict, tempo_conflict
    from samplemind.library.keys import parse_key

    said = []
    tempo = file.named_tempo_bpm
    if tempo is not None and (entry.tempo_bpm is None or tempo_conflict(tempo, entry.tempo_bpm)):
        said.append(f"{tempo:g} BPM")
    named = parse_key(file.named_key) if file.named_key else None
    own = parse_key(entry.key) if entry.key else None
    if named is not None and (own is None or key_conflict(named, own)):
        said.append(named.name)
    return said


class Json:
    """One object: the sounds, one a line, and the cursor. Only ASCII: nothing in a name can command a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._before = '{"entries": [\n'

    def add(self, entry: Entry) -> None:
        """Print one object."""
        self._out.write(self._before + json.dumps(entry.to_dict()))
        self._before = ",\n"

    def close(self, cursor: str | None) -> None:
        """Close the object."""
        start = '{"entries": [' if self._before.startswith("{") else ""
        self._out.write(f'{start}\n], "cursor": {json.dumps(cursor)}}}\n')


class JsonLines:
    """One object a line (https://jsonlines.org)."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def add(self, entry: Entry) -> None:
        """Print one object."""
        self._out.write(json.dumps(entry.to_dict()) + "\n")

    def close(self, cursor: str | None) -> None:
        """Say where to go on."""
        _tell(cursor)


class Csv:
    """A header, then a row a sound (RFC 4180); the path of the file that stands for it is last.

    Names are written as they are, except to a terminal.
    """

    def __init__(self, out: TextIO) -> None:
        self._shown = printable if out.isatty() else str
        self._rows = csv.writer(out, lineterminator="\n")
        named = ("named_tempo_bpm", "named_key", "named_sound")
        self._rows.writerow([*_COLUMNS, *named, "corrected", "tags", "files", "missing", "path"])

    def add(self, entry: Entry) -> None:
        """Print one row."""
        file = entry.files[0] if entry.files else None
        named: list[Any] = [None] * 3
        if file is not None:
            named = [file.named_tempo_bpm, file.named_key, file.named_sound]
        present = sum(not other.missing for other in entry.files)
        corrected = "; ".join(f"{field}={'' if value is None else value}" for field, value in entry.corrected.items())
        values = [getattr(entry, name) for name in _COLUMNS]
        path = self._shown(file.path) if file is not None else None
        about = [self._shown(corrected), self._shown(", ".join(entry.tags)), len(entry.files)]
        self._rows.writerow([*values, *named, *about, str(present == 0).lower(), path])

    def close(self, cursor: str | None) -> None:
        """Say where to go on."""
        _tell(cursor)


def _tell(cursor: str | None) -> None:
    if cursor is not None:
        complain(f"there is more: --cursor {cursor}")


def output_for(form: Format, out: TextIO) -> Output:
    """The output for a form."""
    match form:
        case Format.TABLE:
            return Table(out)
        case Format.JSON:
            return Json(out)
        case Format.JSONL:
            return JsonLines(out)
        case Format.CSV:
            return Csv(out)
