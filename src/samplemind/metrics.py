"""The cache's counts for Prometheus (https://prometheus.io): one collector, for the command and for servers.

Needs the package ``prometheus_client``, which the extra ``metrics`` brings.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from samplemind.cache import CacheStats, TierState, TierStats
from samplemind.errors import SampleMindError

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

_OF_EACH_TIER: Final[tuple[tuple[str, str, Callable[[TierStats], float]], ...]] = (
    ("samplemind_cache_hits_total", "Questions that the tier could answer.", lambda tier: tier.hits),
    ("samplemind_cache_misses_total", "Questions that the tier could not answer.", lambda tier: tier.misses),
    ("samplemind_cache_errors_total", "Times that the tier failed and was left out.", lambda tier: tier.errors),
)
_OF_EACH_STATE: Final[tuple[tuple[str, str, Callable[[TierState], float | None]], ...]] = (
    ("samplemind_cache_evictions_total", "Entries dropped to stay within the limit.", lambda state: state.evictions),
    ("samplemind_cache_entries", "Entries in the tier.", lambda state: state.entries),
    ("samplemind_cache_bytes", "Bytes that the tier counts towards its limit.", lambda state: state.bytes),
    ("samplemind_cache_max_bytes", "The tier's limit.", lambda state: state.max_bytes),
    ("samplemind_cache_oldest_entry_age_seconds", "Age of the tier's oldest entry.", lambda state: state.oldest_s),
    (
        "samplemind_cache_longest_unused_seconds",
        "Time since the entry unused for longest was used.",
        lambda state: state.unused_s,
    ),
)
_OF_ALL: Final[tuple[tuple[str, str, Callable[[CacheStats], float]], ...]] = (
    ("samplemind_sounds_computed_total", "Sounds of which something was computed.", lambda stats: stats.computed),
    ("samplemind_cache_computed_seconds_total", "Time spent computing.", lambda stats: stats.computed_s),
    (
        "samplemind_cache_saved_seconds_total",
        "Time that what came from the cache took when it was computed.",
        lambda stats: stats.saved_s,
    ),
    ("samplemind_cache_waits_total", "Waits for another one who computed the same.", lambda stats: stats.waited),
    ("samplemind_cache_damaged_entries_total", "Damaged entries found, and removed.", lambda stats: stats.damaged),
)
"""Name, help text and value. What ends in ``_total`` is a counter, all else a gauge."""


class CacheCollector:
    """What a cache was asked and holds, asked anew whenever it is collected.

    Register it with ``prometheus_client.REGISTRY.register(CacheCollector(cache.stats))``.

    Args:
        stats: gives the counts, as `FeatureCache.stats` does; called in the thread that collects.

    Raises:
        SampleMindError: the package ``prometheus_client`` is not installed.
    """

    def __init__(self, stats: Callable[[], CacheStats]) -> None:
        if importlib.util.find_spec("prometheus_client") is None:
            raise SampleMindError("metrics need prometheus_client: pip install 'samplemind[metrics]'")
        self._stats = stats

    def describe(self) -> Iterator[Metric]:
        """The metrics without values: registering asks the cache nothing."""
        return _metrics(None)

    def collect(self) -> Iterator[Metric]:
        """The metrics with their values of now. What a tier does not know is not among them."""
        return _metrics(self._stats())


def exposition(stats: CacheStats) -> str:
    """The counts in Prometheus's text format.

    Raises:
        SampleMindError: the package ``prometheus_client`` is not installed.
    """
    collector = CacheCollector(lambda: stats)
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


def _metrics(stats: CacheStats | None) -> Iterator[Metric]:
    tiers = stats.tiers if stats else ()
    for name, text, of_tier in _OF_EACH_TIER:
        family = _family(name, text, labels=["tier"])
        for tier in tiers:
            family.add_metric([tier.name], of_tier(tier))
        yield family
    for name, text, of_state in _OF_EACH_STATE:
        family = _family(name, text, labels=["tier"])
        for tier in tiers:
            value = of_state(tier.state) if tier.state else None
            if value is not None:
                family.add_metric([tier.name], value)
        yield family
    for name, text, of_all in _OF_ALL:
        family = _family(name, text, labels=[])
        if stats:
            family.add_metric([], of_all(stats))
        yield family


def _family(name: str, text: str, labels: list[str]) -> CounterMetricFamily | GaugeMetricFamily:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    return (CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily)(name, text, labels=labels)
