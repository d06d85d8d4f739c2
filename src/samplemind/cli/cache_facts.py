"""What ``samplemind cache info`` tells, in three forms."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from samplemind.cli.report import UNKNOWN, percent, size
from samplemind.cli.terminal import printable
from samplemind.cli.units import span

if TYPE_CHECKING:
    from samplemind.cache import CacheStats, TierStats

_LABEL: Final = 16
_CELL: Final = 14


@dataclass(frozen=True)
class CacheFacts:
    """The user's cache: its places, and what all processes asked of it."""

    file: str
    redis: str | None
    """The URL, without the password."""
    stats: CacheStats

    @property
    def complete(self) -> bool:
        """Whether every place answered."""
        return all(tier.state is not None for tier in self.stats.tiers if tier.name != "memory")

    def json(self) -> str:
        """For programs."""
        return json.dumps({"file": self.file, "redis": self.redis, **self.stats.to_dict()}, indent=2)

    def prometheus(self) -> str:
        """For Prometheus, in its text format."""
        from samplemind.metrics import exposition

        return exposition(self.stats)

    def text(self) -> str:
        """For people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        stats = self.stats
        yield f"{'file':{_LABEL}}{printable(self.file)}"
        if self.redis is not None:
            yield f"{'redis':{_LABEL}}{printable(self.redis)}"
        yield ""
        columns = [_column(tier) for tier in stats.tiers]
        yield _row("", [tier.name for tier in stats.tiers])
        for label in columns[0]:
            yield _row(label, [column[label] for column in columns])
        yield ""
        yield f"{'computed':{_LABEL}}{stats.computed:,} {'sound' if stats.computed == 1 else 'sounds'}" + (
            f" in {span(stats.computed_s)}" if stats.computed else ""
        )
        yield f"{'time saved':{_LABEL}}{span(stats.saved_s)}"
        yield f"{'waited':{_LABEL}}{_times(stats.waited)}, for another one who computed the same"
        yield f"{'damaged':{_LABEL}}{stats.damaged:,} {'entry' if stats.damaged == 1 else 'entries'}, removed"


def cache_facts() -> CacheFacts:
    """Ask the user's cache, which need not be there yet: asking makes nothing.

    A place that can't be used gives a `CacheWarning`.
    """
    from samplemind.cache import FILE_NAME, FeatureCache
    from samplemind.settings import load_settings

    settings = load_settings()
    folder, url = settings.cache_folder, settings.redis_url
    shown_url = None
    if url is not None:
        from samplemind.cache.redis import shown

        shown_url = shown(url)
    cache = FeatureCache.at(folder, max_bytes=settings.cache_max_bytes, redis_url=url)
    try:
        stats = cache.stats_of_all()
    finally:
        cache.close()
    # What is in this process's memory tells nothing about that of others.
    tiers = (dataclasses.replace(tier, state=None) if tier.name == "memory" else tier for tier in stats.tiers)
    return CacheFacts(str(folder / FILE_NAME), shown_url, dataclasses.replace(stats, tiers=tuple(tiers)))


def _column(tier: TierStats) -> dict[str, str]:
    """What is told of a tier, by label."""
    rate, state = tier.hit_rate, tier.state
    column = {
        "hit rate": UNKNOWN if rate is None else percent(rate),
        "hits": f"{tier.hits:,}",
        "misses": f"{tier.misses:,}",
        "failures": f"{tier.errors:,}",
    }
    labels = ("entries", "size", "at most", "evicted", "oldest", "longest unused")
    if state is None:
        return column | dict.fromkeys(labels, UNKNOWN)
    values = (
        f"{state.entries:,}",
        size(state.bytes),
        UNKNOWN if state.max_bytes is None else size(state.max_bytes),
        f"{state.evictions:,}",
        UNKNOWN if state.oldest_s is None else span(state.oldest_s),
        UNKNOWN if state.unused_s is None else span(state.unused_s),
    )
    return column | dict(zip(labels, values, strict=True))


def _row(label: str, cells: list[str]) -> str:
    return f"{label:{_LABEL}}{''.join(f'{cell:>{_CELL}}' for cell in cells)}".rstrip()


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
