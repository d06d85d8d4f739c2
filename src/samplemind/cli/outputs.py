"""The forms in which results are printed, one class each: answers go in as they come, text comes out at once."""

from __future__ import annotations

import contextlib
import csv
import enum
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

from samplemind.cli.report import UNKNOWN, duration, report
from samplemind.cli.sink import text_sink
from samplemind.cli.terminal import fitted, printable, style_of, width
from samplemind.errors import AnalysisError

if TYPE_CHECKING:
    from samplemind.result import AudioFeatures

    Answer = AudioFeatures | AnalysisError


class Format(enum.StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class Output(Protocol):
    """A form that results are printed in."""

    def add(self, path: str, answer: Answer) -> None:
        """Print one file's answer."""

    def close(self) -> None:
        """Print what closes the whole; called also when the work is cut short."""


def document(path: str, answer: Answer) -> dict[str, Any]:
    """An answer as plain data; for a failed file its path and error."""
    if isinstance(answer, AnalysisError):
        return {"path": path, "error": {"type": type(answer).__name__, "reason": answer.reason}}
    return answer.to_dict()


class JsonObject:
    """One object, a field a line. Only ASCII: nothing in a name can command a terminal, and no byte of it is lost."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def add(self, path: str, answer: Answer) -> None:
        """Print the object."""
        fields = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in document(path, answer).items())
        self._out.write("{\n" + ",\n".join(fields) + "\n}\n")

    def close(self) -> None:
        """Nothing is left open."""


class JsonList:
    """A list with one object a line, closed properly even when the work is cut short."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._before = "[\n"

    def add(self, path: str, answer: Answer) -> None:
        """Print one object."""
        self._out.write(self._before + json.dumps(document(path, answer)))
        self._out.flush()
        self._before = ",\n"

    def close(self) -> None:
        """Close the list."""
        self._out.write("[]\n" if self._before == "[\n" else "\n]\n")
        self._out.flush()


class JsonLines:
    """One object a line (https://jsonlines.org)."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def add(self, path: str, answer: Answer) -> None:
        """Print one object."""
        self._out.write(json.dumps(document(path, answer)) + "\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing is left open."""


class Csv:
    """A header, then a row a file (RFC 4180): the fields that hold one number or word, the warnings, and the error.

    Names are written as they are, except to a terminal.
    """

    def __init__(self, out: TextIO) -> None:
        from samplemind.result import scalar_fields

        self._out = out
        self._shown = printable if out.isatty() else str
        names = ["path", *(name for name in scalar_fields() if name != "path"), "warnings", "error"]
        self._rows = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
        self._rows.writeheader()

    def add(self, path: str, answer: Answer) -> None:
        """Print one row."""
        fields = document(path, answer)
        if isinstance(answer, AnalysisError):
            fields["error"] = self._shown(answer.reason)
        else:
            fields["warnings"] = self._shown("; ".join(answer.warnings))
        self._rows.writerow({**fields, "path": self._shown(path)})
        self._out.flush()

    def close(self) -> None:
        """Nothing is left open."""


class Reports:
    """The full report of each file. Failed files are on standard error."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._before = "\n"

    def add(self, path: str, answer: Answer) -> None:
        """Print one report."""
        if not isinstance(answer, AnalysisError):
            self._out.write(f"{self._before}{report(answer, style_of(self._out), width())}\n\n")
            self._out.flush()
            self._before = ""

    def close(self) -> None:
        """Nothing is left open."""


class Table:
    """A row a file, in fixed columns so that rows can be printed as they come. Failed files are on standard error."""

    _HEADS: Final = (
        ("kind", "<", 8),
        ("length", ">", 9),
        ("tempo", ">", 6),
        ("key", "<", 8),
        ("", "<", 3),
        ("LUFS", ">", 5),
    )
    _GAP: Final = "  "

    def __init__(self, out: TextIO) -> None:
        self._out = out
        fixed = sum(room + len(self._GAP) for _, _, room in self._HEADS)
        # A name may only be cut where a person looks at it.
        self._room = width() - fixed if out.isatty() else None
        heads = self._row([*(head for head, _, _ in self._HEADS), "file"])
        out.write(style_of(out).bold(heads) + "\n")

    def add(self, path: str, answer: Answer) -> None:
        """Print one row."""
        if isinstance(answer, AnalysisError):
            return
        tempo, loudness = answer.tempo_bpm, answer.loudness_lufs
        name = printable(path)
        row = self._row(
            [
                answer.kind or UNKNOWN,
                duration(answer.duration_s),
                UNKNOWN if tempo is None else f"{tempo:.2f}",
                UNKNOWN if answer.key is None else f"{answer.key} {answer.mode}",
                answer.camelot or "",
                UNKNOWN if loudness is None else f"{loudness:.1f}",
                name if self._room is None else fitted(name, self._room),
            ]
        )
        self._out.write(row + "\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing is left open."""

    def _row(self, cells: list[str]) -> str:
        *fixed, name = cells
        padded = [f"{cell:{side}{room}}" for cell, (_, side, room) in zip(fixed, self._HEADS, strict=True)]
        return self._GAP.join([*padded, name])


def output_for(form: Format, out: TextIO, *, single: bool, few: bool) -> Output:
    """The output for a form.

    Args:
        form: what the user asked for.
        out: where it goes.
        single: exactly one file was named.
        few: so few files that each can have a full report.
    """
    match form:
        case Format.JSON:
            return JsonObject(out) if single else JsonList(out)
        case Format.JSONL:
            return JsonLines(out)
        case Format.CSV:
            return Csv(out)
        case Format.TABLE:
            return Reports(out) if few else Table(out)


@contextlib.contextmanager
def sink(target: Path | None) -> Iterator[TextIO]:
    """The `text_sink` of a file, or standard output with None, that says where it was what could not be closed."""
    failure: BaseException | None = None
    try:
        with text_sink(target) as out:
            try:
                yield out
                with naming(target):
                    out.flush()
            except BaseException as error:
                failure = error
                raise
    except OSError:
        if failure is not None:  # it tells more than that closing failed, too
            raise failure from None
        with naming(target):
            raise


@contextlib.contextmanager
def naming(target: Path | None) -> Iterator[None]:
    """Have what can't be written say where that was.

    Args:
        target: a file, or None for standard output, to which nothing more is written then.

    Raises:
        OSError: with the name.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        if target is None:  # what is still to be flushed would fail again, and not say where
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(error.errno, error.strerror, str(target or "standard output")) from None
