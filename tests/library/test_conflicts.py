from __future__ import annotations

import pytest

from samplemind.library.conflicts import Conflict, key_conflict, tempo_conflict
from samplemind.library.keys import parse_key


@pytest.mark.parametrize(
    ("named", "measured", "relation"),
    [
        (120.0, 60.0, "half"),
        (87.0, 174.0, "double"),
        (120.0, 80.0, "2/3"),
        (80.0, 120.0, "3/2"),
        (120.0, 90.0, "3/4"),
        (90.0, 120.0, "4/3"),
        (174.0, 88.2, "half"),
        (120.0, 123.0, "other"),
        (120.0, 117.0, "other"),
        (120.0, 100.0, "other"),
        (120.0, 480.0, "other"),
    ],
)
def test_tempi_that_disagree(named: float, measured: float, relation: str) -> None:
    assert tempo_conflict(named, measured) == Conflict("tempo", named, measured, relation)


@pytest.mark.parametrize(("named", "measured"), [(120.0, 120.0), (120.0, 122.3), (120.0, 117.7), (174.0, 173.92)])
def test_tempi_that_agree(named: float, measured: float) -> None:
    assert tempo_conflict(named, measured) is None


@pytest.mark.parametrize(
    ("named", "measured", "relation"),
    [
        ("Am", "C", "relative"),
        ("C", "Am", "relative"),
        ("F#", "Ebm", "relative"),
        ("Am", "A", "parallel"),
        ("C", "Cm", "parallel"),
        ("C", "G", "fifth"),
        ("C", "F", "fifth"),
        ("Am", "Em", "fifth"),
        ("Bm", "F#m", "fifth"),
        ("C", "Em", "other"),
        ("C", "D", "other"),
        ("C", "F#", "other"),
        ("Am", "G", "other"),
    ],
)
def test_keys_that_disagree(named: str, measured: str, relation: str) -> None:
    one, other = parse_key(named), parse_key(measured)
    assert one is not None
    assert other is not None
    assert key_conflict(one, other) == Conflict("key", one, other, relation)


def test_the_same_key_agrees_however_it_is_spelled() -> None:
    assert key_conflict(parse_key("Bbm"), parse_key("A# minor")) is None


def test_what_is_unknown_contradicts_nothing() -> None:
    assert tempo_conflict(None, 120.0) is None
    assert tempo_conflict(120.0, None) is None
    assert tempo_conflict(None, None) is None
    assert key_conflict(None, parse_key("C")) is None
    assert key_conflict(parse_key("C"), None) is None
