"""``samplemind scan`` and ``samplemind watch``: folders into the library."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from samplemind.cli.analyze import level_named
from samplemind.cli.progress import progress
from samplemind.cli.terminal import FAILED, INTERRUPTED, complain
from samplemind.errors import AnalysisError, LibraryError, NotInLibraryError

if TYPE_CHECKING:
    from samplemind.library.scanning import Totals

Level = Annotated[str, typer.Option(help="How much to find out: basic, standard or detailed.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, metavar="N", show_default="all cores", help="Files to work on at once."),
]


def scan(
    files: Annotated[list[str], typer.Argument(help="Folders and audio files.", show_default=False)],
    *,
    level: Level = "standard",
    jobs: Jobs = None,
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="Try files again that had no answer or crashed before.")
    ] = False,
) -> None:
    """Take folders into the library: what is new or changed is analysed, what is known costs next to nothing.

    Exit status: 0 all done, 1 some failed, 2 the question makes no sense, 130 interrupted.
    """
    from samplemind.library.library import Library

    chosen = level_named(level)
    with Library() as library:
        scanned = library.scan(files, level=chosen, jobs=jobs, retry=retry_quarantined)
        try:
            with contextlib.ExitStack() as ends:
                told = ends.enter_context(progress(files)) if sys.stderr.isatty() else None
                for _, answer in ends.enter_context(contextlib.closing(iter(scanned))):
                    if isinstance(answer, AnalysisError):
                        complain(str(answer))
                    if told:
                        told(scanned.totals.files, scanned.totals.failed)
        except KeyboardInterrupt:
            complain(f"interrupted: {in_words(scanned.totals)}")
            raise typer.Exit(INTERRUPTED) from None
    print(in_words(scanned.totals))
    if scanned.totals.failed:
        raise typer.Exit(FAILED)


def watch(
    folders: Annotated[list[str], typer.Argument(help="Folders.", show_default=False)],
    *,
    level: Level = "standard",
    jobs: Jobs = None,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look at all files now and then: for drives of other machines.")
    ] = False,
) -> None:
    """Scan folders, then take in what changes in them, within seconds, until interrupted.

    While the library can't be used, it is tried again.

    Exit status: 2 the question makes no sense, 130 interrupted.
    """
    from samplemind.library.library import Library

    chosen = level_named(level)
    with Library() as library:
        try:
            told = library.watch(folders, level=chosen, jobs=jobs, poll=True if poll else None, trouble=_complain)
            for path, answer in told:
                if isinstance(answer, AnalysisError):
                    complain(str(answer))
                else:
                    print(path, flush=True)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


def _complain(trouble: LibraryError | NotInLibraryError) -> None:
    goes_on = "going on when the library can be used: " if isinstance(trouble, LibraryError) else ""
    complain(f"{goes_on}{trouble}")


def in_words(totals: Totals) -> str:
    """Totals as a line: what became of the files that are there, and how many are gone."""
    parts = [f"{totals.analyzed:,} analysed"]
    if totals.known:
        parts.append(f"{totals.known:,} moved, copied or touched")
    parts += [f"{totals.unchanged:,} unchanged", f"{totals.failed:,} failed"]
    line = f"{totals.files:,} {'file' if totals.files == 1 else 'files'}: {', '.join(parts)}"
    return f"{line}; {totals.missing:,} missing" if totals.missing else line
