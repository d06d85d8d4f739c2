"""What the service answers, as values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from samplemind.features.levels import AnalysisLevel
from samplemind.plain import from_plain

T = TypeVar("T")

_ACTIVE: Final = ("queued", "running")


@dataclass(frozen=True)
class Place:
    """Where a file is: below which of the folders that the service scanned, or uploaded."""

    folder: str
    path: str
    missing: bool


@dataclass(frozen=True)
class Sound:
    """What is known of a sound: what was corrected, else what was measured. None is unknown."""

    level: AnalysisLevel
    kind: str | None
    duration_s: float
    sample_rate_hz: int
    channels: int
    tempo_bpm: float | None
    tempo_confidence: float | None
    key: str | None
    camelot: str | None
    key_confidence: float | None
    loudness_lufs: float | None
    loudness_range_lu: float | None
    true_peak_dbtp: float | None
    spectral_centroid_hz: float | None
    attack_s: float | None
    harmonic_ratio: float | None
    root_midi: int | None
    tags: tuple[str, ...]
    corrected: Mapping[str, Any] = dataclasses.field(hash=False)
    """What was measured, by field, where it was corrected."""


@dataclass(frozen=True)
class Audio:
    """A sound file that the service has."""

    id: str
    """BLAKE3 of its bytes, hexadecimal."""
    name: str
    size_bytes: int
    added_at: float
    """Seconds since 1970."""
    audio_digest: str | None
    """BLAKE3 of its decoded samples. None before it is analysed."""
    error: str | None
    """Why it has no answer, as a word; None if it has one, or was not analysed yet."""
    reason: str | None
    files: tuple[Place, ...]
    sound: Sound | None
    """None before it is analysed."""


@dataclass(frozen=True)
class Job:
    """A piece of work that takes a while. Times are seconds since 1970."""

    id: str
    kind: str
    """analysis, batch or scan."""
    state: str
    """queued, running, done, failed, cancelled, or quarantined: it crashed what analysed it."""
    subject: str
    """The id of the audio, or the folder that is scanned."""
    level: AnalysisLevel | None
    totals: Mapping[str, int] | None = dataclasses.field(hash=False)
    """Of a batch or a scan: how many of what."""
    error: str | None
    reason: str | None
    created_at: float
    started_at: float | None
    ended_at: float | None

    @property
    def ended(self) -> bool:
        """Whether it will change no more."""
        return self.state not in _ACTIVE


@dataclass(frozen=True)
class Tag:
    """A tag, and how many sounds have it: with a file that is there, and without one."""

    name: str
    sounds: int
    missing: int


@dataclass(frozen=True)
class Collection:
    """A collection: how many sounds were put into it, and the query for more."""

    name: str
    items: int
    query: str | None
    created_at: float


@dataclass(frozen=True)
class Peaks:
    """Least and greatest sample of equal slices of the duration: what a waveform is drawn from."""

    sample_rate_hz: int
    duration_s: float
    channels: int
    points: int
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]


@dataclass(frozen=True)
class Identity:
    """Who is asking, by the id of their key, and what it is good for: read, write or admin."""

    id: str
    scope: str


def value_of(kind: type[T], document: object) -> T:
    """The value of a document; members that a newer service added are left out.

    Raises:
        ValueError: it has another form.
    """
    value: T = from_plain(kind, document)
    return value
