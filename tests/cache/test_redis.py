"""The Redis tier, over real servers, and over servers that stop, die, hang, fill up or were never there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

import samplemind.cache
import samplemind.pipeline
from samplemind import AudioEngine, AudioFeatures
from samplemind.cache import CacheWarning, FeatureCache, MemoryTier, Tier
from samplemind.cache.redis import LARGEST_PUT, RedisTier, shown
from samplemind.cache.scripts import OVERHEAD
from samplemind.errors import SettingsError
from tests.conftest import WriteWav
from tests.servers import RedisServer, running
from tests.signals import music

ENTRY = b"samplemind:2:entry:"
USED, SIZES = "samplemind:2:used", "samplemind:2:sizes"
PATIENT_S = 10.0
"""For tests in which the server answers: the machine may be busy."""

Serve = Callable[..., AbstractContextManager[RedisServer]]


@pytest.fixture
def tier(redis_server: RedisServer) -> Iterator[RedisTier]:
    tier = RedisTier(redis_server.url, timeout_s=PATIENT_S)
    yield tier
    tier.close()


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Servers of this test's own, to be ill-treated."""
    return lambda *options, password=None: running(tmp_path, *options, password=password)


def entry_sizes(server: RedisServer) -> dict[bytes, int]:
    """What is there, and what each entry should count."""
    with server.client() as client:
        names = [name for name in client.keys("samplemind:2:*") if name.startswith(ENTRY)]
        return {name: client.strlen(name) + 3 * len(name) + OVERHEAD for name in names}


def index(server: RedisServer) -> dict[bytes, int]:
    """What the index says; fails where its two halves or its totals contradict each other."""
    with server.client() as client:
        sizes = {name: int(size) for name, size in client.hgetall(SIZES).items()}
        used = set(client.zrange(USED, 0, -1))
    totals = {what: sizes.pop(what, 0) for what in (b"entries", b"bytes", b"evictions")}
    assert used == sizes.keys()
    assert (totals[b"entries"], totals[b"bytes"]) == (len(sizes), sum(sizes.values()))
    return sizes


class TestTier:
    """What every tier promises, and how Redis keeps it."""

    def test_gives_back_what_was_put(self, tier: RedisTier, redis_server: RedisServer) -> None:
        assert tier.get("a") is None
        tier.put({"a": b"\0\xff\r\none", "": b"", "ä/★": b"two"})
        assert [tier.get(key) for key in ("a", "", "ä/★", "A")] == [b"\0\xff\r\none", b"", b"two", None]
        assert dict(tier.items()) == {"a": b"\0\xff\r\none", "": b"", "ä/★": b"two"}
        tier.put({"a": b"three"})
        assert tier.get("a") == b"three"
        assert index(redis_server) == entry_sizes(redis_server)
        state = tier.state()
        assert (state.entries, state.bytes) == (3, sum(entry_sizes(redis_server).values()))
        assert state.unused_s is not None

    def test_an_empty_server_holds_nothing_and_reading_leaves_it_so(
        self, tier: RedisTier, redis_server: RedisServer
    ) -> None:
        assert tier.get("a") is None
        assert list(tier.items()) == []
        assert (tier.remove(["a"]), tier.prune(max_bytes=0, unused_s=0), tier.clear()) == (0, 0, 0)
        state = tier.state()
        assert (state.entries, state.bytes, state.evictions, state.unused_s) == (0, 0, 0, None)
        with redis_server.client() as client:
            assert client.dbsize() == 0

    def test_remove_and_clear_count_what_was_there(self, tier: RedisTier, redis_server: RedisServer) -> None:
        tier.put({str(number): b"x" for number in range(2500)})
        assert tier.remove(["1", "2", "none"]) == 2
        assert tier.get("1") is None
        assert index(redis_server) == entry_sizes(redis_server)
        assert tier.clear() == 2498
        with redis_server.client() as client:
            assert client.dbsize() == 0

    def test_items_gives_each_entry_once_and_is_no_use_of_it(self, tier: RedisTier, redis_server: RedisServer) -> None:
        entries = {str(number): bytes([number % 251]) * number for number in range(1500)}
        tier.put(entries)
        with redis_server.client() as client:
            before = client.zrange(USED, 0, -1, withscores=True)
            found = list(tier.items())
            assert client.zrange(USED, 0, -1, withscores=True) == before
        assert sorted(found) == sorted(entries.items())

    def test_drops_what_was_unused_for_longest(self, redis_server: RedisServer) -> None:
        tier = RedisTier(redis_server.url, max_bytes=100_000, timeout_s=PATIENT_S)
        for number in range(200):
            tier.put({f"{number:03}": bytes(1000)})
            tier.get("000")
        kept = {name.removeprefix(ENTRY).decode() for name in entry_sizes(redis_server)}
        assert kept == {"000", *(f"{number:03}" for number in range(201 - len(kept), 200))}
        assert index(redis_server) == entry_sizes(redis_server)
        state = tier.state()
        assert 90_000 < state.bytes <= 100_000
        assert state.evictions == 200 - len(kept)
        tier.close()

    def test_a_lower_limit_holds_after_the_next_put(self, redis_server: RedisServer) -> None:
        RedisTier(redis_server.url, timeout_s=PATIENT_S).put({str(number): bytes(100) for number in range(5000)})
        tier = RedisTier(redis_server.url, max_bytes=5000, timeout_s=PATIENT_S)
        tier.put({"last": b"one"})
        assert tier.get("last") == b"one"
        state = tier.state()
        assert state.bytes <= 5000
        assert state.entries + state.evictions == 5001
        assert index(redis_server) == entry_sizes(redis_server)

    @pytest.mark.parametrize("max_bytes", [2**30, 50_000])
    def test_what_is_too_large_is_not_sent_nor_what_comes_with_it(
        self, redis_server: RedisServer, max_bytes: int
    ) -> None:
        tier = RedisTier(redis_server.url, max_bytes=max_bytes, timeout_s=PATIENT_S)
        tier.put({"small": b"before", "other": b"other"})
        tier.put({"small": b"small", "large": bytes(min(max_bytes, LARGEST_PUT))})
        assert dict(tier.items()) == {"other": b"other"}

    def test_prune_takes_first_what_was_unused_for_long(self, tier: RedisTier, redis_server: RedisServer) -> None:
        for number in range(10):
            tier.put({str(number): bytes(1000)})
        with redis_server.client() as client:
            for number in range(3):
                client.zincrby(USED, -1000, ENTRY.decode() + str(number))
        unused_s = tier.state().unused_s
        assert unused_s is not None
        assert unused_s >= 1000
        assert tier.prune(unused_s=500) == 3
        size = tier.state().bytes // 7
        assert tier.prune(max_bytes=4 * size) == 3
        assert sorted(key for key, _ in tier.items()) == ["6", "7", "8", "9"]
        assert tier.prune() == 0
        assert tier.state().evictions == 0  # nothing was lost for lack of room
        assert tier.prune(unused_s=0) == 4

    def test_one_round_trip_each(self, tier: RedisTier, redis_server: RedisServer) -> None:
        tier.put({"a": b"one"})
        tier.get("a")  # the scripts are there now
        with redis_server.client() as client:
            client.config_resetstat()
            tier.put({str(number): b"x" for number in range(5)})
            tier.get("a")
            tier.get("none")
            asked = client.info("commandstats")
        assert asked["cmdstat_evalsha"]["calls"] == 3
        assert not {name for name in asked if name.startswith(("cmdstat_script", "cmdstat_eval_"))}

    def test_other_applications_and_other_formats_are_left_alone(
        self, tier: RedisTier, redis_server: RedisServer
    ) -> None:
        foreign = {
            "a": "x",
            "samplemind:1:entry:a": "x",
            "samplemind:3:entry:a": "x",
            "samplemind": "x",
            "entry:a": "x",
        }
        with redis_server.client() as client:
            client.mset(foreign)
            tier.put({"a": b"one"})
            small = RedisTier(redis_server.url, max_bytes=3000, ttl_s=1, timeout_s=PATIENT_S)
            small.put({str(number): bytes(100) for number in range(4)})
            small.put({str(number): bytes(100) for number in range(4, 8)})
            assert tier.get("samplemind:1:entry:a") is None
            assert {key for key, _ in small.items()} <= {"a", *map(str, range(8))}
            small.prune(max_bytes=0, unused_s=0)
            tier.put({"a": b"one"})
            tier.clear()
            assert {key.decode() for key in client.keys("*")} == foreign.keys()
            assert all(client.get(key) == b"x" and client.ttl(key) == -1 for key in foreign)

    def test_what_is_unused_expires_and_use_puts_it_off(self, tier: RedisTier, redis_server: RedisServer) -> None:
        tier.put({"a": b"one"})
        RedisTier(redis_server.url, ttl_s=0.05, timeout_s=PATIENT_S).put({"b": b"two"})
        with redis_server.client() as client:
            client.pexpire(ENTRY + b"a", 60_000)
            assert tier.get("a") == b"one"
            assert client.ttl(ENTRY + b"a") > 80 * 24 * 3600
            assert client.ttl(USED) >= client.ttl(ENTRY + b"a")  # the index goes with the last entry, not before
            assert client.ttl(SIZES) >= client.ttl(ENTRY + b"a")
        time.sleep(0.1)
        assert tier.get("b") is None
        assert index(redis_server) == entry_sizes(redis_server)
        assert tier.state().evictions == 0

    def test_what_expired_without_being_asked_for_is_not_counted(self, redis_server: RedisServer) -> None:
        tier = RedisTier(redis_server.url, ttl_s=0.05, timeout_s=PATIENT_S)
        tier.put({str(number): b"x" for number in range(100)})
        time.sleep(0.1)
        state = tier.state()
        assert (state.entries, state.bytes, state.evictions) == (0, 0, 0)


class TestManyClients:
    """Several machines, threads and processes at once."""

    def test_all_write_at_once_and_the_limit_holds(self, redis_server: RedisServer) -> None:
        def write(worker: int) -> None:
            tier = RedisTier(redis_server.url, max_bytes=200_000, timeout_s=PATIENT_S)
            for number in range(100):
                tier.put({f"{worker}/{number}/{part}": bytes(700) for part in range(3)})
                tier.get(f"{(worker + 1) % 4}/{number}/0")
                if number % 10 == 0:
                    tier.remove([f"{worker}/{number}/0"])
                with redis_server.client() as client:
                    sizes.append(int(client.hget(SIZES, "bytes") or 0))
            tier.close()

        sizes: list[int] = []
        workers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(sizes) == 400
        assert max(sizes) <= 200_000
        assert index(redis_server) == entry_sizes(redis_server)

    def test_threads_may_share_one(self, tier: RedisTier) -> None:
        def speak(worker: int) -> None:
            for number in range(100):
                tier.put({f"{worker}/{number}": f"{worker} {number}".encode()})
                right.append(tier.get(f"{worker}/{number}") == f"{worker} {number}".encode())

        right: list[bool] = []
        workers = [threading.Thread(target=speak, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert right == [True] * 400

    def test_a_killed_client_leaves_nothing_half_done(self, redis_server: RedisServer) -> None:
        code = (
            "import itertools, sys; from samplemind.cache.redis import RedisTier\n"
            "tier = RedisTier(sys.argv[1], max_bytes=200_000, timeout_s=10)\n"
            "for n in itertools.count(): tier.put({f'{n}/{part}': bytes(n % 3000) for part in range(5)})"
        )
        with redis_server.client() as client:
            for _ in range(3):
                client.flushall()
                writer = subprocess.Popen([sys.executable, "-c", code, redis_server.url])
                while int(client.hget(SIZES, "evictions") or 0) < 100:
                    assert writer.poll() is None
                writer.kill()
                writer.wait()
                assert index(redis_server) == entry_sizes(redis_server)
                together = [name.rsplit(b"/")[0] for name in entry_sizes(redis_server)]
                assert together.count(max(together, key=lambda name: int(name.removeprefix(ENTRY)))) == 5

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # Python 3.12 warns of what is tested
    def test_a_forked_child_and_its_parent_both_go_on(self, tier: RedisTier) -> None:
        tier.put({"parent": b"before"})
        done = threading.Event()
        wrong: list[bytes | None] = []

        def keep_reading() -> None:
            while not done.is_set():
                wrong.extend(
                    value for value in (tier.get("parent"), tier.get("none") or b"before") if value != b"before"
                )

        reader = threading.Thread(target=keep_reading)
        reader.start()
        try:
            children = []
            for number in range(10):
                child = os.fork()
                if child == 0:
                    status = 1
                    try:
                        for part in range(20):
                            tier.put({f"child {number}": f"{number} {part}".encode()})
                            assert tier.get(f"child {number}") == f"{number} {part}".encode()
                        status = 0 if tier.get("parent") == b"before" else 2
                        tier.close()
                    finally:
                        os._exit(status)
                children.append(child)
            assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 10
        finally:
            done.set()
            reader.join()
        assert not wrong
        assert [tier.get(f"child {number}") for number in range(10)] == [f"{n} 19".encode() for n in range(10)]


def fill(tier: RedisTier) -> None:
    """Put ten thousand entries of a kilobyte."""
    for number in range(2000):
        tier.put({f"{number}/{part}": os.urandom(1000) for part in range(5)})


class TestServersOwnRules:
    """The server may drop what it likes, and refuse what it likes."""

    @pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
    def test_what_the_server_evicts_is_forgotten(self, serve: Serve, policy: str) -> None:
        with serve("--maxmemory", "4mb", "--maxmemory-policy", policy) as server:
            tier = RedisTier(server.url, timeout_s=PATIENT_S)
            fill(tier)
            with server.client() as client:
                assert int(client.info("stats")["evicted_keys"]) > 1000
                client.config_set("maxmemory", 0)  # no more from now on
            tier.prune()
            assert index(server) == entry_sizes(server)
            assert tier.state().entries == len(entry_sizes(server))
            tier.close()

    def test_what_is_gone_is_forgotten_when_asked_for_and_when_it_is_old(
        self, tier: RedisTier, redis_server: RedisServer
    ) -> None:
        for number in range(20):
            tier.put({str(number): b"x"})
        with redis_server.client() as client:
            client.delete(*(ENTRY + str(number).encode() for number in (0, 5, 15)))
        assert len(index(redis_server)) == 20
        assert tier.get("15") is None
        assert len(index(redis_server)) == 19
        tier.put({"20": b"x"})
        assert index(redis_server) == entry_sizes(redis_server)
        assert tier.state().evictions == 2  # whose time had not come

    def test_a_full_server_keeps_nothing_new_but_answers(self, serve: Serve) -> None:
        with serve("--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as server:
            tier = RedisTier(server.url, timeout_s=PATIENT_S)
            tier.put({"a": b"one"})
            with pytest.raises(OSError, match=r"redis://127.0.0.1:\d+/0: .*'maxmemory'$"):
                fill(tier)
            assert tier.get("a") == b"one"
            assert tier.get("none") is None
            assert index(server) == entry_sizes(server)
            assert len(entry_sizes(server)) % 5 == 1  # all or none of a put
            assert tier.prune(max_bytes=100_000) > 0
            tier.put({"b": b"two"})
            assert tier.get("b") == b"two"
            tier.close()

    @pytest.mark.parametrize("lost", [USED, SIZES])
    def test_a_lost_half_of_the_index_is_made_anew(self, tier: RedisTier, redis_server: RedisServer, lost: str) -> None:
        tier.put({str(number): b"x" for number in range(2000)})
        with redis_server.client() as client:
            client.delete(lost)
        assert tier.get("7") == b"x"
        assert index(redis_server).keys() == {ENTRY + b"7"}
        assert tier.prune() == 0
        assert index(redis_server) == entry_sizes(redis_server)
        assert tier.state().entries == 2000
        with redis_server.client() as client:
            client.delete(lost)
        assert tier.clear() == 2000

    def test_a_server_that_was_emptied_is_used_again(self, tier: RedisTier, redis_server: RedisServer) -> None:
        tier.put({"a": b"one"})
        with redis_server.client() as client:
            client.flushall()
            client.script_flush()
        assert tier.get("a") is None
        tier.put({"a": b"two"})
        assert tier.get("a") == b"two"
        assert tier.state().entries == 1


SECRET = "s3cret/@:#?% ★"  # noqa: S105  a test's


class TestAccess:
    """Passwords, users, and what must not be shown."""

    def test_a_password(self, serve: Serve) -> None:
        with serve(password=SECRET) as server:
            tier = RedisTier(server.url, timeout_s=PATIENT_S)
            tier.put({"a": b"one"})
            assert tier.get("a") == b"one"
            tier.close()
            for url in (server.url.replace("s3cret", "wrong"), f"redis://127.0.0.1:{server.port}"):
                with pytest.raises(OSError, match=r"WRONGPASS|[Pp]assword|Authentication") as caught:
                    RedisTier(url, timeout_s=PATIENT_S).get("a")
                assert "wrong" not in str(caught.value).lower().replace("wrongpass", "")
                assert "★" not in str(caught.value)

    def test_a_user_who_may_use_our_keys_alone(self, redis_server: RedisServer) -> None:
        with redis_server.client() as client:
            client.execute_command(
                *("ACL", "SETUSER", "mind", "on", ">pass", "~samplemind:*", "+@all", "-@admin", "-@dangerous")
            )
        tier = RedisTier(f"redis://mind:pass@127.0.0.1:{redis_server.port}/0", max_bytes=3000, timeout_s=PATIENT_S)
        for number in range(10):
            tier.put({str(number): b"one"})
        assert tier.get("9") == b"one"
        assert dict(tier.items())["9"] == b"one"
        assert tier.prune(max_bytes=1000) > 0
        assert tier.remove(["9"]) == 1
        assert tier.state().entries == tier.clear()
        tier.close()

    def test_the_server_itself_can_not_give_the_password_away(self, serve: Serve) -> None:
        with serve("--rename-command", "AUTH", "") as server:
            with pytest.raises(OSError, match="AUTH") as caught:
                RedisTier(f"redis://user:very%2Fsecret@127.0.0.1:{server.port}", timeout_s=PATIENT_S).get("a")
            assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("redis://localhost", "redis://localhost"),
            ("rediss://user:secret@example.org:6380/2", "rediss://***@example.org:6380/2"),
            ("redis://secret@example.org", "redis://***@example.org"),
            ("redis://[::1]:6379/0?password=secret", "redis://[::1]:6379/0"),
            ("unix://user:secret@/run/redis.sock?db=1", "unix://***@/run/redis.sock"),
            ("redis://:sec/ret@example.org", "redis://***"),
            ("secret", "***"),
        ],
    )
    def test_shown(self, url: str, expected: str) -> None:
        assert shown(url) == expected

    @pytest.mark.parametrize(
        "url",
        [
            *("http://secret@localhost", "localhost:6379", "", "redis://localhost/secret", "redis://localhost:secret"),
            *(
                "redis://:12#secret@localhost",
                "redis://:12?secret@localhost",
                "redis://:12/secret@localhost",
                "unix://",
            ),
            *("redis://[::1", "redis://a..secret", "redis://localhost:0", "redis://localhost:99999"),
        ],
    )
    def test_a_url_that_makes_no_sense_is_refused_at_once(self, url: str) -> None:
        with pytest.raises(SettingsError, match="redis_url must be redis://") as caught:
            RedisTier(url)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("option", ["nonsense=1", "socket_timeout=secret", "decode_responses=yes"])
    def test_an_option_that_makes_no_sense_is_an_error_when_used(self, option: str) -> None:
        with pytest.raises(OSError, match="an option in the URL makes no sense"):
            RedisTier(f"redis://localhost?{option}").get("a")

    def test_without_the_package_one_warning_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "redis", None)
        cache = FeatureCache([MemoryTier(), RedisTier("redis://:secret@localhost")])
        with cache_warnings() as messages:
            cache.put({"a": b"one"})
            assert cache.get("a") == b"one"
            assert cache.get("b") is None
        advice = "redis://***@localhost needs the package redis: pip install 'samplemind[redis]'"
        assert messages == [f"the redis cache is left out: {advice}"]


class Clock:
    """The time as one module sees it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s

    def time_ns(self) -> int:
        return time.time_ns() + round(self.ahead_s * 1e9)

    perf_counter = staticmethod(time.perf_counter)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(samplemind.cache, "time", clock)
    return clock


@contextmanager
def cache_warnings() -> Iterator[list[str]]:
    """The cache's warnings; any other is an error."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        warnings.simplefilter("always", CacheWarning)
        yield messages
    messages += [str(warning.message) for warning in caught]


@contextmanager
def ill(server: RedisServer, how: str) -> Iterator[None]:
    """A server that does not answer, or has forgotten everything."""
    if how == "hangs":
        with server.stopped():
            yield
        return
    server.kill() if how == "was killed" else server.stop()
    if how == "was restarted":
        server.start()
    yield
    if how != "was restarted":
        server.start()


class TestDeadAndSlow:
    """Servers that don't answer. Were there no time limit, these tests would not end."""

    def test_nobody_listens(self, serve: Serve) -> None:
        with serve() as server:
            pass
        with pytest.raises(OSError, match=rf"^redis://127.0.0.1:{server.port}/0: .*refused$"):
            RedisTier(server.url).get("a")

    def test_no_such_host(self) -> None:
        with pytest.raises(OSError, match=r"^redis://nowhere.invalid: "):
            RedisTier("redis://nowhere.invalid").put({"a": b"one"})

    def test_a_server_that_hangs_is_asked_once_and_never_answers_another_question(self, serve: Serve) -> None:
        with serve() as server, server.client() as client:
            tier = RedisTier(server.url)
            tier.put({"a": b"one", "b": b"two"})
            before = client.info("stats")["total_connections_received"]
            with server.stopped():
                for _ in range(2):
                    with pytest.raises(OSError, match=r"imeout|imed out"):
                        tier.get("a")
                with pytest.raises(OSError, match=r"imeout|imed out"):
                    tier.put({"c": b"three"})
            client.ping()
            after = client.info("stats")["total_connections_received"]
            assert after - before == 2  # each but the first question on a connection of its own, and none asked again
            patient = RedisTier(server.url, timeout_s=PATIENT_S)
            assert (tier.get("b"), patient.get("b"), patient.get("none")) == (b"two", b"two", None)
            patient.close()
            tier.close()

    def test_a_server_that_was_restarted_in_between_is_not_missed(self, serve: Serve) -> None:
        with serve() as server:
            tier = RedisTier(server.url, timeout_s=PATIENT_S)
            tier.put({"a": b"one"})
            server.kill()
            server.start()
            assert tier.get("a") is None
            tier.put({"a": b"two"})
            assert tier.get("a") == b"two"
            tier.close()

    def test_the_cache_asks_again_after_a_minute_and_warns_once(self, serve: Serve, clock: Clock) -> None:
        with serve() as server, cache_warnings() as messages:
            cache = FeatureCache([MemoryTier(), RedisTier(server.url)])
            cache.put({"a": b"one"})
            server.stop()
            assert cache.get("b") is None
            server.start()
            cache.put({"c": b"three"})
            assert not entry_sizes(server)  # less than a minute: it is not asked
            clock.ahead_s += 61
            cache.put({"c": b"three"})
            assert entry_sizes(server).keys() == {ENTRY + b"c"}
            server.kill()
            assert cache.get("d") is None
            assert cache.stats().tiers[1].errors == 2
            cache.close()
        assert len(messages) == 1

    @pytest.mark.parametrize("how", ["was stopped", "was killed", "hangs", "was restarted"])
    def test_every_analysis_answers_whatever_the_server_does(
        self, serve: Serve, clock: Clock, write_wav: WriteWav, how: str
    ) -> None:
        paths = [write_wav(music(0.5, seed=number), name=f"{number}.wav") for number in range(6)]
        with AudioEngine(cache=None) as plain:
            expected = [plain.analyze_audio(path) for path in paths]
        with serve() as server, cache_warnings() as messages:
            timeout_s = 1.0 if how == "hangs" else PATIENT_S
            tiers: list[Tier] = [MemoryTier(), RedisTier(server.url, timeout_s=timeout_s)]
            with AudioEngine(cache=FeatureCache(tiers)) as engine:
                found = [engine.analyze_audio(path) for path in paths[:2]]
                before = entry_sizes(server).keys()
                with ill(server, how):
                    found += [engine.analyze_audio(path) for path in paths[2:4]]
                clock.ahead_s += 61
                found += [engine.analyze_audio(path) for path in paths[4:]]
            after = entry_sizes(server).keys()
        assert found == expected
        assert before
        assert len(after - before) >= len(before) - 1  # all that was found out at last; the sounds are of one shape
        assert len(messages) == (0 if how == "was restarted" else 1)

    def test_another_machine_gets_the_answers(
        self, redis_server: RedisServer, tmp_path: Path, write_wav: WriteWav, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        later = Clock()
        later.ahead_s = 10.0  # the files have settled, and lead to their digests without being read
        monkeypatch.setattr(samplemind.pipeline, "time", later)
        paths = [write_wav(music(0.5, seed=number), name=f"{number}.wav") for number in range(3)]
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        copies = [Path(shutil.copy(path, elsewhere)) for path in paths]
        answers: list[list[dict[str, Any]]] = []
        for machine, files in (("one", paths), ("other", copies)):
            memory, shared = MemoryTier(), RedisTier(redis_server.url, timeout_s=PATIENT_S)
            cache = FeatureCache([memory, shared], folder=tmp_path / machine)
            with AudioEngine(cache=cache) as engine:
                answers.append([sound(engine.analyze_audio(path)) for path in files])
                stats = cache.stats()
                assert stats.computed == (3 if machine == "one" else 0)
                assert (stats.tiers[1].hits > 0) == (machine == "other")
            local, public = ({key.partition("/")[0] for key, _ in tier.items()} for tier in (memory, shared))
            assert local >= {"stat", "file", "audio"}
            assert public == {"file", "like", "audio"}
            shared.close()
        assert answers[0] == answers[1]


def sound(features: AudioFeatures) -> dict[str, Any]:
    """What is true of the sound, wherever its file is."""
    return {name: value for name, value in features.to_dict().items() if name != "path"}


def test_no_server_outlives_what_started_it(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys; from tests.servers import RedisServer\n"
        "server = RedisServer(pathlib.Path(sys.argv[1])); server.start()\n"
        "print(server._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    with running(tmp_path):  # skips where there is no server
        pass
    if shutil.which("setpriv") is None:
        pytest.skip("only Linux ends children with their parent")
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=False)
    assert found.returncode == -signal.SIGKILL
    give_up = time.monotonic() + 20
    while alive(int(found.stdout)) and time.monotonic() < give_up:
        time.sleep(0.01)
    assert not alive(int(found.stdout))


def alive(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
