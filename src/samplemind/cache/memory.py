"""The first tier: entries in this process's memory, least recently used out first, counted in bytes."""

from __future__ import annotations

import threading
from typing import Final

from cachetools import LRUCache

DEFAULT_MAX_BYTES: Final = 64 * 2**20


class MemoryTier:
    """Bytes by key, at most `max_bytes` of them. Safe to use from several threads."""

    name = "memory"

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._entries: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """The entry, or None."""
        with self._lock:
            return self._entries.get(key)

    def put(self, key: str, value: bytes) -> None:
        """Keep an entry; one that is larger than the whole tier is not kept."""
        with self._lock:
            if len(value) <= self._entries.maxsize:
                self._entries[key] = value

    def clear(self) -> int:
        """Forget everything; the number of entries that were there."""
        with self._lock:
            count = len(self._entries)
            self._entries.clear()
            return count

    def size(self) -> tuple[int, int]:
        """Entries, and their bytes."""
        with self._lock:
            return len(self._entries), int(self._entries.currsize)

    def close(self) -> None:
        """Nothing to close."""
