"""The order of work: largest first within reach, small files together."""

from __future__ import annotations

import contextlib
import heapq
import os
import threading
from typing import Final

REACH: Final = 512
"""Paths that are looked at ahead. A million paths take no more memory than these."""
GROUP_FILES: Final = 32
"""Most files of a group."""
_CHOICE_S: Final = 0.02
GROUP_BYTES: Final = 4 * 2**20
"""Bytes from which on a group is full: about a second of work."""


class Line:
    """Paths that wait for a worker, the largest first; one thread adds them, and others take them in groups.

    At most `REACH` paths wait: adding more waits for those that take. So the last worker is not left alone with the
    largest file, and a million paths take no more memory than a few hundred.

    Args:
        workers: how many take; towards the end they get smaller groups.
    """

    def __init__(self, *, workers: int) -> None:
        self._workers = workers
        self._waiting: list[tuple[int, int, str]] = []
        self._added = 0
        self._over = False
        self._changed = threading.Condition()

    def add(self, path: str) -> None:
        """Add a path, when there is room for it. A file that can't be asked for its size counts as empty."""
        size = size_of(path)
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < REACH or self._over)
            heapq.heappush(self._waiting, (-size, self._added, path))
            self._added += 1
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more will be added."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def take(self) -> list[tuple[str, int]]:
        """The next paths with their sizes in bytes, the largest first; none if all were taken and no more will come."""
        with self._changed:
            # Who adds gets a moment, so that there is something to choose from.
            self._changed.wait_for(lambda: len(self._waiting) >= REACH or self._over, timeout=_CHOICE_S)
            self._changed.wait_for(lambda: self._waiting or self._over)
            most = min(GROUP_FILES, max(1, len(self._waiting) // (4 * self._workers)))
            group: list[tuple[str, int]] = []
            total = 0
            while self._waiting and len(group) < most and total < GROUP_BYTES:
                negative, _, path = heapq.heappop(self._waiting)
                group.append((path, -negative))
                total -= negative
            self._changed.notify_all()
            return group


def size_of(path: str) -> int:
    """The file's size in bytes; 0 if it can't be asked for."""
    with contextlib.suppress(OSError, ValueError):
        return os.stat(path).st_size
    return 0
