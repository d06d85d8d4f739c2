"""The first tier: entries in this process's memory, least recently used out first, counted in bytes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from cachetools import LRUCache

from samplemind.cache.forking import rests_at_fork

DEFAULT_MAX_BYTES: Final = 64 * 2**20
_OVERHEAD: Final = 300
"""Bytes that an entry takes beside its value: key, bytes object and place in two dictionaries."""


class MemoryTier:
    """Bytes by key, at most `max_bytes` of them with what keeping them takes. Safe to use from several threads."""

    name = "memory"

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._entries: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=lambda value: len(value) + _OVERHEAD)
        self._lock = threading.Lock()
        rests_at_fork(self)

    def get(self, key: str) -> bytes | None:
        """The entry, or None."""
        with self._lock:
            return self._entries.get(key)

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Keep entries; one that is larger than the whole tier is not kept."""
        with self._lock:
            for key, value in entries.items():
                if len(value) + _OVERHEAD <= self._entries.maxsize:
                    self._entries[key] = value

    def clear(self) -> int:
        """Forget everything; the number of entries that were there."""
        with self._lock:
            count = len(self._entries)
            self._entries.clear()
            return count

    def size(self) -> tuple[int, int]:
        """Entries, and the bytes of their values."""
        with self._lock:
            return len(self._entries), sum(map(len, self._entries.values()))

    def close(self) -> None:
        """Nothing to close."""

    def before_fork(self) -> None:
        """Hold the lock, so that the child does not inherit it from another thread."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """Release the lock."""
        self._lock.release()
