"""How far the work is, on standard error: files, rate, time left, failures so far."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from samplemind.discovery import audio_files


@contextlib.contextmanager
def progress(arguments: list[str]) -> Iterator[Callable[[int, int], None]]:
    """A bar for as long as the context lasts; its value is told how many files are done, and how many failed.

    Args:
        arguments: the files and folders that the work is about.
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

        def count() -> None:
            """A second walk, so that no list of a million paths is kept."""
            shown.update(task, total=sum(1 for _ in audio_files(arguments)))

        def tell(done: int, failed: int) -> None:
            rate = f"{done / (time.monotonic() - started):,.0f}/s"
            shown.update(task, completed=done, rate=rate, failed=f"{failed:,} failed" if failed else "")

        threading.Thread(target=count, daemon=True).start()
        yield tell


def not_done(count: int, *, all_met: bool) -> str:
    """What totals end with if files are left.

    Args:
        count: files that were met, and of which nothing is known yet.
        all_met: whether all files were met; else nobody knows how many there are.
    """
    if all_met:
        return f", {count:,} not done" if count else ""
    return f", {count:,} not done of those found so far"
