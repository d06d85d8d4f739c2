"""``samplemind audit``: names of files against what was measured."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Final

import typer

from samplemind.cli.opened import opened_library
from samplemind.cli.outputs import Format
from samplemind.cli.report import percent
from samplemind.cli.rows import Column, print_records


class AuditField(enum.StrEnum):
    """What names tell that is measured too."""

    TEMPO = "tempo"
    KEY = "key"


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.2f}"


def _sure(each: Any) -> str | None:
    return None if each.confidence is None else percent(each.confidence)


_COLUMNS: Final = (
    Column("field", lambda each: each.field, 5),
    Column("named", lambda each: _value(each.named), 7, ">"),
    Column("measured", lambda each: _value(each.measured), 8, ">"),
    Column("sure", _sure, 5, ">"),
    Column("relation", lambda each: each.relation, 8),
    Column("file", lambda each: each.path),
)
_CORRECTED: Final = Column("corrected", lambda each: each.corrected or "", 9, ">")


def audit(
    *,
    field: Annotated[
        list[AuditField] | None, typer.Option("--field", help="Only this; may be given again.", show_default="both")
    ] = None,
    corrected: Annotated[bool, typer.Option("--corrected", help="Also what was corrected, and so is settled.")] = False,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
) -> None:
    """List the files whose names tell another tempo or key than was measured.

    Nothing is changed: that is for samplemind set.

    Exit status: 0, whether there are any or not.
    """
    from samplemind.library.audit import Contradiction, contradictions

    columns = (*_COLUMNS[:-1], _CORRECTED, _COLUMNS[-1]) if corrected else _COLUMNS
    fields = [str(each) for each in field or AuditField]
    with opened_library() as database, database.reading() as session:
        print_records(Contradiction, contradictions(session, fields=fields, settled=corrected), columns, form)
