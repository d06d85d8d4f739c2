"""What only the tier in a file can do, and what can happen to the file."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
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

from samplemind.cache import CacheWarning, DiskTier, FeatureCache, MemoryTier, disk, tables
from samplemind.storage import filesystem
from samplemind.storage.filesystem import Mount
from samplemind.storage.writing import WriteLock

HOLD = """
import pathlib, sys
from samplemind.storage.writing import WriteLock
with WriteLock(pathlib.Path(sys.argv[1])).held(1):
    print("held", flush=True)
    sys.stdin.readline()
"""

FORKS = """
import os, pathlib, sys, threading
from samplemind.cache import FeatureCache
troubles, stop = [], threading.Event()
sys.unraisablehook = lambda trouble: troubles.append(repr(trouble.exc_value))
cache = FeatureCache.at(sys.argv[1])
cache.put({"parent": b"before"})

def keep_writing():
    while not stop.is_set():
        cache.put({"busy": b"one"})

def keep_making():
    while not stop.is_set():
        FeatureCache.at(sys.argv[1]).get("parent")

def forks(name, number):
    for each in range(number):
        child = os.fork()
        if child == 0:
            cache.put({f"child {name} {each}": b"one"})
            troubles.extend(["nothing read"] if cache.get("parent") != b"before" else [])
            cache.close()
            os._exit(len(troubles))
        if os.waitpid(child, 0)[1]:
            troubles.append("a child")

busy = [threading.Thread(target=work) for work in (keep_writing, keep_making)]
forking = [threading.Thread(target=forks, args=(name, 15)) for name in range(4)]
for thread in busy + forking:
    thread.start()
forks("main", 40)
for thread in forking:
    thread.join()
stop.set()
for thread in busy:
    thread.join()
print(troubles)
"""
END = """
import atexit, pathlib, sys, warnings
tiers = []
atexit.register(lambda: tiers[0].get("a"))  # runs last, and opens the file again
from samplemind.cache import DiskTier
tiers.append(DiskTier(pathlib.Path(sys.argv[1])))
tiers[0].put({"a": b"one"})
warnings.showwarning = lambda *_: tiers  # a module that is taken down late
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

    def test_readers_do_not_wait_for_a_writer(self, tmp_path: Path) -> None:
        tier, other = DiskTier(tmp_path / "cache.sqlite"), DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        with other._writing() as connection:
            connection.execute("UPDATE entries SET used = 0")
            assert tier.get("a") == b"one"
        tier.write_timeout_s = 1e6
        with holder(tmp_path / "cache.sqlite"):
            assert tier.get("a") == b"one"  # noting the time of use would have to wait: it is left
            assert dict(tier.items()) == {"a": b"one"}
            assert tier.state().entries == 1
            tier.add_counts({"hits": 1})
            assert tier.counts() == {"hits": 1}

    def test_whoever_waits_in_vain_is_told_for_whom(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        tier = DiskTier(path)
        tier.write_timeout_s = 0.2
        tier.put({"a": b"one"})
        today = time.strftime("%Y-%m-%d")
        with holder(path, "with words") as process, pytest.raises(TimeoutError) as caught:
            tier.put({"b": b"two"})
        message = str(caught.value)
        assert f"process {process.pid} (" in message
        assert str(path) in message
        assert today in message or time.strftime("%Y-%m-%d") in message
        tier.put({"b": b"two"})

    def test_the_note_of_a_dead_process_names_nobody(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        tier = DiskTier(path)
        tier.write_timeout_s = 0.1
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


class TestLock:
    """One writer at a time, and nobody waits for long."""

    def test_two_of_one_process_exclude_each_other(self, tmp_path: Path) -> None:
        one, other = WriteLock(tmp_path / "cache.sqlite"), WriteLock(tmp_path / "cache.sqlite")
        for lock in (one, other):
            with one.held(0), pytest.raises(TimeoutError, match=f"process {os.getpid()} "), lock.held(0.05):
                pass
        with other.held(0):
            pass

    def test_a_process_that_is_killed_frees_it(self, tmp_path: Path) -> None:
        lock = WriteLock(tmp_path / "cache.sqlite")
        with holder(tmp_path / "cache.sqlite") as process:
            with pytest.raises(TimeoutError), lock.held(0):
                pass
            process.kill()
            process.wait()
            with lock.held(0):
                pass

    def test_many_processes_and_threads_lose_no_update(self, tmp_path: Path) -> None:
        code = (
            "import pathlib, sys, threading; from samplemind.storage.writing import WriteLock\n"
            "path = pathlib.Path(sys.argv[1])\n"
            "def count():\n"
            "    for _ in range(50):\n"
            "        with WriteLock(path).held(60): path.write_text(str(int(path.read_text()) + 1))\n"
            "threads = [threading.Thread(target=count) for _ in range(2)]\n"
            "[thread.start() for thread in threads]; [thread.join() for thread in threads]"
        )
        path = tmp_path / "number"
        path.write_text("0")
        processes = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(3)]
        assert [process.wait() for process in processes] == [0] * 3
        assert path.read_text() == "300"

    def test_a_program_that_is_started_meanwhile_does_not_inherit_it(self, tmp_path: Path) -> None:
        lock = WriteLock(tmp_path / "cache.sqlite")
        with lock.held(0):
            started = subprocess.Popen(
                [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, close_fds=False
            )
        with started:
            with lock.held(0):
                pass
            started.communicate()

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
    def test_a_forked_child_neither_has_it_nor_frees_it(self, tmp_path: Path) -> None:
        tier, other = DiskTier(tmp_path / "cache.sqlite"), DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        go, told = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.read(go, 1)
                with contextlib.suppress(TimeoutError), tier._lock.held(0):
                    status = 2
                status = 0 if status == 1 and tier.get("a") == b"one" else status
                tier.close()
            finally:
                os._exit(status)
        with tier._lock.held(0):
            os.write(told, b"g")
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            with pytest.raises(TimeoutError), other._lock.held(0):
                pass
        os.close(go)
        os.close(told)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_threads_write_make_caches_and_fork_at_once(self, tmp_path: Path) -> None:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        assert (done.stdout, done.stderr) == ("[]\n", "")
        keys = {key for key, _ in DiskTier(tmp_path / "cache.sqlite").items()}
        assert len({key for key in keys if key.startswith("child ")}) == 100

    @pytest.mark.parametrize("how", ["close", "collected", "fork", "exit"])
    def test_without_it_a_log_is_left_as_it_is(self, tmp_path: Path, how: str) -> None:
        if how == "fork" and not hasattr(os, "fork"):
            pytest.skip("needs fork")
        path = tmp_path / "cache.sqlite"
        tier = DiskTier(path)
        tier.put({"a": b"one"})
        before, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
        assert log
        with holder(path):
            tier.add_counts({"hits": 3})
            match how:
                case "close":
                    tier.close()
                case "collected":
                    del tier
                case "fork":
                    tier.before_fork()
                    assert tier._connection is None
                    tier.after_fork()
                case "exit":
                    disk._close_all()
            assert (path.read_bytes(), Path(f"{path}-wal").read_bytes()) == (before, log)
        later = DiskTier(path)
        assert later.get("a") == b"one"
        later.close()
        assert not Path(f"{path}-wal").exists()

    def test_an_analysis_waits_little_and_who_tends_the_cache_for_longer(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tier = DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        asked: list[float] = []
        held = tier._lock.held

        def noted(timeout: float) -> contextlib.AbstractContextManager[None]:
            asked.append(timeout)
            return held(timeout)

        monkeypatch.setattr(tier._lock, "held", noted)
        tier.put({"b": b"two"})
        tier.remove(["b"])
        assert set(asked) == {1}
        asked.clear()
        tier.prune(unused_s=0)
        tier.clear()
        assert set(asked) == {10}
        asked.clear()
        tier.close()
        assert asked == [0]


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

    def test_is_not_noted_by_who_must_not_write(self, tmp_path: Path) -> None:
        with_notes = DiskTier(tmp_path / "cache.sqlite")
        with_notes.put({"a": b"one"}, used=1.0)
        assert DiskTier(tmp_path / "cache.sqlite", notes_use=False).get("a") == b"one"
        assert dict(rows(with_notes, "SELECT key, used FROM entries")) == {"a": 1.0}
        with_notes.get("a")
        assert dict(rows(with_notes, "SELECT key, used FROM entries"))["a"] > 1.0

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

    def test_the_working_folder_may_change(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path)
        tier = DiskTier(Path("kept/cache.sqlite"))
        tier.put({"a": b"one"})
        monkeypatch.chdir(tmp_path / "elsewhere")
        tier.put({"b": b"two"})
        tier.close()
        assert dict(DiskTier(tmp_path / "kept" / "cache.sqlite").items()) == {"a": b"one", "b": b"two"}
        assert list((tmp_path / "elsewhere").iterdir()) == []

    def test_the_end_of_the_interpreter_is_silent(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        done = subprocess.run([sys.executable, "-c", END, str(path)], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert DiskTier(path).get("a") == b"one"

    def test_a_folder_that_was_removed_is_not_made_to_close(self, tmp_path: Path) -> None:
        tier = DiskTier(tmp_path / "own" / "cache.sqlite")
        tier.put({"a": b"one"})
        shutil.rmtree(tmp_path / "own")
        tier.close()
        assert not (tmp_path / "own").exists()

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

    def test_an_error_in_writing_keeps_its_reason_and_what_was_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tier = DiskTier(tmp_path / "cache.sqlite")
        tier.put({"a": b"one"})
        prepare = tables.prepare

        def prepare_small(connection: sqlite3.Connection) -> None:
            prepare(connection)
            connection.execute("PRAGMA max_page_count = 8")

        monkeypatch.setattr(tables, "prepare", prepare_small)
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
