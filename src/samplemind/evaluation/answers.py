"""What a method says about a file, in one form for all methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from samplemind.errors import AnalysisError, CrashError, InternalError, KilledError
from samplemind.result import AudioFeatures


@dataclass(frozen=True)
class Answer:
    """What a method found in a file; None is what it did not find, or can't."""

    tempo_bpm: float | None = None
    beats_s: Sequence[float] | None = None
    downbeats_s: Sequence[float] | None = None
    onsets_s: Sequence[float] | None = None
    key: str | None = None
    """Tonic and mode: "C# minor"."""
    midi: float | None = None
    """Pitch of a single note: 69 is A4, 69.5 a quarter tone more."""
    loudness_lufs: float | None = None
    momentary_max_lufs: float | None = None
    range_lu: float | None = None
    true_peak_dbtp: float | None = None
    vector: Sequence[float] | None = None
    """Point of a space in which near means alike."""
    sample_rate_hz: int | None = None
    channels: int | None = None
    frames: int | None = None
    is_handled: bool = True
    """Whether it came to an end of itself: an answer, or a reason why there is none."""


def answer_of(found: AudioFeatures | AnalysisError) -> Answer:
    """What samplemind says."""
    if isinstance(found, AnalysisError):
        return Answer(is_handled=not isinstance(found, CrashError | KilledError | InternalError))
    return Answer(
        tempo_bpm=found.tempo_bpm,
        beats_s=found.beats_s,
        downbeats_s=found.downbeats_s,
        onsets_s=found.onsets_s,
        key=f"{found.key} {found.mode}" if found.key is not None else None,
        midi=found.root_midi + (found.root_cents or 0.0) / 100 if found.root_midi is not None else None,
        loudness_lufs=found.loudness_lufs,
        momentary_max_lufs=found.loudness_momentary_max_lufs,
        range_lu=found.loudness_range_lu,
        true_peak_dbtp=found.true_peak_dbtp,
        vector=found.similarity_vector,
        sample_rate_hz=found.sample_rate_hz,
        channels=found.channels,
        frames=round(found.duration_s * found.sample_rate_hz),
    )
