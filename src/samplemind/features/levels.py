"""What each analysis level computes: a level is a set of node names."""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping
from typing import Final

from samplemind.errors import LevelUnavailableError


class AnalysisLevel(enum.StrEnum):
    """How much to find out. Every level includes those before it."""

    BASIC = "basic"
    STANDARD = "standard"
    DETAILED = "detailed"
    PROFESSIONAL = "professional"

    @property
    def included(self) -> tuple[AnalysisLevel, ...]:
        """This level and all below it, lowest first."""
        levels = tuple(AnalysisLevel)
        return levels[: levels.index(self) + 1]


ADDED: Final[Mapping[AnalysisLevel, tuple[str, ...]]] = {
    AnalysisLevel.BASIC: (
        "duration_s",
        "fitting_downmix",
        "loudness_lufs",
        "peak_dbfs",
        "tempo",
        "key",
        "kind",
        "root_note",
        "waveform",
    ),
    AnalysisLevel.STANDARD: (
        "beats",
        "downbeats",
        "onsets",
        "tuning",
        "spectral_centroid_moments",
        "spectral_bandwidth_moments",
        "spectral_rolloff_moments",
        "spectral_flatness_moments",
        "spectral_contrast_moments",
        "zero_crossing_rate_moments",
        "rms_moments",
        "mfcc_moments",
        "chroma_moments",
        "attack_s",
        "decay_s",
        "similarity_vector",
    ),
    AnalysisLevel.DETAILED: (
        "harmonic_ratio",
        "band_energies",
        "loudness_range_lu",
        "loudness_momentary_max_lufs",
        "loudness_short_term_max_lufs",
        "true_peak_dbtp",
        "clipped_samples",
        "dc_offset",
        "phase_correlation",
        "leading_silence_s",
        "trailing_silence_s",
        "noise_floor_dbfs",
    ),
}
"""The nodes that each level adds to the one below. Levels that are not here can't be computed yet."""


KEPT: Final[Mapping[AnalysisLevel, tuple[str, ...]]] = {
    AnalysisLevel.BASIC: ("onsets", "beat_grid", "pitch_profile", "tuning"),
    AnalysisLevel.STANDARD: (),
    AnalysisLevel.DETAILED: (),
}
"""Small values on the way to a level's outputs that higher levels need: the cache keeps them too."""


def named_level(name: str) -> AnalysisLevel:
    """The level of this name.

    Raises:
        LevelUnavailableError: there is none.
    """
    try:
        return AnalysisLevel(name)
    except ValueError:
        raise LevelUnavailableError(f"no level is named {name!r}; there are {', '.join(AnalysisLevel)}") from None


def outputs_of(level: AnalysisLevel) -> dict[AnalysisLevel, tuple[str, ...]]:
    """The nodes of a level, by the level that adds them.

    Raises:
        LevelUnavailableError: this version can't compute the level.
    """
    if level not in ADDED:
        raise LevelUnavailableError(
            f"the level {level} is not available in this version; the highest is {list(ADDED)[-1]}"
        )
    return {each: ADDED[each] for each in level.included}


@functools.cache
def level_of(node: str) -> AnalysisLevel:
    """The lowest level that has this node."""
    return next(level for level, nodes in ADDED.items() if node in nodes)


SERIES: Final = (
    "rms",
    "zero_crossing_rate",
    "spectral_centroid",
    "spectral_bandwidth",
    "spectral_rolloff",
    "spectral_flatness",
    "spectral_contrast",
    "mfcc",
    "chroma",
    "onset_envelope",
    "tonal_chroma",
)
"""Per-frame nodes that are worth showing as they run along time, small enough to be kept whole."""
