"""One contract for every tier, and the cache over them."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from samplemind.cache import CacheWarning, DiskTier, FeatureCache, MemoryTier, Tier
from samplemind.cache.bundle import FORMAT, decode, encode
from samplemind.graph import Unknown

MakeTier = Callable[[int], Tier]


@pytest.fixture(params=["memory", "disk"])
def make_tier(request: pytest.FixtureRequest, tmp_path: Path) -> MakeTier:
    if request.param == "memory":
        return MemoryTier
    return lambda max_bytes: DiskTier(tmp_path / "cache.sqlite", max_bytes)


class TestEveryTier:
    """What all tiers promise."""

    def test_gives_back_what_was_put(self, make_tier: MakeTier) -> None:
        tier = make_tier(1000)
        assert tier.get("a") is None
        tier.put("a", b"\0one")
        tier.put("b", b"")
        assert tier.get("a") == b"\0one"
        assert tier.get("b") == b""
        assert tier.size() == (2, 4)

    def test_the_last_value_counts(self, make_tier: MakeTier) -> None:
        tier = make_tier(1000)
        tier.put("a", b"one")
        tier.put("a", b"two!")
        assert tier.get("a") == b"two!"
        assert tier.size() == (1, 4)

    def test_clear_forgets_everything_and_counts_it(self, make_tier: MakeTier) -> None:
        tier = make_tier(1000)
        assert tier.clear() == 0
        tier.put("a", b"one")
        tier.put("b", b"two")
        assert tier.clear() == 2
        assert tier.get("a") is None
        assert tier.size() == (0, 0)

    def test_stays_within_its_bytes_by_dropping_what_was_unused_longest(self, make_tier: MakeTier) -> None:
        tier = make_tier(1000)
        for number in range(50):
            tier.put(str(number), bytes(100))
        assert tier.size()[1] <= 1000
        assert tier.get("49") is not None
        assert tier.get("0") is None

    def test_can_be_closed_and_used_again(self, make_tier: MakeTier) -> None:
        tier = make_tier(1000)
        tier.put("a", b"one")
        tier.close()
        assert tier.get("a") in (b"one", None)


class TestDisk:
    """What only the file can do, and what can happen to it."""

    def test_another_process_reads_what_this_one_wrote(self, tmp_path: Path) -> None:
        DiskTier(tmp_path / "cache.sqlite").put("a", b"one")
        code = (
            "import pathlib, sys; from samplemind.cache import DiskTier;"
            "print(DiskTier(pathlib.Path(sys.argv[1])).get('a'))"
        )
        found = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "cache.sqlite")], capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == "b'one'"

    def test_reading_makes_no_file(self, tmp_path: Path) -> None:
        tier = DiskTier(tmp_path / "none" / "cache.sqlite")
        assert tier.get("a") is None
        assert tier.size() == (0, 0)
        assert not (tmp_path / "none").exists()

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
    def test_file_and_folder_are_private(self, tmp_path: Path) -> None:
        DiskTier(tmp_path / "own" / "cache.sqlite").put("a", b"one")
        assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700
        for file in (tmp_path / "own").iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file

    def test_a_file_of_another_format_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        before = path.read_bytes()
        cache = FeatureCache([MemoryTier(), DiskTier(path)])
        with pytest.warns(CacheWarning, match="another version"):
            cache.put("a", b"one")
        assert cache.get("a") == b"one"
        assert path.read_bytes() == before

    def test_a_file_that_is_no_database_is_left_out_with_one_warning(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        path.write_bytes(b"this is not a database" * 100)
        cache = FeatureCache([MemoryTier(), DiskTier(path)])
        with pytest.warns(CacheWarning, match="disk"):
            assert cache.get("a") is None
        cache.put("a", b"one")
        assert cache.get("a") == b"one"


class TestFeatureCache:
    """Reads fall through, writes go everywhere."""

    def test_a_hit_below_fills_the_tier_above(self, tmp_path: Path) -> None:
        FeatureCache.at(tmp_path).put("a", b"one")
        cache = FeatureCache.at(tmp_path)
        assert cache.get("a") == b"one"
        assert cache.get("a") == b"one"
        stats = cache.stats()
        assert (stats["disk_hits"], stats["memory_hits"], stats["misses"]) == (1, 1, 0)

    def test_a_miss_is_counted_once(self, tmp_path: Path) -> None:
        cache = FeatureCache.at(tmp_path)
        assert cache.get("a") is None
        assert cache.stats()["misses"] == 1


class TestBundle:
    """Values as bytes."""

    VALUES: ClassVar = {
        "mean": ("f1", np.arange(6, dtype=np.float32).reshape(2, 3)),
        "tempo": ("f2", 120.5),
        "key": ("f3", Unknown("silence")),
    }

    def test_values_survive(self) -> None:
        stored = decode(encode(self.VALUES))
        assert stored is not None
        assert {name: entry.fingerprint for name, entry in stored.items()} == {"mean": "f1", "tempo": "f2", "key": "f3"}
        assert stored["tempo"].value(float | Unknown) == 120.5
        assert stored["key"].value(float | Unknown) == Unknown("silence")
        mean = stored["mean"].value(np.typing.NDArray[np.float32])
        assert mean.dtype == np.float32
        assert np.array_equal(mean, self.VALUES["mean"][1])

    def test_damage_anywhere_is_a_miss(self) -> None:
        data = encode(self.VALUES)
        for end in range(0, len(data), 7):
            assert decode(data[:end]) is None
        for place in range(0, len(data), 5):
            broken = bytearray(data)
            broken[place] ^= 0x10
            assert decode(bytes(broken)) is None

    def test_another_format_is_a_miss(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = encode(self.VALUES)
        monkeypatch.setattr("samplemind.cache.bundle.FORMAT", FORMAT + 1)
        assert decode(data) is None
