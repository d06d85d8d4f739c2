"""Names and codes of keys, against the two wheels written out."""

from __future__ import annotations

import pytest

from samplemind.library.keys import KEYS, Key, parse_key

# name, other spelling of the same key, Camelot, Open Key: from the printed wheels
WHEEL = [
    row.split()
    for row in """
    Abm  G#m  1A   6m
    Ebm  D#m  2A   7m
    Bbm  A#m  3A   8m
    Fm   E#m  4A   9m
    Cm   B#m  5A   10m
    Gm   Gm   6A   11m
    Dm   Dm   7A   12m
    Am   Am   8A   1m
    Em   Fbm  9A   2m
    Bm   Cbm  10A  3m
    F#m  Gbm  11A  4m
    C#m  Dbm  12A  5m
    B    Cb   1B   6d
    F#   Gb   2B   7d
    Db   C#   3B   8d
    Ab   G#   4B   9d
    Eb   D#   5B   10d
    Bb   A#   6B   11d
    F    E#   7B   12d
    C    B#   8B   1d
    G    G    9B   2d
    D    D    10B  3d
    A    A    11B  4d
    E    Fb   12B  5d
    """.strip().splitlines()
]
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def key_of(spelled: str) -> Key:
    """By counting semitones, apart from the code under test."""
    tonic = SEMITONES[spelled[0]] + spelled.count("#") - spelled.count("b")
    return Key(tonic % 12, spelled.endswith("m"))


def test_the_table_has_every_key_once() -> None:
    assert {key_of(row[0]) for row in WHEEL} == set(KEYS)
    assert len(KEYS) == len(WHEEL) == 24


@pytest.mark.parametrize(("spelled", "enharmonic", "camelot", "open_key"), WHEEL)
def test_every_way_to_write_a_key(spelled: str, enharmonic: str, camelot: str, open_key: str) -> None:
    key = key_of(spelled)
    for text in (spelled, enharmonic, camelot, camelot.lower(), open_key):
        assert parse_key(text) == key, text
    root = spelled.removesuffix("m")
    modes = ("m", "min", "Min", "MIN", "minor", " minor", "_minor", "-min") if key.minor else ("", "M", "maj", " major")
    for mode in modes:
        assert parse_key(root + mode) == key, root + mode
    assert parse_key(root.lower() + (" minor" if key.minor else " major")) == key


@pytest.mark.parametrize(("spelled", "_enharmonic", "camelot", "_open_key"), WHEEL)
def test_codes_and_round_trips(spelled: str, _enharmonic: str, camelot: str, _open_key: str) -> None:
    key = key_of(spelled)
    assert key.camelot == camelot
    assert key.hour == int(camelot[:-1])
    assert parse_key(key.name) == parse_key(key.short) == parse_key(key.camelot) == key


@pytest.mark.parametrize(("spelled", "_enharmonic", "camelot", "_open_key"), WHEEL)
def test_compatible_keys_are_the_neighbours_on_the_wheel(
    spelled: str, _enharmonic: str, camelot: str, _open_key: str
) -> None:
    hour, side = int(camelot[:-1]), camelot[-1]
    neighbours = {f"{hour % 12 + 1}{side}", f"{(hour - 2) % 12 + 1}{side}", f"{hour}{'B' if side == 'A' else 'A'}"}
    by_code = {row[2]: key_of(row[0]) for row in WHEEL}
    assert key_of(spelled).compatible == {key_of(spelled)} | {by_code[code] for code in neighbours}


def test_names() -> None:
    assert Key(10, True).name == "A# minor"
    assert Key(0, False).name == "C major"
    assert Key(6, True).short == "F#m"
    assert Key(6, False).short == "F#"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("F sharp minor", "F# minor"),
        ("Bflat", "A# major"),
        ("B flat major", "A# major"),
        ("E♭m", "D# minor"),
        ("C♯", "C# major"),
        ("AM", "A major"),
        ("Am", "A minor"),
        ("bb minor", "A# minor"),
        ("b minor", "B minor"),
    ],
)
def test_other_spellings(text: str, name: str) -> None:
    key = parse_key(text)
    assert key is not None
    assert key.name == name


@pytest.mark.parametrize(
    "text",
    ["", "H", "Hm", "Am7", "Add", "Be", "C3", "0A", "13A", "8C", "8", "A8", "Cdim", "Csus4", "minor", "m", "#", "Am\n"],
)
def test_what_is_no_key(text: str) -> None:
    assert parse_key(text) is None
