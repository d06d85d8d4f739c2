"""What was found out once is not computed again: memory over one SQLite file.

    stat/<path, size, mtime, ctime, inode>  ─▶ file digest       trusted if the file had settled when it was hashed
    file/<file digest>                      ─▶ facts of the file, among them its audio digest and decoder
    like/<frames>/<rate>/<channels>         ─▶ (empty)           a sound of this shape is known
    audio/<audio digest>/<level>            ─▶ values of nodes, each with its fingerprint
    array/<array digest>/<node>             ─▶ the node's value, with its fingerprint

`samplemind.pipeline` makes the keys; here they are opaque. `docs/caching.md` tells users what they mean.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, ParamSpec, Protocol, TypeVar

from samplemind.cache import disk
from samplemind.cache.bundle import Stored, decode
from samplemind.cache.disk import DiskTier
from samplemind.cache.forking import rests_at_fork
from samplemind.cache.memory import MemoryTier

__all__ = ["CacheWarning", "DiskTier", "FeatureCache", "MemoryTier", "Tier"]

P = ParamSpec("P")
T = TypeVar("T")

_LEFT_OUT_S: Final = 60.0
"""Seconds for which a tier that failed is not asked."""


class CacheWarning(UserWarning):
    """A tier of the cache can't be used; analysis goes on without it."""


class Tier(Protocol):
    """One place that keeps bytes by key."""

    name: str

    def get(self, key: str) -> bytes | None:
        """The entry, or None."""

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Keep entries, all or none of them."""

    def clear(self) -> int:
        """Remove everything; the number of entries that were there."""

    def size(self) -> tuple[int, int]:
        """Entries, and their bytes."""

    def close(self) -> None:
        """Let go of files and connections."""


class FeatureCache:
    """Tiers, fastest first: reads fall through and fill what lies above, writes go to all.

    A tier that fails is left out for a minute, with one `CacheWarning` the first time; it never makes an analysis
    fail.
    """

    def __init__(self, tiers: Sequence[Tier]) -> None:
        self.tiers = tuple(tiers)
        self._out_until: dict[str, float] = {}
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        rests_at_fork(self)

    @classmethod
    def at(cls, folder: str | os.PathLike[str], *, max_bytes: int = disk.DEFAULT_MAX_BYTES) -> FeatureCache:
        """Memory over the file ``cache.sqlite`` in `folder`."""
        return cls([MemoryTier(), DiskTier(Path(folder) / "cache.sqlite", max_bytes)])

    def get(self, key: str) -> bytes | None:
        """The entry from the fastest tier that has it, or None."""
        missed: list[Tier] = []
        for tier in self.tiers:
            value = self._attempt(tier, tier.get, key)
            if value is not None:
                self._count(f"{tier.name}_hits")
                for faster in missed:
                    self._attempt(faster, faster.put, {key: value})
                return value
            missed.append(tier)
        self._count("misses")
        return None

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Keep entries in every tier."""
        for tier in self.tiers:
            self._attempt(tier, tier.put, entries)

    def get_values(self, key: str) -> Mapping[str, Stored]:
        """The values kept under a key, by node; empty if there is nothing that can be read."""
        data = self.get(key)
        return (decode(data) if data is not None else None) or {}

    def clear(self) -> int:
        """Remove everything from all tiers; the number of entries of the fullest."""
        return max((self._attempt(tier, tier.clear) or 0 for tier in self.tiers), default=0)

    def stats(self) -> dict[str, int]:
        """Hits per tier and misses of this process, and the entries and bytes of each tier."""
        sizes = {tier.name: self._attempt(tier, tier.size) or (0, 0) for tier in self.tiers}
        return {
            **{f"{name}_hits": self._counts[f"{name}_hits"] for name in sizes},
            "misses": self._counts["misses"],
            **{f"{name}_entries": entries for name, (entries, _) in sizes.items()},
            **{f"{name}_bytes": size for name, (_, size) in sizes.items()},
        }

    def close(self) -> None:
        """Let go of files and connections."""
        for tier in self.tiers:
            self._attempt(tier, tier.close)

    def before_fork(self) -> None:
        """Hold the lock, so that a child does not inherit it from another thread."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """Release the lock."""
        self._lock.release()

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def _attempt(self, tier: Tier, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        if time.monotonic() < self._out_until.get(tier.name, 0.0):
            return None
        try:
            return action(*args, **kwargs)
        except (OSError, sqlite3.Error, NotImplementedError) as error:  # the last: a file system without locks
            with self._lock:
                first = tier.name not in self._out_until
                self._out_until[tier.name] = time.monotonic() + _LEFT_OUT_S
            if first:
                warnings.warn(f"the {tier.name} cache is left out: {error}", CacheWarning, stacklevel=3)
            return None
