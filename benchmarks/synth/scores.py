"""What a piece consists of, and what is therefore true of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

SAMPLE_RATE: Final = 44_100
NAMES: Final = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
SLOW_PROGRAMS: Final = frozenset({*range(16, 24), *range(40, 46), *range(48, 55), *range(56, 80), *range(88, 104)})
"""General MIDI's organs, bowed and blown instruments and pads: their notes swell, so onsets can't be marked."""
SLOW_TONES: Final = frozenset({"pad", "supersaw pad", "wobble"})
MERGED_S: Final = 0.025
"""Notes closer than this make one onset: a strummed chord, a hit by two hands."""

Voice = int | str
"""A program of General MIDI, from 0, or one of our own `tones`."""


@dataclass(frozen=True)
class Note:
    """A tone of one part of a piece."""

    start_s: float
    end_s: float
    midi: int
    velocity: float
    """From 0 to 1."""
    part: int
    """Which of the item's voices plays it."""


@dataclass(frozen=True)
class Hit:
    """A stroke on a drum."""

    start_s: float
    kind: str
    """One of `drums.KINDS`."""
    velocity: float
    """From 0 to 1."""


@dataclass(frozen=True)
class Beat:
    """A beat, and which one of its bar it is, from 1."""

    time_s: float
    number: int


@dataclass(frozen=True)
class Finish:
    """What is done to the sound of a piece; None and 0 are nothing."""

    gain_db: float = -3.0
    """Of the highest peak, to full scale."""
    drums_share: float = 0.5
    """Of drums in the mix."""
    low_pass_hz: float | None = None
    high_pass_hz: float | None = None
    drive: float = 0.0
    reverb_s: float = 0.0
    reverb_share: float = 0.0
    noise_db: float | None = None
    pump: float = 0.0
    """How far kicks press down all else, from 0 to 1."""
    fade_s: float = 0.0
    channels: int = 1
    suffix: str = "wav"
    """Format of the file: wav, flac, ogg or mp3."""


@dataclass(frozen=True)
class Item:
    """A piece of labelled sound: all that it takes to render it, and all that is true of it.

    Times are seconds from the start of the file; notes may start before, and are heard from there on.
    """

    seed: int
    index: int
    form: str
    """One of `forms.FORMS`."""
    duration_s: float
    genre: str = ""
    traits: frozenset[str] = frozenset()
    bpm: float | None = None
    """Beats a minute, of the whole piece; None where there is none, or where it changes too much to be one number."""
    beats: tuple[Beat, ...] = ()
    notes: tuple[Note, ...] = ()
    hits: tuple[Hit, ...] = ()
    voices: tuple[Voice, ...] = ()
    kit: str = ""
    cents: float = 0.0
    """How far all tones are from a tuning of A4 to 440 Hz."""
    key: str | None = None
    chord: str | None = None
    midi: int | None = None
    """Of the one note that sounds."""
    drum: str | None = None
    """Class of the one stroke that sounds."""
    wraps: bool = False
    """Whether what rings on at the end sounds at the start: a loop without a seam."""
    finish: Finish = field(default_factory=Finish)

    @property
    def frames(self) -> int:
        """Length in samples."""
        return round(self.duration_s * SAMPLE_RATE)

    @property
    def onsets(self) -> tuple[float, ...] | None:
        """Where something begins, each time at least `MERGED_S` after the last; None where beginnings are too soft."""
        if any(voice in SLOW_PROGRAMS or voice in SLOW_TONES for voice in self.voices):
            return None
        merged: list[float] = []
        for time in sorted([*(note.start_s for note in self.notes), *(hit.start_s for hit in self.hits)]):
            if 0 <= time < self.duration_s and (not merged or time - merged[-1] >= MERGED_S):
                merged.append(time)
        return tuple(merged)
