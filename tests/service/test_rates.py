"""Buckets of tokens, by a clock of the test's own."""

from __future__ import annotations

import pytest

from samplemind.service import rates
from samplemind.service.rates import Rates, neighbourhood


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_empties_and_fills() -> None:
    clock = Clock()
    buckets = Rates(0.5, 2, clock)
    assert [buckets.wait_s("a") for _ in range(4)] == [0, 0, 2, 2]
    assert buckets.wait_s("b") == 0
    clock.now = 1.0
    assert buckets.wait_s("a") == 1
    clock.now = 2.0
    assert [buckets.wait_s("a") for _ in range(2)] == [0, 2]
    clock.now = 1000.0
    assert [buckets.wait_s("a") for _ in range(3)] == [0, 0, 2]


def test_who_asked_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_BUCKETS", 2)
    buckets = Rates(1.0, 1, Clock())
    assert [buckets.wait_s(name) for name in "abacab"] == [0, 0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix", "unix"),
    ],
)
def test_neighbourhood(address: str, name: str) -> None:
    assert neighbourhood(address) == name
