"""A genre: how fast, in what metre, what is played when, on what.

Tempi are log-normal about what is common for a genre, cut where nobody would use its name any more. A pattern is a bar
in equal steps: ``x`` a stroke, ``X`` a strong one, ``o`` a soft one, ``?`` one that is there in half of the pieces,
``.`` none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from benchmarks.synth.scores import Voice

Patterns = tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """What one instrument plays.

    Args:
        role: "pad" (held chords), "chords", "strum", "arpeggio", "bass", "walking" or "melody".
        voices: of which one is drawn.
        low: MIDI number above which it plays.
        patterns: of which one is drawn; a pad has none.
        gate: how much of the time to the next step of the pattern a note is held.
    """

    role: str
    voices: tuple[Voice, ...]
    low: int
    patterns: Patterns = ("",)
    gate: float = 0.9


@dataclass(frozen=True)
class Genre:
    """A way to make music.

    Args:
        bpm, spread, low, high: median, deviation of the logarithm, and ends of the tempi.
        metre: 4/4, 3/4, 5/4 and 7/8 (eighths are beats) or 6/8 (two beats).
        drums: patterns of which one is drawn, by the kind of drum.
        swing: least and most share of a pair that its first note takes.
        pair: the pair's length in beats.
        family: of progressions.
        minor: share of pieces in minor keys.
        whole: share of whole-numbered tempi.
        loose_ms: deviation of strokes and notes from their places.
        varies: "ramp" or "rubato", with that share of the pieces.
    """

    name: str
    bpm: float
    spread: float
    low: float
    high: float
    drums: Mapping[str, Patterns] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    metre: str = "4/4"
    kit: str = "electronic"
    swing: tuple[float, float] = (0.5, 0.5)
    pair: float = 1.0
    family: str = "pop"
    minor: float = 0.5
    sevenths: float = 0.1
    whole: float = 0.8
    loose_ms: float = 0.0
    varies: tuple[str, float] = ("", 0.0)
    traits: frozenset[str] = frozenset()


PIANO: Final = (0, 1, 4, 5)
GUITAR: Final = (24, 25, 26, 27)
PICKED_BASS: Final = (32, 33, 34, 36)
STRINGS: Final = (48, 49, 50)
DISTORTED: Final = (29, 30)
LEADS: Final[tuple[Voice, ...]] = (80, 81, "pulse lead", "supersaw", "pluck", "bell")
MELODIC: Final[tuple[Voice, ...]] = (0, 4, 11, 12, 24, 46, "bell", "keys", "pluck")
FOUR: Final = ("X...x...x...x...",)
BACK: Final = ("....X.......X...",)
HALF: Final = ("........X.......", "........X.....?.")
SIXTEENTHS: Final = ("x.o.x.o.x.o.x.o.", "xoxoxoxoxoxoxoxo", "x.xxx.xxx.xxx.xx", "x.x.x.x.x.x.x.x.")
EIGHTHS: Final = ("x.x.x.x.x.x.x.x.", "X.o.X.o.X.o.X.o.")
OFF: Final = ("..x...x...x...x.",)
PHRASES: Final = ("x..x..x.x..x..x.", "x...x.x...x.x.x.", "..x.x...x.x.x...", "x.x...x.x.......", "x.....x...x.x...")
PAD: Final = Layer("pad", ("pad", "supersaw pad", 89, 90, 50, 48), 55)
