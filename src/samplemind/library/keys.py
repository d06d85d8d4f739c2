"""Names of keys, read as people write them: Am, F#m, Bb major, and the codes of Camelot (8A) and Open Key (1m)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

PITCH_CLASSES: Final = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
"""As in results."""
_LETTERS: Final = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_ACCIDENTALS: Final = {"": 0, "#": 1, "♯": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1}
_WRITTEN: Final = re.compile(
    r"(?P<letter>[A-Ga-g])[ _-]?(?P<accidental>sharp|flat|[#♯b♭]?)[ _-]?"
    r"(?P<mode>M(?:aj(?:or)?)?|[mM](?:in(?:or)?)?|maj(?:or)?|MAJ(?:OR)?|MIN(?:OR)?|)"
)
_WHEEL: Final = re.compile(r"(?P<hour>1[0-2]|[1-9])(?P<side>[ABabdm])")
_FIFTHS_TO_A: Final = 8
"""Hour of A minor and of C major on the Camelot wheel; on the Open Key wheel both are at 1."""
_MAJOR_ABOVE: Final = 3
"""Semitones from a minor key to its relative major."""


@dataclass(frozen=True, order=True)
class Key:
    """A key: `tonic` in semitones above C."""

    tonic: int
    minor: bool

    @property
    def name(self) -> str:
        """As in results: a tonic with sharps and the mode."""
        return f"{PITCH_CLASSES[self.tonic]} {self.mode}"

    @property
    def short(self) -> str:
        """As in file names: Am, F#."""
        return PITCH_CLASSES[self.tonic] + ("m" if self.minor else "")

    @property
    def mode(self) -> str:
        """major or minor."""
        return "minor" if self.minor else "major"

    @property
    def hour(self) -> int:
        """Its place on the Camelot wheel, 1 to 12; relative keys share it."""
        relative = (self.tonic + _MAJOR_ABOVE) % 12 if self.minor else self.tonic
        return (_FIFTHS_TO_A - 1 + 7 * relative) % 12 + 1

    @property
    def camelot(self) -> str:
        """Its code on the Camelot wheel."""
        return f"{self.hour}{'A' if self.minor else 'B'}"

    @property
    def compatible(self) -> frozenset[Key]:
        """Keys that mix with it: itself, a fifth up or down, and its relative."""
        relative = (self.tonic + (_MAJOR_ABOVE if self.minor else -_MAJOR_ABOVE)) % 12
        fifths = {Key((self.tonic + step) % 12, self.minor) for step in (-7, 0, 7)}
        return frozenset({*fifths, Key(relative, not self.minor)})


KEYS: Final = tuple(Key(tonic, minor) for tonic in range(12) for minor in (False, True))
_BY_HOUR: Final = {(key.hour, key.minor): key for key in KEYS}


def parse_key(text: str) -> Key | None:
    """The key that a text names, or None. Upper and lower case of a lone m matter: M is major."""
    written = _WRITTEN.fullmatch(text)
    if written is not None:
        tonic = _LETTERS[written["letter"].lower()] + _ACCIDENTALS[written["accidental"]]
        return Key(tonic % 12, _is_minor(written["mode"]))
    code = _WHEEL.fullmatch(text)
    if code is None:
        return None
    hour, side = int(code["hour"]), code["side"]
    if side in "dm":  # Open Key counts from C major and A minor, at 1
        return _BY_HOUR[(hour + _FIFTHS_TO_A - 2) % 12 + 1, side == "m"]
    return _BY_HOUR[hour, side in "Aa"]


def _is_minor(mode: str) -> bool:
    return mode.lower().startswith("mi") or mode == "m"
