"""``samplemind tag``: a user's words for sounds."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from samplemind.cli.opened import opened_library, sounds
from samplemind.cli.outputs import Format
from samplemind.cli.rows import Column, print_records

_COLUMNS: Final = (
    Column("sounds", lambda each: f"{each.sounds:,}", 9, ">"),
    Column("missing", lambda each: f"{each.missing:,}" if each.missing else "", 9, ">"),
    Column("tag", lambda each: each.name),
)


def tag(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="NAME FILE…", help="The tag, then the sounds that get it.")
    ] = None,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Take the tag from the sounds.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show all tags, and how many sounds have them.")] = False,
    form: Annotated[Format, typer.Option("--format", help="How to print the list.")] = Format.TABLE,
) -> None:
    """Give sounds a tag, for searches as tag:NAME.

    A FILE is a path, a folder (all sounds below it) or the beginning of a sound's digest.

    Exit status: 0 done, 2 a sound that the library doesn't have, or a name that can't be one: nothing was changed.
    """
    from samplemind.library.labels import label
    from samplemind.library.tags import TagCount, add_tags, remove_tags, tag_counts

    if list_:
        if arguments or remove:
            raise typer.BadParameter("takes no tag and no files", param_hint="--list")
        with opened_library() as database, database.reading() as session:
            print_records(TagCount, tag_counts(session), _COLUMNS, form)
        return
    if arguments is None or len(arguments) < 2:
        raise typer.BadParameter("name a tag and then sounds, as in: used kick.wav", param_hint="NAME FILE…")
    from samplemind.library.places import changing

    name = label(arguments[0])
    with opened_library() as database, changing(database, arguments[1:]) as (session, ids):
        changed = remove_tags(session, ids, [name]) if remove else add_tags(session, ids, [name])
    others = len(ids) - changed
    if remove:
        print(f"{name}: taken from {sounds(changed)}" + (f"; {others:,} did not have it" if others else ""))
    else:
        print(f"{name}: given to {sounds(changed)}" + (f"; {others:,} had it already" if others else ""))
