"""Where the name of a file says something else than was measured."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from samplemind.library.keys import Key

TOLERANCE: Final = 0.02
"""Names round tempi, and loops are cut a little short or long; the nearest other beat level is 25 % away."""
_MULTIPLES: Final = {
    "half": Fraction(1, 2),
    "double": Fraction(2),
    "2/3": Fraction(2, 3),
    "3/2": Fraction(3, 2),
    "3/4": Fraction(3, 4),
    "4/3": Fraction(4, 3),
}
"""Other levels of the same beat: what is measured, as a multiple of what is named."""
_FIFTH: Final = 7


@dataclass(frozen=True)
class Conflict:
    """A value in a name that the measured one contradicts.

    Args:
        field: tempo, in beats per minute, or key.
        named: what the name says.
        measured: what the sound says.
        relation: what the measured value is to the named one. Of a tempo: half, double, 2/3, 3/2, 3/4, 4/3, or other.
            Of a key: relative (the same notes), parallel (the same tonic), fifth (a fifth up or down), or other.
    """

    field: Literal["tempo", "key"]
    named: float | Key
    measured: float | Key
    relation: str


def tempo_conflict(named: float | None, measured: float | None) -> Conflict | None:
    """The conflict of two tempi in beats per minute; None if they agree within 2 %, or one is unknown."""
    if named is None or measured is None or _agree(named, measured):
        return None
    relations = (name for name, multiple in _MULTIPLES.items() if _agree(named * float(multiple), measured))
    return Conflict("tempo", named, measured, next(relations, "other"))


def key_conflict(named: Key | None, measured: Key | None) -> Conflict | None:
    """The conflict of two keys; None if they are the same, or one is unknown."""
    if named is None or measured is None or named == measured:
        return None
    return Conflict("key", named, measured, _key_relation(named, measured))


def _agree(expected: float, measured: float) -> bool:
    return abs(measured - expected) <= TOLERANCE * expected


def _key_relation(named: Key, measured: Key) -> str:
    if named.tonic == measured.tonic:
        return "parallel"
    if named.minor == measured.minor:
        return "fifth" if (measured.tonic - named.tonic) % 12 in (_FIFTH, 12 - _FIFTH) else "other"
    return "relative" if named.hour == measured.hour else "other"
