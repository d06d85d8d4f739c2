"""How far the work is, on standard error: files, rate, time left, failures so far."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO, cast

from samplemind.discovery import audio_files

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Bar:
    """A bar on standard error. `tell` it how many files are done, and how many failed."""

    tell: Callable[[int, int], None]
    console: Console

    def above(self, out: TextIO) -> TextIO:
        """What to write lines to that are to appear above the bar, on the same terminal as `out`."""
        from rich.file_proxy import FileProxy

        return cast("TextIO", FileProxy(self.console, out))


def share_a_terminal(out: TextIO) -> bool:
    """Whether `out` and standard error are the same terminal."""
    if not (out.isatty() and sys.stderr.isatty()):
        return False
    try:
        return os.path.sameopenfile(out.fileno(), sys.stderr.fileno())
    except (OSError, ValueError):  # there is no file behind one of them
        return False


@contextlib.contextmanager
def progress(arguments: Callable[[], Iterable[str]] | None) -> Iterator[Bar]:
    """A bar for as long as the context lasts.

    Args:
        arguments: gives the files and folders that the work is about, to be counted; None if that can't be known.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # Lines that are printed above the bar are not to be broken at its width.
    console = Console(stderr=True, soft_wrap=True)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    started = time.monotonic()
    with Progress(*columns, console=console, redirect_stdout=False) as shown:
        task = shown.add_task("", total=None, rate="", failed="")

        def count(arguments: Callable[[], Iterable[str]]) -> None:
            """A second walk, so that no list of a million paths is kept."""
            with contextlib.suppress(OSError):  # of a list that is gone
                shown.update(task, total=sum(1 for _ in audio_files(arguments())))

        def tell(done: int, failed: int) -> None:
            rate = f"{done / (time.monotonic() - started):,.0f}/s"
            shown.update(task, completed=done, rate=rate, failed=f"{failed:,} failed" if failed else "")

        if arguments is not None:
            threading.Thread(target=count, args=[arguments], daemon=True).start()
        yield Bar(tell, console)


def not_done(count: int, *, all_met: bool) -> str:
    """What totals end with if files are left.

    Args:
        count: files that were met, and of which nothing is known yet.
        all_met: whether all files were met; else nobody knows how many there are.
    """
    if all_met:
        return f", {count:,} not done" if count else ""
    return f", {count:,} not done of those found so far"
