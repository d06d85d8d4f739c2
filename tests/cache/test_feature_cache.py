"""The cache over its tiers, and what entries are made of: seals and bundles."""

from __future__ import annotations

import dataclasses
import sqlite3
import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from samplemind.cache import CacheStats, CacheWarning, DiskTier, FeatureCache, MemoryTier, TierStats
from samplemind.cache.bundle import FORMAT, decode, encode
from samplemind.cache.seal import sealed, unsealed
from samplemind.graph import Unknown


def tier_of(stats: CacheStats, name: str) -> TierStats:
    return next(tier for tier in stats.tiers if tier.name == name)


class Shared(MemoryTier):
    """A tier that other machines would see."""

    name = "shared"
    shared = True


class TestFeatureCache:
    """Reads fall through, writes go everywhere."""

    def test_a_hit_below_fills_the_tier_above(self, tmp_path: Path) -> None:
        FeatureCache.at(tmp_path).put({"a": b"one"})
        cache = FeatureCache.at(tmp_path)
        assert cache.get("a") == b"one"
        assert cache.get("a") == b"one"
        stats = cache.stats()
        memory, disk = tier_of(stats, "memory"), tier_of(stats, "disk")
        assert (memory.hits, memory.misses, disk.hits, disk.misses) == (1, 1, 1, 0)
        assert (memory.hit_rate, disk.hit_rate) == (0.5, 1.0)

    def test_a_miss_is_one_of_every_tier(self, tmp_path: Path) -> None:
        cache = FeatureCache.at(tmp_path)
        assert cache.get("a") is None
        assert [(tier.hits, tier.misses) for tier in cache.stats().tiers] == [(0, 1), (0, 1)]
        assert tier_of(FeatureCache.at(tmp_path).stats(), "disk").hit_rate is None

    def test_what_is_true_of_this_machine_alone_is_not_shared(self) -> None:
        memory, shared = MemoryTier(), Shared()
        FeatureCache([memory, shared]).put({"stat/a": b"one", "audio/a": b"two"})
        assert {key for key, _ in memory.items()} == {"stat/a", "audio/a"}
        assert {key for key, _ in shared.items()} == {"audio/a"}
        fresh = FeatureCache([MemoryTier(), shared])
        assert (fresh.get("stat/a"), fresh.get("audio/a")) == (None, b"two")
        assert tier_of(fresh.stats(), "shared").misses == 0

    @pytest.mark.parametrize("damage", ["changed", "cut off", "empty", "under another key"])
    def test_a_damaged_entry_is_a_miss_and_is_removed(self, tmp_path: Path, damage: str) -> None:
        cache = FeatureCache.at(tmp_path)
        cache.put({"a": b"one and more", "b": b"two"})
        cache.close()
        disk = DiskTier(tmp_path / "cache.sqlite")
        data = disk.get("a")
        assert data is not None
        wrong = {"changed": data[:-1] + b"!", "cut off": data[:-3], "empty": b"", "under another key": disk.get("b")}
        disk.put({"a": wrong[damage] or b""})
        disk.close()
        cache = FeatureCache.at(tmp_path)
        assert cache.get("a") is None
        assert cache.get("b") == b"two"
        assert DiskTier(tmp_path / "cache.sqlite").get("a") is None
        assert cache.stats().damaged == 1
        cache.put({"a": b"again"})
        assert FeatureCache.at(tmp_path).get("a") == b"again"

    def test_counts_of_all_processes_outlive_them(self, tmp_path: Path) -> None:
        for number in range(3):
            cache = FeatureCache.at(tmp_path)
            cache.put({str(number): b"one"})
            assert cache.get("0") == b"one"
            cache.count(computed_s=1.5, saved_s=2.0)
            cache.count(computed_s=0.0, saved_s=0.5)
            cache.count_waited()
            cache.close()
        stats = FeatureCache.at(tmp_path).stats_of_all()
        assert (tier_of(stats, "memory").hits, tier_of(stats, "disk").hits) == (1, 2)
        assert (stats.computed, stats.computed_s, stats.saved_s, stats.waited) == (3, 4.5, 7.5, 3)
        assert FeatureCache.at(tmp_path).stats().computed == 0

    def test_stats_are_plain_data(self, tmp_path: Path) -> None:
        cache = FeatureCache.at(tmp_path)
        cache.put({"a": b"one"})
        plain = cache.stats().to_dict()
        assert list(plain["tiers"]) == ["memory", "disk"]
        assert plain["tiers"]["disk"]["entries"] == 1
        assert set(plain) == {field.name for field in dataclasses.fields(CacheStats)}

    def test_clear_counts_the_entries_of_the_fullest_tier(self, tmp_path: Path) -> None:
        FeatureCache.at(tmp_path).put({"a": b"one", "b": b"two"})
        cache = FeatureCache.at(tmp_path)
        cache.get("a")
        assert cache.clear() == 2
        assert cache.get("a") is None

    def test_a_tier_that_fails_is_left_out_with_one_warning(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_bytes(b"a file where the folder should be")
        cache = FeatureCache.at(tmp_path / "cache")
        with pytest.warns(CacheWarning, match="the disk cache is left out"):
            assert cache.get("a") is None
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cache.put({"a": b"one"})
            assert cache.get("a") == b"one"
            stats = cache.stats()
        assert tier_of(stats, "disk").state is None
        assert tier_of(stats, "disk").errors == 1
        cache.close()

    def test_a_damaged_file_costs_one_warning(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        path.write_bytes(b"this is not a database" * 100)
        cache = FeatureCache([MemoryTier(), DiskTier(path)])
        with pytest.warns(CacheWarning, match="is damaged"):
            assert cache.get("a") is None
        cache.put({"a": b"one"})
        assert cache.get("a") == b"one"

    def test_a_failure_of_sqlite_is_no_failure_of_the_cache(self, tmp_path: Path) -> None:
        FeatureCache.at(tmp_path).put({"a": b"one"})
        connection = sqlite3.connect(tmp_path / "cache.sqlite")
        connection.execute("DROP TABLE entries")
        connection.close()
        with pytest.warns(CacheWarning, match="no such table"):
            assert FeatureCache.at(tmp_path).get("a") is None


class TestSeal:
    """What was not sealed under a key is nothing."""

    def test_gives_back_what_was_sealed(self) -> None:
        for value in (b"", b"one", bytes(100_000)):
            assert unsealed("key", sealed("key", value)) == value

    def test_nothing_else(self) -> None:
        data = sealed("key", b"some value")
        assert unsealed("other", data) is None
        for place in range(len(data)):
            assert unsealed("key", data[:place]) is None
            assert unsealed("key", data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]) is None
        assert unsealed("key", data + b"\0") is None
        # Where the key ends and the value begins is sealed too.
        assert unsealed("keys", sealed("key", b"s value")[:16] + b" value") is None


class TestBundle:
    """Values as bytes."""

    VALUES: ClassVar = {
        "mean": ("f1", np.arange(6, dtype=np.float32).reshape(2, 3)),
        "tempo": ("f2", 120.5),
        "key": ("f3", Unknown("silence")),
    }

    def test_values_survive(self) -> None:
        bundle = decode(encode(self.VALUES, seconds=1.25))
        assert bundle is not None
        assert bundle.seconds == 1.25
        stored = bundle.values
        assert {name: entry.fingerprint for name, entry in stored.items()} == {"mean": "f1", "tempo": "f2", "key": "f3"}
        assert stored["tempo"].value(float) == 120.5
        assert stored["key"].value(float) == Unknown("silence")
        mean = stored["mean"].value(np.typing.NDArray[np.float32])
        assert mean.dtype == np.float32
        assert np.array_equal(mean, self.VALUES["mean"][1])

    def test_what_is_cut_off_is_a_miss(self) -> None:
        data = encode(self.VALUES)
        for end in range(0, len(data), 7):
            assert decode(data[:end]) is None

    def test_another_format_is_a_miss(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = encode(self.VALUES)
        monkeypatch.setattr("samplemind.cache.bundle.FORMAT", FORMAT + 1)
        assert decode(data) is None
