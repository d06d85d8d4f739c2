"""The short form of the library's campaign."""

from __future__ import annotations

from tests.campaigns import library_kill


def test_scans_that_are_killed_lose_nothing() -> None:
    total = library_kill.run(150, 3)
    assert total["killed"] >= 3
    assert total["set"] > 0
    wrong = ("damaged", "twice", "lost", "again", "missing", "failed")
    assert [total[what] for what in wrong] == [0] * len(wrong)
