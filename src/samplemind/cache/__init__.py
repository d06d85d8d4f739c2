"""What was found out once is not computed again: memory over one SQLite file, over Redis if there is one.

    stat/<path, size, mtime, ctime, inode>  ─▶ file digest       trusted if the file had settled when it was hashed
    file/<file digest>                      ─▶ facts of the file, among them its audio digest and decoder
    like/<frames>/<rate>/<channels>         ─▶ (empty)           a sound of this shape is known
    audio/<audio digest>/<level>            ─▶ values of nodes, each with its fingerprint
    array/<array digest>/<node>             ─▶ the node's value, with its fingerprint
    quarantine/stat/…                       ─▶ why a file crashed the processes that analysed it

`samplemind.pipeline` makes the keys; here they are opaque, but that what begins with `LOCAL` is true of this
machine's files alone. `docs/caching.md` tells users what they mean.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from samplemind.cache import disk
from samplemind.cache.alone import alone_at
from samplemind.cache.bundle import Bundle, decode
from samplemind.cache.counts import CacheStats, TierStats
from samplemind.cache.disk import DiskTier
from samplemind.cache.memory import MemoryTier
from samplemind.cache.seal import sealed, unsealed
from samplemind.cache.tier import Tier, TierState
from samplemind.storage.forking import rests_at_fork

__all__ = [
    "CacheStats",
    "CacheWarning",
    "DiskTier",
    "FeatureCache",
    "MemoryTier",
    "Tier",
    "TierState",
    "TierStats",
]

P = ParamSpec("P")
T = TypeVar("T")

LOCAL: Final = ("stat/", "quarantine/")
"""What keys begin with that mean nothing to other machines."""
FILE_NAME: Final = "cache.sqlite"
"""The disk tier's file in the cache's folder."""

_LEFT_OUT_S: Final = 60.0
"""Seconds for which a tier that failed is not asked."""
_NOTED_EVERY_S: Final = 1.0
"""How often counts are written into the file, beside what is written anyway at the end."""


class CacheWarning(UserWarning):
    """A tier of the cache can't be used; analysis goes on without it."""


class FeatureCache:
    """Tiers, fastest first: reads fall through and fill what lies above, writes go to all.

    A tier that fails is left out for a minute, with one `CacheWarning` the first time; it never makes an analysis
    fail. Entries are sealed: one that was damaged is a miss, and is removed.

    Args:
        tiers: fastest first.
        folder: where processes of this machine agree who computes what; None for threads of this process only.
    """

    def __init__(self, tiers: Sequence[Tier], *, folder: str | os.PathLike[str] | None = None) -> None:
        self.tiers = tuple(tiers)
        self._alone = alone_at(Path(folder).absolute() / f"{FILE_NAME}.computing" if folder is not None else None)
        self._out_until: dict[str, float] = {}
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._noted: Counter[str] = Counter()
        self._noted_at = time.monotonic()
        self._process = os.getpid()
        rests_at_fork(self)

    @classmethod
    def at(
        cls, folder: str | os.PathLike[str], *, max_bytes: int = disk.DEFAULT_MAX_BYTES, redis_url: str | None = None
    ) -> FeatureCache:
        """Memory over the file ``cache.sqlite`` in `folder`, over Redis at a URL if there is one."""
        tiers: list[Tier] = [MemoryTier(), DiskTier(Path(folder) / FILE_NAME, max_bytes)]
        if redis_url is not None:
            from samplemind.cache.redis import RedisTier

            tiers.append(RedisTier(redis_url))
        return cls(tiers, folder=folder)

    def get(self, key: str) -> bytes | None:
        """The entry from the fastest tier that has it, or None."""
        missed: list[Tier] = []
        for tier in self.tiers:
            if tier.shared and key.startswith(LOCAL):
                continue
            data = self._attempt(tier, tier.get, key)
            value = unsealed(key, data) if data is not None else None
            if data is not None and value is not None:
                self._count(f"{tier.name}_hits")
                self._fill(missed, key, data, value)
                return value
            if data is not None:
                self._count("damaged")
                self._attempt(tier, tier.remove, [key])
            self._count(f"{tier.name}_misses")
            missed.append(tier)
        return None

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The entries that this machine has, by key. Nothing is counted, and no tier is filled."""
        found: dict[str, bytes] = {}
        for tier in self.tiers:
            missing = [key for key in keys if key not in found] if not tier.shared else []
            for key, data in (self._attempt(tier, tier.get_many, missing) or {}).items() if missing else ():
                value = unsealed(key, data)
                if value is not None:
                    found[key] = value
        return found

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Keep entries in every tier, and in shared ones only what means something to other machines."""
        data = {key: sealed(key, value) for key, value in entries.items()}
        public = {key: value for key, value in data.items() if not key.startswith(LOCAL)}
        for tier in self.tiers:
            wanted = public if tier.shared else data
            if wanted:
                self._attempt(tier, tier.put, wanted)
        if time.monotonic() - self._noted_at > _NOTED_EVERY_S:
            self._note_counts()

    def _fill(self, tiers: Sequence[Tier], key: str, data: bytes, value: bytes) -> None:
        """Keep an entry, as it is sealed, that only a slower tier had."""
        for tier in tiers:
            self._attempt(tier, tier.put, {key: data})

    def get_bundle(self, key: str) -> Bundle | None:
        """The values kept under a key, or None if there are none that can be read."""
        data = self.get(key)
        return decode(data) if data is not None else None

    def computing(self, key: str) -> AbstractContextManager[bool]:
        """Compute alone what is missing under a key, among this process's threads and this machine's processes.

        The context's value says whether somebody else was computing it: then it may be there now.
        """
        return self._alone.holding(key)

    def count(self, *, computed_s: float, saved_s: float) -> None:
        """Note how long a sound was computed, if it was, and how long it took once to compute what was known of it."""
        with self._lock:
            self._counts["computed"] += computed_s > 0
            self._counts["computed_us"] += round(computed_s * 1e6)
            self._counts["saved_us"] += round(saved_s * 1e6)

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add what a worker counted (`CollectingCache.counted`)."""
        with self._lock:
            self._counts.update(counts)

    def count_waited(self) -> None:
        """Note that somebody waited for another one who computed the same."""
        self._count("waited")

    def clear(self) -> int:
        """Remove everything from all tiers; the number of entries of the fullest."""
        return max((self._attempt(tier, tier.clear) or 0 for tier in self.tiers), default=0)

    def stats(self) -> CacheStats:
        """What this process asked, and what the tiers hold."""
        with self._lock:
            counts = Counter(self._counts)
        return self._stats(counts)

    def stats_of_all(self) -> CacheStats:
        """Like `stats`, with what all processes asked that used the same file."""
        self._note_counts()
        total: Counter[str] = Counter()
        for tier in self.tiers:
            if isinstance(tier, DiskTier):
                total.update(self._attempt(tier, tier.counts) or {})
        return self._stats(total)

    def close(self) -> None:
        """Let go of files and connections."""
        self._note_counts()
        for tier in self.tiers:
            self._attempt(tier, tier.close)

    def before_fork(self) -> None:
        """Hold the lock, so that a child does not inherit it from another thread."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """Release the lock. What a parent counted is the parent's to note."""
        if os.getpid() != self._process:
            self._process = os.getpid()
            self._noted = Counter(self._counts)
        self._lock.release()

    def _stats(self, counts: Counter[str]) -> CacheStats:
        return CacheStats(
            tiers=tuple(
                TierStats(
                    name=tier.name,
                    hits=counts[f"{tier.name}_hits"],
                    misses=counts[f"{tier.name}_misses"],
                    errors=counts[f"{tier.name}_errors"],
                    state=self._attempt(tier, tier.state),
                )
                for tier in self.tiers
            ),
            computed=counts["computed"],
            computed_s=counts["computed_us"] / 1e6,
            saved_s=counts["saved_us"] / 1e6,
            waited=counts["waited"],
            damaged=counts["damaged"],
        )

    def _note_counts(self) -> None:
        """Add what this process counted since the last time to the file's counts."""
        new = self._uncounted()
        for tier in self.tiers:
            if new and isinstance(tier, DiskTier):
                self._attempt(tier, tier.add_counts, new)

    def _uncounted(self) -> Counter[str]:
        """What was counted since the last time that this was asked."""
        with self._lock:
            new = self._counts - self._noted
            self._noted = Counter(self._counts)
            self._noted_at = time.monotonic()
        return new

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
                self._counts[f"{tier.name}_errors"] += 1
            if first:
                warnings.warn(f"the {tier.name} cache is left out: {error}", CacheWarning, stacklevel=3)
            return None
