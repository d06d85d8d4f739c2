"""What the cache was asked and what it could answer: of this process, and of all that used the same file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from samplemind.cache.tier import TierState


@dataclass(frozen=True)
class TierStats:
    """One tier: what it was asked, and what is in it.

    `hits` of `hits + misses` questions it could answer; a tier is asked only what the faster ones don't have.
    `errors` counts the times that it failed and was left out.
    """

    name: str
    hits: int
    misses: int
    errors: int
    state: TierState | None

    @property
    def hit_rate(self) -> float | None:
        """Share of questions that it could answer; None if it was asked none."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


@dataclass(frozen=True)
class CacheStats:
    """The cache as a whole.

    `computed` sounds took `computed_s` seconds of computing; `saved_s` is what the answers that came from the cache
    took when they were computed. `waited` counts the times that somebody waited for another one to compute the same.
    `damaged` counts entries that were no answers any more, and were removed.
    """

    tiers: tuple[TierStats, ...]
    computed: int
    computed_s: float
    saved_s: float
    waited: int
    damaged: int

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: the tiers by name."""
        plain = dataclasses.asdict(self)
        plain["tiers"] = {
            tier.name: {
                "hits": tier.hits,
                "misses": tier.misses,
                "hit_rate": tier.hit_rate,
                "errors": tier.errors,
                **(dataclasses.asdict(tier.state) if tier.state else {}),
            }
            for tier in self.tiers
        }
        return plain
