"""How fast the music goes.

    pulse (onsets.py) ──▶ tempo_candidates ──▶ beat_grid (beats.py) ──▶ tempo

The candidates say which metrical level is the beat; the grid measures its period on all beats at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from samplemind.features.beats import BeatGrid
from samplemind.features.tempo_candidates import TempoCandidates

FRACTIONS: Final = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 4 / 3, 3 / 2, 2.0, 3.0, 4.0)
"""Ratios of other metrical levels to the beat."""
SAME_LEVEL: Final = 0.01
"""A candidate this close to such a ratio is that level of the beat: candidates are known to 0.3 %."""


@dataclass(frozen=True)
class Tempo:
    """Tempo of a sound."""

    bpm: float
    """Beats per minute."""
    confidence: float
    """0 to 1: the probability of this tempo among the candidates, times how exactly the sound repeats."""
    candidates: tuple[tuple[float, float], ...]
    """Tempo in beats per minute and probability, best first; the probabilities sum to 1."""


def tempo(tempo_candidates: TempoCandidates, beat_grid: BeatGrid) -> Tempo:
    """Tempo in beats per minute, measured on the beat grid, with confidence and the other candidates.

    Candidates in a simple ratio to the beat (its half, double, third …) are stated as exactly as the tempo.
    """
    bpm = 60 / beat_grid.period_s
    exact = bpm * np.array(FRACTIONS)
    candidates = [(bpm, float(tempo_candidates.probability[0]))]
    for other, probability in zip(tempo_candidates.bpm[1:], tempo_candidates.probability[1:], strict=True):
        nearest = exact[np.abs(exact / other - 1).argmin()]
        close = abs(nearest / other - 1) < SAME_LEVEL
        candidates.append((float(nearest if close else other), float(probability)))
    return Tempo(bpm, candidates[0][1] * tempo_candidates.clarity, tuple(candidates))
