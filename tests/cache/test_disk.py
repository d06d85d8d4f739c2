"""What only the tier in a file can do, and what can happen to the file."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from samplemind.cache import CacheWarning, DiskTier, FeatureCache, MemoryTier, disk, filesystem, tables
from samplemind.cache.filesystem import Mount

HOLD = """
import pathlib, sys
from samplemind.cache.writing import WriteLock
with WriteLock(pathlib.Path(sys.argv[1])).held(1):
    print("held", flush=True)
    sys.stdin.readline()
"""

posix_modes = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")


@contextlib.contextmanager
def holder(path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is writing, for as long as the context lasts."""
    command = [sys.executable, "-c", HOLD, str(path), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def integrity(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


class TestSharing:
    """Several processes, one file."""

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
        assert list(tier.items()) == []
        assert tier.state().entries == 0
        assert (tier.remove(["a"]), tier.prune(unused_s=0, max_bytes=0), tier.clear()) == (0, 0, 0)
        tier.add_counts({"hits": 1})
        assert tier.counts() == {"hits": 1}
        tier.close()
        assert not (tmp_path / "none").exists()

    @posix_modes
    def test_file_and_folder_are_private(self, tmp_path: Path) -> None:
        DiskTier(tmp_path / "own" / "cache.sqlite").put({"a": b"one"})
        assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700
        for file in (tmp_path / "own").iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file

    def test_the_limit_holds_over_many_short_processes(self, tmp_path: Path) -> None:
        for number in range(150):
            tier = DiskTier(tmp_path / "cache.sqlite", 200_000)
            tier.put({str(number): bytes(2000)})
            tier.close()
        assert (tmp_path / "cache.sqlite").stat().st_size < 300_000

    def test_readers_do_not_wait_for_a_writer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tier, other = DiskTier(tmp_path / "cache.sqlite"), DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        with other._writing() as connection:
            connection.execute("UPDATE entries SET used = 0")
            assert tier.get("a") == b"one"
        monkeypatch.setattr(disk, "_WRITE_TIMEOUT_S", 1e6)
        with holder(tmp_path / "cache.sqlite"):
            assert tier.get("a") == b"one"  # noting the time of use would have to wait: it is left
            assert dict(tier.items()) == {"a": b"one"}
            assert tier.state().entries == 1
            tier.add_counts({"hits": 1})
            assert tier.counts() == {"hits": 1}

    def test_whoever_waits_in_vain_is_told_for_whom(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(disk, "_WRITE_TIMEOUT_S", 0.2)
        path = tmp_path / "cache.sqlite"
        tier = DiskTier(path)
        tier.put({"a": b"one"})
        today = time.strftime("%Y-%m-%d")
        with holder(path, "with words") as process, pytest.raises(TimeoutError) as caught:
            tier.put({"b": b"two"})
        message = str(caught.value)
        assert f"process {process.pid} (" in message
        assert str(path) in message
        assert today in message or time.strftime("%Y-%m-%d") in message
        tier.put({"b": b"two"})

    def test_the_note_of_a_dead_process_names_nobody(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(disk, "_WRITE_TIMEOUT_S", 0.1)
        path = tmp_path / "cache.sqlite"
        tier = DiskTier(path)
        with holder(path) as process:
            pass
        note = Path(f"{path}.writer")
        assert note.read_text().startswith(f"{process.pid}\t")
        left = note.read_text()
        with holder(path):
            for text in (left, "", "no note", f"{os.getpid()}\t{1e9}\tolder than this process"):
                note.write_text(text)
                with pytest.raises(TimeoutError, match="another process is writing to"):
                    tier.put({"b": b"two"})

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
        fresh = FeatureCache.at(tmp_path)
        assert [fresh.get(f"child {number}") for number in range(10)] == [b"one"] * 10
        assert fresh.get("parent") == b"after"


class TestCounts:
    """Counts that outlive processes."""

    def test_add_up_over_processes(self, tmp_path: Path) -> None:
        for _ in range(3):
            tier = DiskTier(tmp_path / "cache.sqlite")
            tier.put({"a": b"one"})
            tier.add_counts({"hits": 2, "misses": 1})
            assert tier.counts()["misses"] >= 1
            tier.close()
        assert DiskTier(tmp_path / "cache.sqlite").counts() == {"hits": 6, "misses": 3}

    def test_are_written_with_the_next_write_when_somebody_else_is_writing(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        tier = DiskTier(path)
        tier.put({"a": b"one"})
        with holder(path):
            tier.add_counts({"hits": 2})
        assert DiskTier(path).counts() == {}
        tier.put({"b": b"two"})
        assert DiskTier(path).counts() == {"hits": 2}
        with holder(path):
            tier.add_counts({"hits": 5})
        tier.close()
        assert DiskTier(path).counts() == {"hits": 7}

    def test_evictions_outlive_the_process(self, tmp_path: Path) -> None:
        tier = DiskTier(tmp_path / "cache.sqlite", 200_000)
        for number in range(100):
            tier.put({str(number): bytes(5000)})
        tier.close()
        state = DiskTier(tmp_path / "cache.sqlite").state()
        assert state.evictions == 100 - state.entries > 50

    def test_outlive_clear(self, tmp_path: Path) -> None:
        tier = DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        tier.add_counts({"hits": 2})
        tier.clear()
        assert tier.counts() == {"hits": 2}


class TestUse:
    """When an entry was used, by a clock of the test's own."""

    def test_is_noted_once_a_day(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now = time.time()
        monkeypatch.setattr("samplemind.cache.disk.time.time", lambda: now)
        tier = DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        tier.put({"b": b"two"})
        for hours, unused_h in ((1, 1), (23, 23), (25, 0), (48, 23), (50, 0)):
            now = tier_start(tier) + hours * 3600
            tier.get("a")
            used = dict(rows(tier, "SELECT key, used FROM entries"))
            assert round((now - used["a"]) / 3600) == unused_h
            assert round((now - used["b"]) / 3600) == hours
        state = tier.state()
        assert state.oldest_s == pytest.approx(50 * 3600)
        assert state.unused_s == pytest.approx(50 * 3600)
        assert tier.prune(unused_s=10 * 3600) == 1
        assert dict(tier.items()) == {"a": b"one"}

    def test_decides_who_goes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now = time.time()
        monkeypatch.setattr("samplemind.cache.disk.time.time", lambda: now)
        tier = DiskTier(tmp_path / "cache.sqlite", 400_000)
        for number in range(50):
            tier.put({str(number): bytes(5000)})
            now += 1
        now += 48 * 3600
        assert tier.get("0") is not None
        for number in range(50, 100):
            now += 1
            tier.put({str(number): bytes(5000)})
        kept = {key for key, _ in tier.items()}
        assert "0" in kept
        assert "1" not in kept

    def test_a_clock_that_was_set_back_gives_no_negative_age(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tier = DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        monkeypatch.setattr("samplemind.cache.disk.time.time", lambda: 1e9)
        assert (tier.state().oldest_s, tier.state().unused_s) == (0, 0)


def rows(tier: DiskTier, query: str) -> list[tuple[str, float]]:
    with tier._reading() as connection:
        assert connection is not None
        return connection.execute(query).fetchall()


def tier_start(tier: DiskTier) -> float:
    return float(rows(tier, "SELECT key, MIN(created) FROM entries")[0][1])


class TestSpace:
    """Bytes in the file, and back to the file system."""

    @pytest.mark.parametrize("how", ["clear", "prune"])
    def test_goes_back_to_the_file_system(self, tmp_path: Path, how: str) -> None:
        path = tmp_path / "cache.sqlite"
        tier = DiskTier(path)
        for start in range(0, 3000, 500):
            tier.put({str(number): os.urandom(4000) for number in range(start, start + 500)})
        reader = DiskTier(path)
        assert reader.get("2999") is not None
        if how == "clear":
            assert tier.clear() == 3000
        else:
            tier.prune(max_bytes=1_000_000)
            assert reader.get("2999") is not None
        size = sum(file.stat().st_size for file in tmp_path.iterdir() if not file.name.endswith("-shm"))
        assert size < (50_000 if how == "clear" else 1_050_000)
        assert integrity(path) == "ok"

    def test_all_entries_are_read_in_bounded_memory(self, tmp_path: Path) -> None:
        tier = DiskTier(tmp_path / "cache.sqlite")
        for start in range(0, 400, 50):
            tier.put({str(number): bytes(100_000) for number in range(start, start + 50)})
        tracemalloc.start()
        try:
            assert sum(len(value) for _, value in tier.items()) == 40_000_000
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
        finally:
            tracemalloc.stop()

    def test_others_write_while_all_entries_are_read(self, tmp_path: Path) -> None:
        tier = DiskTier(tmp_path / "cache.sqlite")
        tier.put({str(number): bytes(2_000_000) for number in range(4)})
        items = tier.items()
        next(items)
        other = DiskTier(tmp_path / "cache.sqlite")
        other.put({"new": b"one"})
        with other._lock.held(1), contextlib.closing(sqlite3.connect(other.path)) as connection:
            # Not blocked (the first number): nobody is reading.
            assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
        assert len(list(items)) == 3

    def test_two_keys_of_one_hash_push_each_other_out(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tables, "_hash", len)
        tier = DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one", "b": b"two"})
        assert (tier.get("a"), tier.get("b")) == (None, b"two")
        assert tier.remove(["a"]) == 0


class TestOtherFormats:
    """Files that this version did not write."""

    def make(self, path: Path, version: int, table: str) -> bytes:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(f"CREATE TABLE {table} (key TEXT PRIMARY KEY, value BLOB)")
            connection.execute(f"PRAGMA user_version = {version}")
            connection.commit()
        return path.read_bytes()

    def test_a_newer_one_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        before = self.make(path, 99, "entries")
        cache = FeatureCache([MemoryTier(), DiskTier(path)])
        with pytest.warns(CacheWarning, match="newer version of samplemind"):
            cache.put({"a": b"one"})
        assert cache.get("a") == b"one"
        assert path.read_bytes() == before

    @pytest.mark.parametrize("version", [0, 1])
    def test_another_program_s_is_left_alone(self, tmp_path: Path, version: int) -> None:
        path = tmp_path / "cache.sqlite"
        before = self.make(path, version, "precious")
        with pytest.raises(sqlite3.DatabaseError, match="not written by samplemind"):
            DiskTier(path).put({"a": b"one"})
        assert path.read_bytes() == before

    def test_an_older_one_is_begun_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        self.make(path, 1, "entries")
        tier = DiskTier(path)
        assert tier.get("a") is None
        assert tier.state().entries == 0
        tier.put({"b": b"two"})
        assert dict(tier.items()) == {"b": b"two"}
        tier.close()
        assert dict(DiskTier(path).items()) == {"b": b"two"}

    def test_an_empty_one_is_taken(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        path.touch()
        Path(f"{path}.new").write_bytes(b"left by a process that died")
        tier = DiskTier(path)
        assert tier.get("a") is None
        tier.put({"a": b"one"})
        assert tier.get("a") == b"one"


class TestTrouble:
    """Damage, loss, lack of rights and of space."""

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
        self.damage(path, damage)
        before = path.read_bytes()
        tier = DiskTier(path)
        with pytest.raises(sqlite3.DatabaseError, match=r"is damaged .*: kept as cache.sqlite.broken"):
            tier.get("7")
        assert (tmp_path / "cache.sqlite.broken").read_bytes() == before
        tier.put({"a": b"one"})
        assert tier.get("a") == b"one"
        tier.close()
        assert DiskTier(path).get("a") == b"one"

    def test_damage_is_found_while_all_entries_are_read(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        self.damage(path, "holes")
        with pytest.raises(sqlite3.DatabaseError, match="is damaged"):
            list(DiskTier(path).items())

    def test_only_one_of_two_who_find_damage_sets_the_file_aside(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        self.damage(path, "holes")
        late = DiskTier(path)
        with late._reader:
            assert late._connected() is not None  # nothing noticed yet
        first = DiskTier(path)
        with pytest.raises(sqlite3.DatabaseError, match="is damaged"):
            first.get("7")
        first.put({"a": b"one"})
        with pytest.raises(sqlite3.DatabaseError, match="malformed"), late._mending():
            raise sqlite3.DatabaseError("database disk image is malformed")
        assert DiskTier(path).get("a") == b"one"

    def damage(self, path: Path, how: str) -> None:
        if how == "no database":
            path.write_bytes(b"this is not a database" * 1000)
            return
        tier = DiskTier(path)
        tier.put({str(number): bytes(1000) for number in range(300)})
        tier.close()
        content = bytearray(path.read_bytes())
        for start in range(4096, len(content), 4096):
            content[start + 2 : start + 2048] = os.urandom(2046)
        path.write_bytes(content)

    def test_an_error_in_writing_keeps_its_reason_and_what_was_there(self, tmp_path: Path) -> None:
        tier = DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        with tier._reading() as connection:
            assert connection is not None
            connection.execute("PRAGMA max_page_count = 8")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            tier.put({"b": bytes(100_000)})
        assert tier.get("a") == b"one"
        tier.put({"c": b"three"})
        assert tier.get("c") == b"three"

    def test_a_program_that_locks_the_file_its_own_way_is_not_waited_for_long(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(disk, "_BUSY_TIMEOUT_S", 0.1)
        tier = DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        tier.close()
        with contextlib.closing(sqlite3.connect(tier.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert tier.get("a") == b"one"
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                tier.put({"b": b"two"})
        tier.put({"b": b"two"})

    @posix_modes
    def test_a_cache_that_may_only_be_read_still_answers(self, tmp_path: Path) -> None:
        if os.geteuid() == 0:
            pytest.skip("permissions do not bind this user")
        tier = DiskTier(tmp_path / "cache" / "cache.sqlite")
        tier.put({"a": b"one"})
        tier.close()
        (tmp_path / "cache").chmod(0o500)
        try:
            tier = DiskTier(tmp_path / "cache" / "cache.sqlite")
            assert tier.get("a") == b"one"
            tier.add_counts({"hits": 1})
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                tier.put({"b": b"two"})
            tier.close()
        finally:
            (tmp_path / "cache").chmod(0o700)


class TestNetwork:
    """No file in a network file system."""

    def test_is_refused_before_anything_is_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        table = f"22 1 0:21 / / rw - ext4 /dev/sda rw\n23 22 0:99 / {tmp_path.resolve()} rw - nfs4 server:/home rw\n"
        monkeypatch.setattr(filesystem, "_mounts", lambda: filesystem.read_mountinfo(table))
        tier = DiskTier(tmp_path / "cache" / "cache.sqlite")
        assert tier.get("a") is None
        with pytest.raises(OSError, match=r"\(nfs4\).*SAMPLEMIND_CACHE_DIR.*SAMPLEMIND_REDIS_URL"):
            tier.put({"a": b"one"})
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache" / "cache.sqlite").touch()
        with pytest.raises(OSError, match="nfs4"):
            tier.get("a")

    def test_costs_the_cache_one_warning(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(filesystem, "_mounts", lambda: [Mount(Path("/"), "fuse.sshfs")])
        cache = FeatureCache([MemoryTier(), DiskTier(tmp_path / "cache.sqlite")])
        with pytest.warns(CacheWarning, match=r"fuse\.sshfs"):
            cache.put({"a": b"one"})
        cache.put({"b": b"two"})  # a second warning would be an error
        assert (cache.get("a"), cache.get("b")) == (b"one", b"two")


def test_the_note_is_the_command_line_of_whoever_wrote_last(tmp_path: Path) -> None:
    DiskTier(tmp_path / "cache.sqlite").put({"a": b"one"})
    process, since, command = (tmp_path / "cache.sqlite.writer").read_text().split("\t", 2)
    assert int(process) == os.getpid()
    assert abs(time.time() - float(since)) < 600
    assert json.dumps(sys.orig_argv[0])[1:-1] in command
