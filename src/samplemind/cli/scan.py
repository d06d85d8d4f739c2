"""``samplemind scan``: what is new or changed, analysed ahead."""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from samplemind.cli.analyze import level_named
from samplemind.cli.progress import progress
from samplemind.cli.terminal import FAILED, INTERRUPTED, complain
from samplemind.discovery import audio_files
from samplemind.errors import AnalysisError, FileAccessError


@dataclass
class _Totals:
    """What became of the files."""

    analyzed: int = 0
    unchanged: int = 0
    failed: int = 0

    def __str__(self) -> str:
        count = self.analyzed + self.unchanged + self.failed
        files = f"{count:,} {'file' if count == 1 else 'files'}"
        return f"{files}: {self.analyzed:,} analysed, {self.unchanged:,} unchanged, {self.failed:,} failed"


def scan(
    files: Annotated[list[str], typer.Argument(help="Folders and audio files.", show_default=False)],
    *,
    level: Annotated[str, typer.Option(help="How much to find out: basic, standard or detailed.")] = "standard",
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, metavar="N", show_default="all cores", help="Files to work on at once."),
    ] = None,
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="Try files again that crashed before.")
    ] = False,
) -> None:
    """Analyse what is new or changed, for later: answers are in the cache then. Unchanged files cost next to nothing.

    Exit status: 0 all done, 1 some failed, 2 the question makes no sense, 130 interrupted.
    """
    from samplemind.engine import AudioEngine

    chosen = level_named(level)
    totals = _Totals()
    refused: deque[FileAccessError] = deque()

    def paths() -> Iterator[str]:
        for item in audio_files(files):
            if isinstance(item, str):
                yield item
            else:
                refused.append(item)

    def fail(error: AnalysisError) -> None:
        complain(str(error))
        totals.failed += 1

    try:
        with contextlib.ExitStack() as ends:
            engine = ends.enter_context(AudioEngine())
            told = ends.enter_context(progress(files)) if sys.stderr.isatty() else None
            scanned = engine.scan(paths(), level=chosen, jobs=jobs, retry_quarantined=retry_quarantined)
            for outcome in ends.enter_context(contextlib.closing(iter(scanned))):
                if isinstance(outcome.answer, AnalysisError):
                    fail(outcome.answer)
                else:
                    totals.analyzed += 1
                totals.unchanged = scanned.unchanged
                if told:
                    told(totals.analyzed + totals.unchanged + totals.failed, totals.failed)
            totals.unchanged = scanned.unchanged
            while refused:
                fail(refused.popleft())
    except KeyboardInterrupt:
        complain(f"interrupted: {totals}")
        raise typer.Exit(INTERRUPTED) from None
    print(totals)
    if totals.failed:
        raise typer.Exit(FAILED)
