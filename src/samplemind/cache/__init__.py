"""What was found out once is not computed again: memory over one SQLite file.

    stat/<path, size, mtime, ctime, inode>  ─▶ file digest       trusted if the file had settled when it was hashed
    file/<file digest>/<decoder>            ─▶ facts of the file, among them its audio digest
    like/<frames>/<rate>/<channels>         ─▶ (empty)           some sound of this shape is known
    audio/<audio digest>/<bundle>           ─▶ values of nodes, each with its fingerprint

`samplemind.pipeline` makes the keys; here they are opaque. `docs/caching.md` tells users what they mean.
"""

from __future__ import annotations

import sqlite3
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from samplemind.cache.bundle import Stored, decode, encode
from samplemind.cache.disk import DiskTier
from samplemind.cache.memory import MemoryTier

__all__ = ["CacheWarning", "DiskTier", "FeatureCache", "MemoryTier", "Tier"]

P = ParamSpec("P")
T = TypeVar("T")


class CacheWarning(UserWarning):
    """A tier of the cache can't be used; analysis goes on without it."""


class Tier(Protocol):
    """One place that keeps bytes by key."""

    name: str

    def get(self, key: str) -> bytes | None:
        """The entry, or None."""

    def put(self, key: str, value: bytes) -> None:
        """Keep an entry."""

    def clear(self) -> int:
        """Remove everything; the number of entries that were there."""

    def size(self) -> tuple[int, int]:
        """Entries, and their bytes."""

    def close(self) -> None:
        """Let go of files and connections."""


class FeatureCache:
    """Tiers, fastest first: reads fall through and fill what lies above, writes go to all.

    A tier that fails is left out from then on, with one `CacheWarning`; it never makes an analysis fail.
    """

    def __init__(self, tiers: Sequence[Tier]) -> None:
        self._tiers = list(tiers)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @classmethod
    def at(cls, folder: Path, *, max_bytes: int | None = None) -> FeatureCache:
        """Memory over the file ``cache.sqlite`` in `folder`."""
        disk = DiskTier(folder / "cache.sqlite") if max_bytes is None else DiskTier(folder / "cache.sqlite", max_bytes)
        return cls([MemoryTier(), disk])

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that are in use."""
        return tuple(self._tiers)

    def get(self, key: str) -> bytes | None:
        """The entry from the fastest tier that has it, or None."""
        missed: list[Tier] = []
        for tier in self.tiers:
            value = self._attempt(tier, tier.get, key)
            if value is not None:
                self._count(f"{tier.name} hits")
                for faster in missed:
                    self._attempt(faster, faster.put, key, value)
                return value
            missed.append(tier)
        self._count("misses")
        return None

    def put(self, key: str, value: bytes) -> None:
        """Keep an entry in every tier."""
        for tier in self.tiers:
            self._attempt(tier, tier.put, key, value)

    def get_values(self, key: str) -> Mapping[str, Stored]:
        """The values kept under a key, by node; empty if there is nothing that can be read."""
        data = self.get(key)
        return (decode(data) if data is not None else None) or {}

    def put_values(self, key: str, values: Mapping[str, tuple[str, Any]]) -> None:
        """Keep values by node, each with its fingerprint."""
        self.put(key, encode(values))

    def clear(self) -> int:
        """Remove everything from all tiers; the number of entries of the fullest."""
        return max((self._attempt(tier, tier.clear) or 0 for tier in self.tiers), default=0)

    def stats(self) -> dict[str, Any]:
        """Hits per tier and misses of this process, and the entries and bytes of each tier."""
        sizes = {tier.name: self._attempt(tier, tier.size) or (0, 0) for tier in self.tiers}
        return {
            **{f"{tier.name}_hits": self._counts[f"{tier.name} hits"] for tier in self.tiers},
            "misses": self._counts["misses"],
            **{f"{name}_entries": entries for name, (entries, _) in sizes.items()},
            **{f"{name}_bytes": size for name, (_, size) in sizes.items()},
        }

    def close(self) -> None:
        """Let go of files and connections."""
        for tier in self.tiers:
            self._attempt(tier, tier.close)

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def _attempt(self, tier: Tier, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return action(*args, **kwargs)
        except (OSError, sqlite3.Error) as error:
            with self._lock:
                if tier in self._tiers:
                    self._tiers.remove(tier)
                    warnings.warn(f"the {tier.name} cache is left out: {error}", CacheWarning, stacklevel=2)
            return None
