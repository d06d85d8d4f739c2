"""The cache's counts, as Prometheus reads them."""

from __future__ import annotations

import sys

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from samplemind.cache import CacheStats, FeatureCache, MemoryTier, TierState, TierStats
from samplemind.errors import SampleMindError
from samplemind.metrics import CacheCollector, exposition

STATS = CacheStats(
    tiers=(
        TierStats("memory", hits=10, misses=5, errors=0, state=None),
        TierStats("disk", 3, 2, 1, TierState(7, 2048, 4096, evictions=6, oldest_s=86_400.0, unused_s=0.5)),
        TierStats("redis", 1, 1, 0, TierState(9, 100, max_bytes=None, evictions=0, oldest_s=None, unused_s=None)),
    ),
    computed=4,
    computed_s=1.25,
    saved_s=60.5,
    waited=8,
    damaged=2,
)


def samples(text: str) -> dict[tuple[str, str | None], float]:
    """Value by name and tier, as Prometheus's own parser reads them."""
    return {
        (sample.name, sample.labels.get("tier")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_number_is_there_once_and_what_is_not_known_is_left_out() -> None:
    assert samples(exposition(STATS)) == {
        ("samplemind_cache_hits_total", "memory"): 10,
        ("samplemind_cache_hits_total", "disk"): 3,
        ("samplemind_cache_hits_total", "redis"): 1,
        ("samplemind_cache_misses_total", "memory"): 5,
        ("samplemind_cache_misses_total", "disk"): 2,
        ("samplemind_cache_misses_total", "redis"): 1,
        ("samplemind_cache_errors_total", "memory"): 0,
        ("samplemind_cache_errors_total", "disk"): 1,
        ("samplemind_cache_errors_total", "redis"): 0,
        ("samplemind_cache_evictions_total", "disk"): 6,
        ("samplemind_cache_evictions_total", "redis"): 0,
        ("samplemind_cache_entries", "disk"): 7,
        ("samplemind_cache_entries", "redis"): 9,
        ("samplemind_cache_bytes", "disk"): 2048,
        ("samplemind_cache_bytes", "redis"): 100,
        ("samplemind_cache_max_bytes", "disk"): 4096,
        ("samplemind_cache_oldest_entry_age_seconds", "disk"): 86_400,
        ("samplemind_cache_longest_unused_seconds", "disk"): 0.5,
        ("samplemind_sounds_computed_total", None): 4,
        ("samplemind_cache_computed_seconds_total", None): 1.25,
        ("samplemind_cache_saved_seconds_total", None): 60.5,
        ("samplemind_cache_waits_total", None): 8,
        ("samplemind_cache_damaged_entries_total", None): 2,
    }


def test_counters_and_gauges_are_told_apart_and_explained() -> None:
    for family in text_string_to_metric_families(exposition(STATS)):
        assert family.documentation, family.name
        assert {sample.name.endswith("_total") for sample in family.samples} == {family.type == "counter"}, family.name


def test_a_registered_collector_asks_only_when_it_is_collected() -> None:
    cache = FeatureCache([MemoryTier()])
    asked = []

    def stats() -> CacheStats:
        asked.append(cache)
        return cache.stats()

    registry = CollectorRegistry()
    registry.register(CacheCollector(stats))
    assert not asked
    assert registry.get_sample_value("samplemind_cache_hits_total", {"tier": "memory"}) == 0
    cache.put({"key": b"value"})
    for _ in range(3):
        cache.get("key")
    cache.get("other")
    assert registry.get_sample_value("samplemind_cache_hits_total", {"tier": "memory"}) == 3
    assert registry.get_sample_value("samplemind_cache_misses_total", {"tier": "memory"}) == 1
    assert registry.get_sample_value("samplemind_cache_entries", {"tier": "memory"}) == 1


def test_two_caches_can_not_be_taken_for_one() -> None:
    registry = CollectorRegistry()
    registry.register(CacheCollector(lambda: STATS))
    with pytest.raises(ValueError, match="samplemind_cache_hits"):
        registry.register(CacheCollector(lambda: STATS))


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SampleMindError, match=r"pip install 'samplemind\[metrics\]'"):
        exposition(STATS)
