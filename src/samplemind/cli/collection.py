"""``samplemind collection``: named sets of sounds."""

from __future__ import annotations

import time
from typing import Annotated, Final

import typer

from samplemind.cli.opened import opened_library, sounds
from samplemind.cli.outputs import Format
from samplemind.cli.rows import Column, print_records
from samplemind.cli.search import SETTINGS as SEARCH_SETTINGS
from samplemind.cli.search import search

app = typer.Typer(
    help="Keep sets of sounds under names: put together by hand, by a query, or both.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The collection.", show_default=False)]
Files = Annotated[list[str], typer.Argument(metavar="FILE…", help="Sounds of the library.", show_default=False)]

_COLUMNS: Final = (
    Column("put in", lambda each: f"{each.items:,}", 9, ">"),
    Column("name", lambda each: each.name, 24),
    Column("query", lambda each: each.query or ""),
)


@app.command(context_settings=dict(SEARCH_SETTINGS))
def save(
    name: Name,
    query: Annotated[
        list[str] | None, typer.Argument(metavar="[QUERY]", help="What it finds, as for samplemind search.")
    ] = None,
) -> None:
    """Make a collection, or give it another query. Without one, it holds what is put into it.

    A query is looked up whenever the collection is: it finds also what comes into the library later.
    """
    from samplemind.library import collections
    from samplemind.library.labels import label

    text = " ".join(query or []) or None
    with opened_library(made=True) as database, database.writing() as session:
        new = collections.save(session, name, text, time.time())
    print(f"{label(name)}: {'made' if new else 'changed'}, {f'finds {text}' if text else 'without a query'}")


@app.command()
def add(name: Name, files: Files) -> None:
    """Put sounds into a collection."""
    from samplemind.library import collections
    from samplemind.library.labels import label
    from samplemind.library.places import changing

    with opened_library() as database, changing(database, files) as (session, ids):
        added = collections.add_items(session, name, ids, time.time())
    others = len(ids) - added
    print(f"{label(name)}: {sounds(added)} put in" + (f"; {others:,} already there" if others else ""))


@app.command()
def remove(name: Name, files: Files) -> None:
    """Take sounds out of a collection. What its query finds is still found."""
    from samplemind.library import collections
    from samplemind.library.labels import label
    from samplemind.library.places import changing

    with opened_library() as database, changing(database, files) as (session, ids):
        removed = collections.remove_items(session, name, ids)
    others = len(ids) - removed
    print(f"{label(name)}: {sounds(removed)} taken out" + (f"; {others:,} not put into it" if others else ""))


@app.command("list")
def list_(form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE) -> None:
    """Show all collections."""
    from samplemind.library.collections import CollectionCount, collection_counts

    with opened_library() as database, database.reading() as session:
        print_records(CollectionCount, collection_counts(session), _COLUMNS, form)


@app.command()
def show(
    context: typer.Context,
    name: Name,
    *,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many sounds at most.")] = 50,
    cursor: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on there: what this command has printed before.")
    ] = None,
    sort: Annotated[str | None, typer.Option(metavar="FIELD", help="Order, as for samplemind search.")] = None,
) -> None:
    """Show the sounds of a collection: those put into it, and those that its query finds now."""
    from samplemind.library.labels import label

    search(context, [f'collection:"{label(name)}"'], form=form, limit=limit, cursor=cursor, sort=sort)


@app.command()
def delete(name: Name) -> None:
    """Remove a collection. Its sounds stay in the library."""
    from samplemind.library import collections
    from samplemind.library.labels import label

    with opened_library() as database, database.writing() as session:
        collections.remove(session, name)
    print(f"{label(name)}: removed")


@app.command()
def rename(
    name: Name, new_name: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.", show_default=False)]
) -> None:
    """Give a collection another name."""
    from samplemind.library import collections
    from samplemind.library.labels import label

    with opened_library() as database, database.writing() as session:
        collections.rename(session, name, new_name)
    print(f"{label(name)}: {label(new_name)} now")
