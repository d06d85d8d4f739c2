"""One contract for every tier, and the cache over them."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
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
        tier = make_tier(100_000)
        assert tier.get("a") is None
        tier.put({"a": b"\0one"})
        tier.put({"b": b""})
        assert tier.get("a") == b"\0one"
        assert tier.get("b") == b""
        assert tier.size() == (2, 4)

    def test_the_last_value_counts(self, make_tier: MakeTier) -> None:
        tier = make_tier(100_000)
        tier.put({"a": b"one"})
        tier.put({"a": b"two!"})
        assert tier.get("a") == b"two!"
        assert tier.size() == (1, 4)

    def test_clear_forgets_everything_and_counts_it(self, make_tier: MakeTier) -> None:
        tier = make_tier(100_000)
        assert tier.clear() == 0
        tier.put({"a": b"one"})
        tier.put({"b": b"two"})
        assert tier.clear() == 2
        assert tier.get("a") is None
        assert tier.size() == (0, 0)

    def test_stays_within_its_bytes_by_dropping_what_was_unused_longest(self, make_tier: MakeTier) -> None:
        tier = make_tier(400_000)
        for number in range(1000):
            tier.put({str(number): bytes(1000)})
        assert 150_000 < tier.size()[1] <= 400_000
        assert tier.get("999") is not None
        assert tier.get("0") is None

    def test_can_be_closed_and_used_again(self, make_tier: MakeTier) -> None:
        tier = make_tier(100_000)
        tier.put({"a": b"one"})
        tier.close()
        assert tier.get("a") in (b"one", None)


class TestDisk:
    """What only the file can do, and what can happen to it."""

    def test_another_process_reads_what_this_one_wrote(self, tmp_path: Path) -> None:
        DiskTier(tmp_path / "cache.sqlite").put({"a": b"one"})
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
        DiskTier(tmp_path / "own" / "cache.sqlite").put({"a": b"one"})
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
            cache.put({"a": b"one"})
        assert cache.get("a") == b"one"
        assert path.read_bytes() == before

    def test_a_damaged_file_costs_one_warning(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        path.write_bytes(b"this is not a database" * 100)
        cache = FeatureCache([MemoryTier(), DiskTier(path)])
        with pytest.warns(CacheWarning, match="is damaged"):
            assert cache.get("a") is None
        cache.put({"a": b"one"})
        assert cache.get("a") == b"one"

    def test_the_limit_holds_over_many_short_processes(self, tmp_path: Path) -> None:
        for number in range(300):
            tier = DiskTier(tmp_path / "cache.sqlite", 200_000)
            tier.put({str(number): bytes(2000)})
            tier.close()
        assert (tmp_path / "cache.sqlite").stat().st_size < 300_000

    def test_a_file_that_was_removed_while_open_is_made_anew(self, tmp_path: Path) -> None:
        tier = DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        for file in tmp_path.iterdir():
            file.unlink()
        assert tier.get("a") is None
        tier.put({"b": b"two"})
        tier.close()
        assert DiskTier(tmp_path / "cache.sqlite").get("b") == b"two"

    @pytest.mark.parametrize("damage", ["no database", "holes"])
    def test_a_damaged_file_is_set_aside_and_begun_anew(self, tmp_path: Path, damage: str) -> None:
        path = tmp_path / "cache.sqlite"
        if damage == "no database":
            path.write_bytes(b"this is not a database" * 1000)
        else:
            tier = DiskTier(path)
            tier.put({str(number): bytes(1000) for number in range(300)})
            tier.close()
            content = bytearray(path.read_bytes())
            for start in range(4096, len(content), 4096):
                content[start : start + 2048] = os.urandom(2048)
            path.write_bytes(content)
        before = path.read_bytes()
        tier = DiskTier(path)
        with pytest.raises(sqlite3.DatabaseError, match=r"is damaged .*: kept as cache.sqlite.broken"):
            tier.get("7")
        assert (tmp_path / "cache.sqlite.broken").read_bytes() == before
        tier.put({"a": b"one"})
        assert tier.get("a") == b"one"
        tier.close()
        assert DiskTier(path).get("a") == b"one"

    def test_an_error_in_writing_keeps_its_reason_and_what_was_there(self, tmp_path: Path) -> None:
        tier = DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        connection = tier._connected()
        assert connection is not None
        connection.execute("PRAGMA max_page_count = 8")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            tier.put({"b": bytes(100_000)})
        assert tier.get("a") == b"one"
        tier.put({"c": b"three"})
        assert tier.get("c") == b"three"

    def test_readers_do_not_wait_for_a_writer(self, tmp_path: Path) -> None:
        tier, other = DiskTier(tmp_path / "cache.sqlite"), DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        with other._writing() as connection:
            connection.execute("UPDATE entries SET used = 0")
            assert tier.get("a") == b"one"
        with other._locked():
            assert tier.get("a") == b"one"  # noting the time of use would have to wait: it is left

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # Python 3.12 warns of what is tested
    def test_a_forked_child_and_its_parent_both_go_on(self, tmp_path: Path) -> None:
        cache = FeatureCache.at(tmp_path)
        cache.put({"parent": b"before"})
        busy = threading.Event()

        def keep_reading() -> None:
            while not busy.is_set():
                cache.get("parent")
                cache.get("absent")

        reader = threading.Thread(target=keep_reading)
        reader.start()
        try:
            children = []
            for number in range(10):
                child = os.fork()
                if child == 0:
                    status = 1
                    try:
                        cache.put({f"child {number}": b"one"})
                        status = 0 if cache.get("parent") == b"before" else 2
                        cache.close()
                    finally:
                        os._exit(status)
                children.append(child)
            assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 10
        finally:
            busy.set()
            reader.join()
        cache.put({"parent": b"after"})
        cache.close()
        fresh = DiskTier(tmp_path / "cache.sqlite")
        assert [fresh.get(f"child {number}") for number in range(10)] == [b"one"] * 10
        assert fresh.get("parent") == b"after"

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
    def test_a_cache_that_may_only_be_read_still_answers(self, tmp_path: Path) -> None:
        if os.geteuid() == 0:
            pytest.skip("permissions do not bind this user")
        tier = DiskTier(tmp_path / "cache" / "cache.sqlite")
        tier.put({"a": b"one"})
        tier.close()
        (tmp_path / "cache").chmod(0o500)
        try:
            cache = FeatureCache.at(tmp_path / "cache")
            assert cache.get("a") == b"one"
            with pytest.warns(CacheWarning, match="disk"):
                cache.put({"b": b"two"})
        finally:
            (tmp_path / "cache").chmod(0o700)


class TestFeatureCache:
    """Reads fall through, writes go everywhere."""

    def test_a_hit_below_fills_the_tier_above(self, tmp_path: Path) -> None:
        FeatureCache.at(tmp_path).put({"a": b"one"})
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
