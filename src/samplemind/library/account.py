"""What is told of a scan, whenever it ends: what became of files, why some failed, and how many are left."""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from samplemind.errors import AnalysisError


@dataclass(frozen=True)
class Totals:
    """What became of the files of a scan: `files` is the sum of the next four."""

    analyzed: int = 0
    known: int = 0
    """Moved, renamed or copied: their bytes were known."""
    unchanged: int = 0
    failed: int = 0
    missing: int = 0
    """Files that were there before and are not any more."""

    @property
    def files(self) -> int:
        """All that were met."""
        return self.analyzed + self.known + self.unchanged + self.failed


class Account:
    """What became of files so far. Those who walk, analyse and record count in threads of their own.

    Attributes:
        totals: what became of files.
        met: how many files were met; so far, unless `all_met`.
        unreadable: how many folders could not be read.
        absent: of paths where nothing is any more, a drive's that is unplugged for one: how many files the library has.
    """

    def __init__(self) -> None:
        self.totals = Totals()
        self.met = 0
        self.all_met = False
        self.unreadable = 0
        self.absent: dict[str, int] = {}
        self._counting = threading.Lock()
        self._refused: deque[tuple[str, AnalysisError]] = deque()
        self._over = threading.Event()

    def untold(self) -> Iterator[tuple[str, AnalysisError]]:
        """Errors that are counted and were not given yet; there may be some when the scan was called off."""
        while self._refused:
            yield self._refused.popleft()

    def _count(self, *refused: tuple[str, AnalysisError], **more: int) -> None:
        with self._counting:
            if self._over.is_set():  # whoever called it off has heard the totals by now
                return
            counted = {name: getattr(self.totals, name) + count for name, count in more.items()}
            self.totals = dataclasses.replace(self.totals, **counted)
            self._refused.extend(refused)

    def _refuse(self, path: str, error: AnalysisError) -> None:
        self._count((path, error), failed=1)

    def _close(self) -> None:
        """From now on nothing is counted."""
        with self._counting:
            self._over.set()
