"""Keys, chords on their degrees, and progressions as genres use them."""

from __future__ import annotations

from typing import Final

MAJOR: Final = (0, 2, 4, 5, 7, 9, 11)
MINOR: Final = (0, 2, 3, 5, 7, 8, 10)
_LEADING: Final = 11
"""Semitones from the tonic of a minor key to the note that leads back to it, in the chord on the fifth degree."""

Progression = tuple[int, ...]
"""Degrees of the scale, from 1, one a change."""

PROGRESSIONS: Final[dict[str, dict[str, tuple[Progression, ...]]]] = {
    "pop": {
        "major": ((1, 5, 6, 4), (1, 6, 4, 5), (1, 4, 5, 4), (1, 4, 6, 5), (1, 3, 4, 5), (1, 2, 4, 1), (1, 4, 1, 5)),
        "minor": ((1, 6, 3, 7), (1, 7, 6, 7), (1, 4, 6, 5), (1, 6, 4, 5), (1, 4, 7, 3), (1, 1, 6, 7), (1, 3, 7, 4)),
    },
    "club": {
        "major": ((1,), (1, 4), (1, 1, 4, 5), (1, 5, 6, 4), (1, 1, 4, 4)),
        "minor": ((1,), (1, 1, 1, 7), (1, 7), (1, 6), (1, 4), (1, 6, 3, 7), (1, 1, 6, 7), (1, 1, 4, 5)),
    },
    "jazz": {
        "major": ((1, 6, 2, 5), (2, 5, 1, 1), (1, 4, 3, 6, 2, 5, 1, 1), (1, 2, 3, 2)),
        "minor": ((1, 4, 2, 5), (2, 5, 1, 1), (1, 6, 2, 5), (1, 1, 4, 5)),
    },
    "classical": {
        "major": ((1, 4, 5, 1), (1, 5, 1, 5), (1, 6, 2, 5), (1, 2, 5, 1), (1, 5, 6, 3, 4, 1, 4, 5)),
        "minor": ((1, 4, 5, 1), (1, 5, 1, 5), (1, 6, 4, 5), (1, 4, 1, 5), (1, 2, 5, 1)),
    },
    "blues": {
        "major": ((1, 4, 1, 1, 4, 4, 1, 1, 5, 4, 1, 5), (1, 1, 4, 1, 5, 4, 1, 1)),
        "minor": ((1, 1, 1, 1, 4, 4, 1, 1, 6, 5, 1, 1), (1, 4, 1, 5)),
    },
}


def scale(mode: str, *, leading: bool = False) -> tuple[int, ...]:
    """Semitones of a mode's seven degrees above its tonic; a minor one with the leading note, if it is asked for."""
    if mode == "major":
        return MAJOR
    return (*MINOR[:6], _LEADING) if leading else MINOR


def chord(mode: str, degree: int, voices: int) -> tuple[int, ...]:
    """Semitones above the tonic of thirds stacked on a degree, from its root up; a minor key's fifth is major.

    Args:
        mode: major or minor.
        degree: from 1.
        voices: 3 for a triad, 4 for a chord of the seventh.
    """
    steps = scale(mode, leading=degree == 5)
    return tuple(steps[(degree - 1 + 2 * k) % 7] + 12 * ((degree - 1 + 2 * k) // 7) for k in range(voices))


def pitch_classes(tonic: int, mode: str) -> frozenset[int]:
    """Every pitch class that a piece in a key may have."""
    return frozenset((tonic + step) % 12 for step in (*scale(mode), *scale(mode, leading=True)))
