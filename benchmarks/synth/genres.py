"""All genres."""

from __future__ import annotations

from typing import Final

from benchmarks.synth.club import CLUB
from benchmarks.synth.dances import DANCES
from benchmarks.synth.genre import Genre
from benchmarks.synth.songs import SONGS

GENRES: Final[tuple[Genre, ...]] = (*CLUB, *SONGS, *DANCES)
