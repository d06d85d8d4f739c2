"""The order of work: largest first within reach, small files together."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
from collections.abc import Iterable, Iterator
from typing import Final

REACH: Final = 512
"""Paths that are looked at ahead. A million paths take no more memory than these."""
GROUP_FILES: Final = 32
"""Most files of a group."""
GROUP_BYTES: Final = 4 * 2**20
"""Bytes from which on a group is full: about a second of work."""


def groups(paths: Iterable[str], *, workers: int) -> Iterator[list[tuple[str, int]]]:
    """Paths with their sizes in bytes, in groups.

    The largest of the next `REACH` paths comes first, so that the last worker is not left alone with it; towards the
    end groups are small. A file that can't be asked for its size counts as empty: whoever opens it will find out why.
    """
    numbered = enumerate(paths)
    waiting: list[tuple[int, int, str]] = []
    while True:
        for number, path in itertools.islice(numbered, REACH - len(waiting)):
            heapq.heappush(waiting, (-_size(path), number, path))
        if not waiting:
            return
        most = min(GROUP_FILES, max(1, len(waiting) // (4 * workers)))
        group: list[tuple[str, int]] = []
        total = 0
        while waiting and len(group) < most and total < GROUP_BYTES:
            negative, _, path = heapq.heappop(waiting)
            group.append((path, -negative))
            total -= negative
        yield group


def _size(path: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        return os.stat(path).st_size
    return 0
