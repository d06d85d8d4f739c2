"""Lists of plain records, in the forms that results are printed in."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

from samplemind.cli.outputs import Format
from samplemind.cli.report import UNKNOWN
from samplemind.cli.terminal import fitted, printable, style_of, width

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_GAP: Final = "  "


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        head: its title.
        show: what it says of a record; None is unknown.
        room: columns of the terminal; the last column takes what is left.
        side: < or >, where the text stands in it.
    """

    head: str
    show: Callable[[Any], str | None]
    room: int = 0
    side: str = "<"


def print_records(
    kind: type[DataclassInstance], records: Iterable[DataclassInstance], columns: Sequence[Column], form: Format
) -> None:
    """Print records on standard output as they come.

    Args:
        kind: what they are: its fields are those of JSON and CSV.
        records: of that kind.
        columns: of the table.
        form: how to print them.
    """
    names = [field.name for field in dataclasses.fields(kind)]
    plain = ({name: getattr(record, name) for name in names} for record in records)
    match form:
        case Format.TABLE:
            _print_table(records, columns, sys.stdout)
        case Format.JSON:
            _print_list(plain, sys.stdout)
        case Format.JSONL:
            for each in plain:
                print(json.dumps(each))
        case Format.CSV:
            _print_csv(plain, names, sys.stdout)


def _print_table(records: Iterable[Any], columns: Sequence[Column], out: TextIO) -> None:
    fixed = sum(column.room + len(_GAP) for column in columns[:-1])
    # What stands last may only be cut where a person looks at it.
    room = width() - fixed if out.isatty() else None
    out.write(style_of(out).bold(_row(columns, [column.head for column in columns])) + "\n")
    for record in records:
        cells = [printable(UNKNOWN if (text := column.show(record)) is None else text) for column in columns]
        if room is not None:
            cells[-1] = fitted(cells[-1], room)
        out.write(_row(columns, cells) + "\n")


def _row(columns: Sequence[Column], cells: Sequence[str]) -> str:
    padded = [f"{cell:{column.side}{column.room}}" for cell, column in zip(cells[:-1], columns, strict=False)]
    return _GAP.join([*padded, cells[-1]]).rstrip()


def _print_list(plain: Iterator[dict[str, Any]], out: TextIO) -> None:
    """A list with one object a line, closed properly even when the work is cut short."""
    before = "[\n"
    try:
        for each in plain:
            out.write(before + json.dumps(each))
            before = ",\n"
    finally:
        out.write("[]\n" if before == "[\n" else "\n]\n")


def _print_csv(plain: Iterator[dict[str, Any]], names: Sequence[str], out: TextIO) -> None:
    """Names are written as they are, except to a terminal."""
    shown: Callable[[str], str] = printable if out.isatty() else str
    rows = csv.DictWriter(out, names, lineterminator="\n")
    rows.writeheader()
    for each in plain:
        rows.writerow({name: shown(value) if isinstance(value, str) else value for name, value in each.items()})
