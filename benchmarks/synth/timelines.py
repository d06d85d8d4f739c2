"""From beats to seconds: steady, swinging, getting faster, breathing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_PER_BEAT: Final = 48
"""Points a beat at which a changing tempo is summed."""


@dataclass(frozen=True)
class Timeline:
    """When beats are.

    Args:
        bpm: beats a minute; where the tempo changes, at its middle.
        ratios: the tempo at every 1/48 beat, over `bpm`; None for a steady one.
    """

    bpm: float
    ratios: tuple[float, ...] | None = None

    def seconds(self, beats: float) -> float:
        """When a beat is, counted from 0, fractions between; before and after the ratios the tempo is steady."""
        steady = 60.0 / self.bpm
        if self.ratios is None:
            return beats * steady
        sums = self._sums()
        place = beats * _PER_BEAT
        last = len(sums) - 1
        if place <= 0:
            return beats * steady / self.ratios[0]
        if place >= last:
            return (float(sums[-1]) + (place - last) / _PER_BEAT / self.ratios[-1]) * steady
        return float(np.interp(place, np.arange(last + 1), sums)) * steady

    def _sums(self) -> NDArray[np.float64]:
        known: NDArray[np.float64] | None = self.__dict__.get("_known")
        if known is None:
            known = np.concatenate([[0.0], np.cumsum(1.0 / np.asarray(self.ratios)) / _PER_BEAT])
            self.__dict__["_known"] = known
        return known


def steady(bpm: float) -> Timeline:
    """One tempo throughout."""
    return Timeline(bpm)


def ramp(bpm: float, beats: float, change: float) -> Timeline:
    """A tempo that grows by a factor over so many beats, evenly in its logarithm."""
    points = np.linspace(-0.5, 0.5, max(2, round(beats * _PER_BEAT)))
    return Timeline(bpm, tuple((change**points).tolist()))


def rubato(bpm: float, beats: float, depth: float, rng: np.random.Generator) -> Timeline:
    """A tempo that breathes over phrases of two to eight beats, by a share of `depth` to both sides, and comes back."""
    place = np.arange(max(2, round(beats * _PER_BEAT))) / _PER_BEAT
    swings = [np.sin(2 * np.pi * (place / rng.uniform(2, 8) + rng.uniform())) * rng.uniform(0.3, 1) for _ in range(3)]
    breath = np.sum(swings, axis=0)
    breath -= breath.mean()
    return Timeline(bpm, tuple(np.exp(depth * breath / max(1e-9, float(np.abs(breath).max()))).tolist()))


def swung(beats: float, share: float, pair: float) -> float:
    """Where a place in even time is in swing.

    Args:
        beats: the place.
        share: of a pair of notes that the first takes: 0.5 is even, 2/3 a triplet's.
        pair: the pair's length in beats: 1 for swinging eighths, 0.5 for sixteenths.
    """
    whole, part = divmod(beats / pair, 1.0)
    bent = 2 * part * share if part < 0.5 else share + (2 * part - 1) * (1 - share)
    return (whole + bent) * pair
