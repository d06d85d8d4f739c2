"""One contract for every tier."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from samplemind.cache import DiskTier, MemoryTier, Tier, TierState

MakeTier = Callable[[int], Tier]


@pytest.fixture(params=["memory", "disk", "redis"])
def make_tier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeTier]:
    """Make the tier with a limit in bytes."""
    made: list[Tier] = []

    def make(max_bytes: int) -> Tier:
        if request.param == "memory":
            made.append(MemoryTier(max_bytes))
        elif request.param == "disk":
            made.append(DiskTier(tmp_path / "cache.sqlite", max_bytes))
        else:
            from samplemind.cache.redis import RedisTier

            server = request.getfixturevalue("redis_server")
            server.flush()
            made.append(RedisTier(server.url, max_bytes=max_bytes, timeout_s=5.0))
        return made[-1]

    yield make
    for tier in made:
        tier.close()


def test_gives_back_what_was_put(make_tier: MakeTier) -> None:
    tier = make_tier(100_000)
    assert tier.get("a") is None
    tier.put({"a": b"\0one"})
    tier.put({"b": b"", "ключ / key": bytes(range(256))})
    assert tier.get("a") == b"\0one"
    assert tier.get("b") == b""
    assert tier.get("ключ / key") == bytes(range(256))
    assert tier.get("A") is None


def test_the_last_value_counts(make_tier: MakeTier) -> None:
    tier = make_tier(100_000)
    tier.put({"a": b"one", "b": b"b"})
    tier.put({"a": b"two!"})
    assert tier.get("a") == b"two!"
    assert dict(tier.items()) == {"a": b"two!", "b": b"b"}
    assert tier.state().entries == 2


def test_knows_what_it_holds(make_tier: MakeTier) -> None:
    tier = make_tier(1_000_000)
    assert tier.state() == TierState(0, 0, 1_000_000, 0, None, None)
    tier.put({str(number): bytes(5000) for number in range(50)})
    state = tier.state()
    assert (state.entries, state.max_bytes, state.evictions) == (50, 1_000_000, 0)
    assert 250_000 <= state.bytes < 350_000
    for age in (state.oldest_s, state.unused_s):
        assert age is None or 0 <= age < 600
    tier.put({str(number): b"" for number in range(50)})
    assert tier.state().bytes < 100_000


def test_removes_what_is_there_and_counts_it(make_tier: MakeTier) -> None:
    tier = make_tier(100_000)
    assert tier.remove(["a"]) == 0
    tier.put({"a": b"one", "b": b"two", "c": b"three"})
    assert tier.remove(key for key in ("a", "absent", "c")) == 2
    assert tier.remove([]) == 0
    assert dict(tier.items()) == {"b": b"two"}
    assert tier.remove(key for key, _ in tier.items()) == 1
    assert tier.state().entries == 0


def test_gives_all_entries(make_tier: MakeTier) -> None:
    tier = make_tier(20_000_000)
    assert list(tier.items()) == []
    entries = {str(number): os.urandom(number * 5) for number in range(1200)}
    tier.put(entries)
    assert sorted(tier.items()) == sorted(entries.items())


def test_can_be_changed_while_all_entries_are_gone_through(make_tier: MakeTier) -> None:
    tier = make_tier(20_000_000)
    tier.put({str(number): bytes(5000) for number in range(500)})
    seen = set()
    for key, _ in tier.items():
        seen.add(key)
        tier.put({key: b"new", f"new {key}": b"new"})
        tier.remove([str(int(key.removeprefix("new ")) + 250)])
    assert {str(number) for number in range(250)} <= seen
    assert all(tier.get(str(number)) == b"new" for number in range(250))


def test_clear_forgets_everything_and_counts_it(make_tier: MakeTier) -> None:
    tier = make_tier(100_000)
    assert tier.clear() == 0
    tier.put({"a": b"one"})
    tier.put({"b": b"two"})
    assert tier.clear() == 2
    assert tier.get("a") is None
    assert (tier.state().entries, tier.state().bytes, tier.state().evictions) == (0, 0, 0)
    tier.put({"a": b"again"})
    assert tier.get("a") == b"again"


def test_stays_within_its_bytes_by_dropping_what_was_unused_longest(make_tier: MakeTier) -> None:
    tier = make_tier(400_000)
    for number in range(1000):
        tier.put({str(number): bytes(1000)})
    state = tier.state()
    assert 200_000 < state.bytes <= 400_000
    assert state.evictions == 1000 - state.entries
    kept = {key for key, _ in tier.items()}
    assert kept == {str(number) for number in range(1000 - len(kept), 1000)}


def test_what_is_larger_than_the_tier_is_not_kept_and_costs_nothing_else(make_tier: MakeTier) -> None:
    tier = make_tier(100_000)
    tier.put({"a": b"one", "b": b"old"})
    tier.put({"b": bytes(200_000)})
    assert tier.get("a") == b"one"
    assert tier.get("b") != bytes(200_000)
    tier.put({"c": bytes(60_000), "d": bytes(60_000)})
    assert (tier.get("c"), tier.get("d")) == (None, None)
    assert tier.get("a") == b"one"


def test_prune_removes_down_to_a_size(make_tier: MakeTier) -> None:
    tier = make_tier(10_000_000)
    for number in range(300):
        tier.put({str(number): bytes(5000)})
    assert tier.prune(max_bytes=10_000_000) == 0
    assert tier.prune() == 0
    removed = tier.prune(max_bytes=500_000)
    assert 180 <= removed <= 240
    state = tier.state()
    assert (state.entries, state.evictions) == (300 - removed, 0)
    assert state.bytes <= 500_000
    assert tier.get("299") is not None
    assert tier.get("0") is None
    assert tier.prune(max_bytes=0) == 300 - removed
    assert tier.state().entries == 0


def test_prune_removes_what_is_unused(make_tier: MakeTier) -> None:
    tier = make_tier(1_000_000)
    assert tier.prune(unused_s=0) == 0
    tier.put({"a": b"one", "b": b"two"})
    assert tier.prune(unused_s=3600) == 0
    assert tier.prune(unused_s=0) == 2
    assert tier.get("a") is None


def test_can_be_closed_and_used_again(make_tier: MakeTier) -> None:
    tier = make_tier(100_000)
    tier.close()
    tier.put({"a": b"one"})
    tier.close()
    assert tier.get("a") == b"one"


def test_threads_use_it_at_once(make_tier: MakeTier) -> None:
    tier = make_tier(10_000_000)
    values = [bytes([number]) * (1000 + number) for number in range(8)]
    wrong: list[object] = []

    def work(number: int) -> None:
        try:
            for turn in range(25):
                tier.put({"one": values[number], f"{number} {turn}": values[number]})
                found = tier.get("one")
                if found is not None and found not in values:
                    wrong.append(found)
                if turn % 10 == number:
                    tier.remove(["one"])
                if turn % 12 == number:
                    wrong.extend(key for key, value in tier.items() if value not in values)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert all(tier.get(f"{number} {turn}") == values[number] for number in range(8) for turn in range(25))
