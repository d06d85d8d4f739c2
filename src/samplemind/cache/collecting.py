"""A cache for who may look answers up, but leaves writing to somebody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from samplemind.cache import FeatureCache
from samplemind.cache.tier import Tier


class CollectingCache(FeatureCache):
    """Reads its tiers, and collects what should be written to them."""

    def __init__(self, tiers: Sequence[Tier]) -> None:
        super().__init__(tiers)
        self._collected: dict[str, bytes] = {}

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

    def close(self) -> None:
        """Let go of files and connections; nothing is noted."""
        for tier in self.tiers:
            self._attempt(tier, tier.close)

    def _fill(self, tiers: Sequence[Tier], data: Mapping[str, bytes]) -> None:
        """Write nothing."""
