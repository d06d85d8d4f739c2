"""``samplemind set``: values that a user knows better."""

from __future__ import annotations

import os
import re
import time
from typing import Annotated, Final

import typer

from samplemind.cli.opened import opened_library, sounds
from samplemind.cli.outputs import Format
from samplemind.cli.rows import Column, print_records

_VALUE: Final = re.compile(r"[A-Za-z_]*=.*", re.DOTALL)


def _rounded(text: str | None) -> str | None:
    """A measured number with two decimals."""
    return f"{float(text):.2f}" if text is not None and text[0].isdigit() else text


_COLUMNS: Final = (
    Column("field", lambda each: each.field, 5),
    Column("value", lambda each: each.value, 8, ">"),
    Column("measured", lambda each: _rounded(each.measured), 9, ">"),
    Column("file", lambda each: each.path),
)


def set_(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE… FIELD=VALUE…", help="Sounds, then values; FIELD= takes a correction back."),
    ] = None,
    *,
    list_: Annotated[bool, typer.Option("--list", help="Show all corrections, with what was measured.")] = False,
    form: Annotated[Format, typer.Option("--format", help="How to print the list.")] = Format.TABLE,
) -> None:
    """Correct tempo, key or kind of sounds: searches find the corrected value, and no analysis changes it.

    A FILE is a path, a folder (all sounds below it) or the beginning of a sound's digest.

    Exit status: 0 done, 2 a sound that the library doesn't have, or a value that makes no sense: nothing was changed.
    """
    from samplemind.library.corrections import Corrected, correct, corrected, field_named, written

    if list_:
        if arguments:
            raise typer.BadParameter("takes no files", param_hint="--list")
        with opened_library() as database, database.reading() as session:
            print_records(Corrected, corrected(session), _COLUMNS, form)
        return
    files, values = _split(arguments or [])
    if not (files and values):
        raise typer.BadParameter("name sounds, and then values as in: kick.wav tempo=140 key=F#m")
    kept = {field_named(name): text and written(field_named(name), text) for name, text in values.items()}
    if len(kept) < len(values):
        raise typer.BadParameter("a field is given twice")
    from samplemind.library.places import changing

    with opened_library() as database, changing(database, files) as (session, ids):
        correct(session, ids, kept, time.time())
    said = ", ".join(f"{field} {text}" if text else f"{field} as measured" for field, text in kept.items())
    print(f"{sounds(len(ids))}: {said}")


def _split(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Files, and values by what they are of: what stands last, looks like a value and is no file."""
    end = len(arguments)
    while end and _VALUE.fullmatch(arguments[end - 1]) and not os.path.lexists(arguments[end - 1]):
        end -= 1
    values: dict[str, str] = {}
    for argument in arguments[end:]:
        name, _, text = argument.partition("=")
        if name.lower() in values:
            raise typer.BadParameter(f"{name} is given twice")
        values[name.lower()] = text.strip()
    return arguments[:end], values
