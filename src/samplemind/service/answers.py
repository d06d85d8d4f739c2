"""What the service answers: the forms that its OpenAPI document describes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

Level = Literal["basic", "standard", "detailed"]
"""The levels that can be computed."""
Digest = Field(pattern="^[0-9a-f]{64}$")


class FileOut(BaseModel):
    """Where a sound is: below which of the folders that were scanned, or uploaded."""

    folder: str
    path: str
    missing: bool


class SoundOut(BaseModel):
    """What is known of a sound: what was corrected, else what was measured. None is unknown."""

    level: Level
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
    corrected: dict[str, Any]
    """What was measured, by field, where it was corrected."""
    tags: list[str]


class AudioOut(BaseModel):
    """A sound file."""

    id: str = Digest
    """BLAKE3 of its bytes, hexadecimal."""
    name: str
    size_bytes: int
    added_at: float
    """Seconds since 1970."""
    audio_digest: str | None
    """BLAKE3 of its decoded samples: the same for all files of one sound. None before it is analysed."""
    error: str | None
    """Why it has no answer, as a word; None if it has one, or was not analysed yet."""
    reason: str | None
    files: list[FileOut]
    sound: SoundOut | None
    """None before it is analysed."""


class AudioPage(BaseModel):
    """Some of what was found; `cursor` asks for the next, None if this is the last."""

    items: list[AudioOut]
    cursor: str | None


class JobOut(BaseModel):
    """A piece of work that takes a while."""

    id: str
    kind: str
    """analysis, batch or scan."""
    state: str
    """queued, running, done, failed, cancelled or quarantined: it crashed what analysed it."""
    subject: str
    """The id of the audio, or the folder that is scanned."""
    level: Level | None
    totals: dict[str, int] | None
    """Of a batch or a scan: how many of what."""
    error: str | None
    """Why it failed, or what a scan left out."""
    reason: str | None
    """The same in words."""
    created_at: float
    started_at: float | None
    ended_at: float | None


class JobPage(BaseModel):
    """Some jobs, the latest first; `cursor` asks for the next, None if these are the last."""

    items: list[JobOut]
    cursor: str | None


class BatchIn(BaseModel, extra="forbid"):
    """What a batch analyses: audio that is there, or a folder of the server that its operator allows."""

    ids: list[str] | None = Field(default=None, min_length=1, max_length=10_000)
    root: str | None = Field(default=None, max_length=4096)
    level: Level = "standard"


class KeyIn(BaseModel, extra="forbid"):
    """A key that is shown."""

    key: str = Field(max_length=200)


class SessionOut(BaseModel):
    """Who is signed in."""

    id: str
    scope: str


class CorrectionsIn(BaseModel, extra="forbid"):
    """What a user knows better; None takes a correction back, what is left out stays."""

    tempo: float | str | None = None
    key: str | None = Field(default=None, max_length=100)
    kind: str | None = Field(default=None, max_length=100)


class TagOut(BaseModel):
    """A tag, and how many sounds have it: with a file that is there, and without one."""

    name: str
    sounds: int
    missing: int


class CollectionIn(BaseModel, extra="forbid"):
    """What a collection finds beside the sounds that are put into it."""

    query: str | None = Field(default=None, max_length=4096)


class CollectionOut(BaseModel):
    """A collection: how many sounds were put into it, and the query for more."""

    name: str
    items: int
    query: str | None
    created_at: float


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


class Peaks(BaseModel):
    """Least and greatest sample of equal slices of the duration: what a waveform is drawn from."""

    sample_rate_hz: int
    duration_s: float
    channels: int
    points: int
    minimum: list[float]
    maximum: list[float]
