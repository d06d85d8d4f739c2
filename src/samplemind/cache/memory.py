"""The first tier: entries in this process's memory, least recently used out first, counted in bytes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from samplemind.cache.tier import TierState
from samplemind.storage.forking import rests_at_fork

DEFAULT_MAX_BYTES: Final = 64 * 2**20
_OVERHEAD: Final = 400
"""Bytes that an entry takes beside its value (measured): key, bytes object, times and place in the order."""


class _Entry(NamedTuple):
    value: bytes
    created: float
    used: float

    @property
    def size(self) -> int:
        return len(self.value) + _OVERHEAD


class MemoryTier:
    """Bytes by key, at most `max_bytes` of them with what keeping them takes. Safe to use from several threads."""

    name = "memory"
    shared = False

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # unused for longest first
        self._bytes = 0
        self._evictions = 0
        self._lock = threading.Lock()
        rests_at_fork(self)

    def get(self, key: str) -> bytes | None:
        """The entry, or None. Counts as a use of it."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries[key] = entry._replace(used=time.monotonic())
            self._entries.move_to_end(key)
            return entry.value

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The entries that are there, by key. Does not count as a use."""
        with self._lock:
            return {key: self._entries[key].value for key in keys if key in self._entries}

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Keep entries; none of them if together they are larger than the whole tier."""
        now = time.monotonic()
        with self._lock:
            for key in entries:
                self._drop(key)
            if sum(len(value) + _OVERHEAD for value in entries.values()) > self.max_bytes:
                return
            for key, value in entries.items():
                self._entries[key] = _Entry(value, now, now)
                self._bytes += self._entries[key].size
            self._evictions += self._drop_oldest(self.max_bytes)

    def remove(self, keys: Iterable[str]) -> int:
        """Remove entries; the number of them that were there."""
        unwanted = list(keys)  # which may come from here
        with self._lock:
            return sum(self._drop(key) for key in unwanted)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """All entries; those that go meanwhile are left out. Does not count as a use."""
        with self._lock:
            keys = list(self._entries)
        for key in keys:
            with self._lock:
                entry = self._entries.get(key)
            if entry is not None:
                yield key, entry.value

    def prune(self, *, max_bytes: int | None = None, unused_s: float | None = None) -> int:
        """Remove entries unused for `unused_s` seconds, then those unused for longest until `max_bytes` are kept."""
        removed = 0
        with self._lock:
            if unused_s is not None:
                until = time.monotonic() - unused_s
                old = [key for key, entry in self._entries.items() if entry.used <= until]
                removed += sum(self._drop(key) for key in old)
            if max_bytes is not None:
                removed += self._drop_oldest(max_bytes)
        return removed

    def clear(self) -> int:
        """Forget everything; the number of entries that were there."""
        return self.prune(max_bytes=0)

    def state(self) -> TierState:
        """What is there now."""
        now = time.monotonic()
        with self._lock:
            entries = self._entries.values()
            return TierState(
                entries=len(entries),
                bytes=self._bytes,
                max_bytes=self.max_bytes,
                evictions=self._evictions,
                oldest_s=now - min(entry.created for entry in entries) if entries else None,
                unused_s=now - next(iter(entries)).used if entries else None,
            )

    def close(self) -> None:
        """Nothing to close."""

    def before_fork(self) -> None:
        """Hold the lock, so that the child does not inherit it from another thread."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """Release the lock."""
        self._lock.release()

    def _drop(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        self._bytes -= entry.size if entry else 0
        return entry is not None

    def _drop_oldest(self, max_bytes: int) -> int:
        dropped = 0
        while self._bytes > max_bytes:
            dropped += self._drop(next(iter(self._entries)))
        return dropped
