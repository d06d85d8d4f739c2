"""``samplemind scan`` and ``samplemind watch``: folders into the library."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from samplemind.cli.analyze import level_named
from samplemind.cli.progress import not_done, progress
from samplemind.cli.sink import uninterrupted
from samplemind.cli.terminal import FAILED, INTERRUPTED, complain
from samplemind.errors import AnalysisError, LibraryError, NotInLibraryError
from samplemind.workers.remote import is_url, shown

if TYPE_CHECKING:
    from samplemind.library.account import Totals
    from samplemind.library.scanning import Scan

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
    _refuse_urls(files, "FILES")
    scanned: Scan | None = None
    try:
        with Library() as library, contextlib.ExitStack() as ends:
            scanned = library.scan(files, level=chosen, jobs=jobs, retry=retry_quarantined)
            bar = ends.enter_context(progress(lambda: files)) if sys.stderr.isatty() else None
            for _, answer in ends.enter_context(contextlib.closing(iter(scanned))):
                with uninterrupted():
                    if isinstance(answer, AnalysisError):
                        complain(str(answer))
                    if bar:
                        bar.tell(scanned.totals.files, scanned.totals.failed)
    except KeyboardInterrupt:
        complain(f"interrupted: {_so_far(scanned)}")
        raise typer.Exit(INTERRUPTED) from None
    for path, count in scanned.absent.items():
        complain(f"{path}: nothing is there, {count:,} {'file' if count == 1 else 'files'} missing")
    print(in_words(scanned.totals) + _unreadable(scanned))
    if scanned.totals.failed or scanned.unreadable:
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
    _refuse_urls(folders, "FOLDERS")
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


def _refuse_urls(paths: list[str], argument: str) -> None:
    for path in paths:
        if is_url(path):
            reason = f"{shown(path)}: a library holds files of this machine: samplemind analyze takes URLs"
            raise typer.BadParameter(reason, param_hint=argument)


def _so_far(scanned: Scan | None) -> str:
    """Totals of a scan that was interrupted; errors that were not told yet are told now."""
    if scanned is None:
        return "nothing was begun"
    for _, answer in scanned.untold():
        complain(str(answer))
    left = not_done(scanned.met - scanned.totals.files, all_met=scanned.all_met)
    return in_words(scanned.totals, left) + _unreadable(scanned)


def _unreadable(scanned: Scan) -> str:
    folders = scanned.unreadable
    return f"; {folders:,} {'folder' if folders == 1 else 'folders'} could not be read" if folders else ""


def in_words(totals: Totals, left: str = "") -> str:
    """Totals as a line: what became of the files that are there, and how many are gone; `left` follows the former."""
    parts = [f"{totals.analyzed:,} analysed"]
    if totals.known:
        parts.append(f"{totals.known:,} moved, copied or touched")
    parts += [f"{totals.unchanged:,} unchanged", f"{totals.failed:,} failed"]
    line = f"{totals.files:,} {'file' if totals.files == 1 else 'files'}: {', '.join(parts)}{left}"
    return f"{line}; {totals.missing:,} missing" if totals.missing else line
