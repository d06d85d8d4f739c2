"""``samplemind search``: sounds of the library."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from samplemind.cli.entry_outputs import output_for
from samplemind.cli.opened import opened_library
from samplemind.cli.outputs import Format
from samplemind.cli.terminal import complain

if TYPE_CHECKING:
    from samplemind.library.database import Database
    from samplemind.library.query import Query

# A term may begin with a minus, and so may look like short options: here are none.
SETTINGS: Final = {"ignore_unknown_options": True, "help_option_names": ["--help"]}


def search(
    context: typer.Context,
    query: Annotated[
        list[str] | None,
        typer.Argument(help="What to look for, as docs/search.md says; everything by default.", show_default=False),
    ] = None,
    *,
    form: Annotated[Format, typer.Option("--format", help="How to print what is found.")] = Format.TABLE,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many sounds at most.")] = 50,
    cursor: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on there: what the search before has printed.")
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Order: name, tempo, key, …; with a minus before it the highest first."),
    ] = None,
) -> None:
    """Find sounds of the library by what they are, what they are called and what you said of them.

    samplemind search 'kind:loop tempo:120..126 key:Am,8A loudness:>-14 -tag:used kick'

    Exit status: 0 searched, also if nothing was found; 2 the question makes no sense.
    """
    words = query or []
    if words == ["-h"]:
        print(context.get_help())
        return
    asked = _asked(words, sort)
    with opened_library() as database:
        _print(database, asked, form, limit, cursor)


def _asked(words: list[str], sort: str | None) -> Query:
    """The query that a command line means."""
    import dataclasses

    from samplemind.errors import QueryError
    from samplemind.library.query import parse

    for word in words:
        if word.startswith("--"):
            raise typer.BadParameter(f"there is no option {word}, or it stands after --")
    asked = parse(" ".join(words))
    if sort is None:
        return asked
    try:
        return dataclasses.replace(asked, sort=parse(f"sort:{sort}").sort)
    except QueryError as error:
        raise typer.BadParameter(error.reason, param_hint="--sort") from None


def _print(database: Database, query: Query, form: Format, limit: int, cursor: str | None) -> None:
    import time

    from samplemind.library.search import MOST, search

    output = output_for(form, sys.stdout)
    left = limit
    while True:
        with database.reading() as session:
            page = search(session, query, limit=min(left, MOST), cursor=cursor, now=time.time())
        for entry in page.entries:  # however long whoever reads takes, the database is not held up
            output.add(entry)
        left -= len(page.entries)
        cursor = page.cursor
        if cursor is None or not left:
            break
    output.close(cursor)
    if left == limit and form is Format.TABLE:
        complain("nothing found")
