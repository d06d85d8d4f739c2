"""A cache for who may look answers up, but leaves writing to somebody else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from samplemind.cache import FeatureCache
from samplemind.cache.tier import Tier

_PATIENCE_S: Final = 60.0
"""Who has waited for so long computes it as well: a worker is not to be ended for waiting."""


class BusyError(Exception):
    """Somebody else computes what is wanted, and waiting for it could be for ever."""


class CollectingCache(FeatureCache):
    """Reads its tiers, and collects what should be written to them.

    What it computes alone it goes on holding until it is told by `stored` that the answer is where others find it.
    Meanwhile it waits for nobody, because those could be waiting for it: then there is a `BusyError`.
    """

    def __init__(self, tiers: Sequence[Tier], *, folder: str | os.PathLike[str] | None = None) -> None:
        super().__init__(tiers, folder=folder)
        self._collected: dict[str, bytes] = {}
        self._held: list[str] = []

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Collect entries."""
        self._collected.update(entries)

    def collected(self) -> dict[str, bytes]:
        """What was put since the last time."""
        entries, self._collected = self._collected, {}
        return entries

    def counted(self) -> dict[str, int]:
        """What was counted since the last time."""
        return dict(self._uncounted())

    @contextlib.contextmanager
    def computing(self, key: str) -> Iterator[bool]:
        """Compute alone what is missing under a key, and hold it beyond the context.

        Raises:
            BusyError: somebody else computes it, and something is held.
        """
        taken, waited = self._alone.take(key, patience_s=0.0 if self._held else _PATIENCE_S)
        if taken:
            self._held.append(key)
        elif self._held:
            raise BusyError(key)
        yield waited

    def stored(self) -> None:
        """What was collected is where others find it: hold nothing any more."""
        while self._held:
            self._alone.give(self._held.pop())

    def close(self) -> None:
        """Let go of files and connections; nothing is noted."""
        self.stored()
        for tier in self.tiers:
            self._attempt(tier, tier.close)

    def _fill(self, tiers: Sequence[Tier], key: str, data: bytes, value: bytes) -> None:
        """Collect what only a slower tier had."""
        if tiers:
            self._collected[key] = value
