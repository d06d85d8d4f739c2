"""``samplemind library``: what is in it, and taking care of it."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from samplemind.cli.opened import counted, opened_library, sounds
from samplemind.cli.report import size
from samplemind.cli.sink import replaced
from samplemind.cli.terminal import FAILED, complain, printable

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from samplemind.library.facts import LibraryFacts, RootFacts
    from samplemind.library.forgetting import Forgotten

app = typer.Typer(help="Look into the library, or take care of it.", no_args_is_help=True, rich_markup_mode=None)

_LABEL: Final = 14
_NAMES_SHOWN: Final = 5
"""Of sounds that an import does not find: enough to see which folder they are of."""


class Format(enum.StrEnum):
    """How facts are printed."""

    TEXT = "text"
    JSON = "json"


@app.command()
def info(form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT) -> None:
    """Show where the library is, what is in it, and which folders were scanned."""
    from samplemind.library.facts import library_facts
    from samplemind.library.versions import HEAD

    with opened_library() as database, database.reading() as session:
        facts = library_facts(session)
    if form is Format.JSON:
        print(json.dumps({"place": database.name, "version": HEAD, **dataclasses.asdict(facts)}, indent=2))
    else:
        _print_facts(database.name, HEAD, facts)


def _print_facts(place: str, version: str, facts: LibraryFacts) -> None:
    missing = f"; {facts.sounds_missing:,} without a file that is there" if facts.sounds_missing else ""
    for label, text in (
        ("library", printable(place)),
        ("version", version),
        ("size", size(facts.size_bytes)),
        ("sounds", f"{facts.sounds:,}{missing}"),
        ("corrections", f"{facts.corrections:,}"),
        ("tags", f"{facts.tags:,}"),
        ("collections", f"{facts.collections:,}"),
    ):
        print(f"{label:{_LABEL}}{text}")
    if facts.roots:
        print(f"\n{'files':>9}{'missing':>9}{'failed':>9}  {'scanned':16}  folder")
    for root in facts.roots:
        print(f"{root.files:9,}{root.missing:9,}{root.failed:9,}  {_when(root):16}  {printable(root.path)}")


def _when(root: RootFacts) -> str:
    if root.missing_since is not None:
        return "empty or gone"
    if root.scanned_at is None:
        return "never as a whole"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(root.scanned_at))


@app.command()
def backup(file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy to make; not there yet.")]) -> None:
    """Copy the whole library as it is at this moment, also while others use it. The copy is a library by itself.

    To bring it back, put it where samplemind library info says that the library is, while nothing uses it.
    """
    from samplemind.library.backup import backup as copy_library

    with opened_library() as database:
        copy_library(database, file)
    print(f"copied to {printable(str(file))}, {size(file.stat().st_size)}")


@app.command("export")
def export_(file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")]) -> None:
    """Write corrections, tags and collections to a file, for another library or another time.

    It holds nothing that an analysis finds out, and no paths: sounds are told by their content.
    """
    from samplemind.library.portable import export_said

    _check_target(file)
    with opened_library() as database, database.reading() as session, replaced(file) as out:
        done = export_said(session, out)
    what = f"{counted(done.collections, 'collection')}, and what was said of {sounds(done.sounds)}"
    print(f"{what}, written to {printable(str(file))}")


def _check_target(path: Path) -> None:
    """Refuse what can't be written, and never write over anything but an earlier export."""
    from samplemind.errors import ExportedFileError
    from samplemind.library.portable import check_head

    if path.is_dir() or not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"{path} can't be written: its folder is missing or it is one", param_hint="FILE")
    if path.is_file() and path.stat().st_size:
        try:
            with path.open("rb") as file:
                check_head(file)
        except ExportedFileError:
            raise typer.BadParameter(f"{path} is there already, and not an export", param_hint="FILE") from None


@app.command("import")
def import_(file: Annotated[str, typer.Argument(metavar="FILE", help="A file that was exported.")]) -> None:
    """Add the corrections, tags and collections of an exported file; doing it again changes nothing.

    Of two corrections of the same value the later one stays; a collection keeps the query that it has.

    Exit status: 0 all done, 1 sounds of the file are not in this library, 2 the file is damaged: nothing was changed.
    """
    from samplemind.library.merging import import_said

    with opened_library(made=True) as database:
        done = import_said(database, file)
    new = (
        counted(done.corrections, "correction"),
        counted(done.tags, "tag"),
        f"{sounds(done.items)} in collections",
        counted(done.collections, "collection"),
    )
    print(f"{sounds(done.sounds)} found; new: {', '.join(new)}")
    if done.unknown:
        names = ", ".join(done.unknown_names[:_NAMES_SHOWN]) + (", …" if done.unknown > _NAMES_SHOWN else "")
        complain(f"{sounds(done.unknown)} not in this library ({names}): scan their folders, then import again")
        raise typer.Exit(FAILED)


@app.command()
def upgrade() -> None:
    """Bring the library of an older samplemind up to date.

    A copy of a file is made first; PostgreSQL has its own means for that.
    """
    from samplemind.library import versions

    with opened_library(made=True) as database:
        found = None
        if database.path is None or database.path.exists():
            with database.reader() as connection:
                found = versions.revision(connection)
        copy = versions.migrate(database)
    if found == versions.HEAD:
        print(f"{printable(database.name)} is of version {found} already")
        return
    print(f"{printable(database.name)} is of version {versions.HEAD} now")
    if copy is not None:
        print(f"as it was, of version {found}, it is in {printable(str(copy))}")


@app.command()
def forget(
    root: Annotated[
        str | None, typer.Argument(metavar="[FOLDER]", help="A folder that was scanned.", show_default=False)
    ] = None,
    *,
    missing: Annotated[
        bool, typer.Option("--missing", help="Only files that are gone; of all folders if none is named.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Take files that are gone, or a whole folder, out of the records. No file on disk is touched.

    Sounds that have no other file are forgotten, but for those that have corrections or tags or are in a collection.
    Folders of which nothing is there (a drive that is not mounted) are left alone unless they are named.
    """
    from samplemind.library import forgetting

    if root is None and not missing:
        raise typer.BadParameter("name a folder, or say --missing", param_hint="FOLDER, --missing")
    path = None if root is None else os.path.abspath(root)

    def forgotten(session: Session, *, really: bool) -> Forgotten:
        if path is not None and not missing:
            return forgetting.forget_root(session, path, really=really)
        return forgetting.forget_missing(session, path, really=really)

    with opened_library() as database:
        if not yes:
            with database.reading() as session:
                planned = forgotten(session, really=False)
            typer.confirm(f"forget {_in_words(planned)}?", abort=True, err=True)
        with database.writing() as session:
            done = forgotten(session, really=True)
    print(f"forgotten: {_in_words(done)}")
    for folder in done.skipped:
        print(f"left alone: {printable(folder)} has no file that is there; name it to forget what is below it")


def _in_words(forgotten: Forgotten) -> str:
    kept = f"; {sounds(forgotten.kept)} kept without a file, for what you said of them" if forgotten.kept else ""
    return f"{counted(forgotten.files, 'file')} and {sounds(forgotten.sounds)}{kept}"
