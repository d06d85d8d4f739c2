"""Where the beats fall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.regression import GridFit, steady_grid
from samplemind.dsp.sequences import beat_path
from samplemind.features.onsets import Pulse
from samplemind.features.streams import FRAME_RATE
from samplemind.features.tempo_candidates import LOOP_BEATS, LOOP_SECONDS, TempoCandidates
from samplemind.graph import Unknown, node

Float64 = NDArray[np.float64]

TIGHTNESS: Final = 100.0
"""Cost of uneven steps between beats, for onset strength of deviation 1: librosa's default for this method."""
QUIETEST_BAND: Final = 0.03
"""Floor of a band's deviation, as a share of the mean deviation: a band that holds only noise stays out. Real beats
come out alike from 0.01 to 0.2."""
SEARCH_FRAMES: Final = 2
"""Frames around a beat of the tracker in which the onset that it stands for is looked for: 23 ms."""
STEADY_SHARE: Final = 0.8
"""A grid is steady when this share of the onset strength at the beats lies on it (from 0.7 to 0.85 real sounds come out
alike) …"""
STEADY_DEVIATION_S: Final = 0.012
"""… this closely: about one frame. Beats that fall anywhere within the tolerance of 35 ms deviate by 20 ms."""
STEADY_PART: Final = 0.45
"""In every quarter of the sound, this share of the onset strength must also lie on sixteenths of the grid, or the tempo
changes within it: then at most 0.4 does, of rendered patterns and real music that keep their tempo at least 0.5 …"""
SIXTEENTH_TOLERANCE_S: Final = 0.02
"""… this closely. By chance a third does at 120 bpm."""
PARTS: Final = 4
PART_ONSETS: Final = 6
"""A quarter with fewer onsets, or with less than half of the usual strength, says nothing: breaks, quiet beginnings."""
LOW_BAND: Final = 2.0
"""How much more the low band counts where the beat and the off-beat are told apart: a kick on every beat then outdoes
accents between. From 3 on, kicks between the beats draw them away."""
RISE_FRAMES: Final = (2, 5)
"""Frames before and after a point of the grid in which what sets in counts for it: bass takes its time to rise, so that
a kick's low band comes up to 60 ms after its click. From 3 to 8 frames after, real beats come out alike."""
USUAL_STEP: Final = 0.2
"""Steps between beats that differ from the period by a larger share, where the tracker caught up, don't count. From 0.1
to 0.3 all is alike."""
PERIOD_AGREEMENT: Final = 0.02
"""How far the mean step of unsteady beats may be from the tempo that they were tracked with, to correct it."""
LOOP_ERRORS: Final = 3.0
"""Standard errors within which a steady grid that fits a whole loop takes its period from the loop's length."""
LOOP_TOLERANCE: Final = 0.03
"""The same for beats that are not steady, as a share of the length."""


@dataclass(frozen=True)
class BeatGrid:
    """The beats of a sound."""

    times: Float64
    """Shape (beats,), seconds, ascending."""
    period_s: float
    """Seconds from beat to beat: of the grid, or the mean where the beats are not steady."""
    steady: bool
    """The beats lie on one grid of equal steps, and `times` is that grid."""


@node(version=2)
def beat_grid(pulse: Pulse, onsets: Float64, tempo_candidates: TempoCandidates, duration_s: float) -> BeatGrid:
    """Beats at the likeliest tempo, on an exact grid where the sound keeps one.

    Dynamic programming finds the steadiest sequence of strong onsets. If a regression over all its beats leaves
    them close to one grid, the grid replaces them, on the half of the beat where more sets in; and if it fits the
    length of a loop to within its error, the loop gives the period. Otherwise the tracked beats stay.

    Source: D. Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36(1), 2007.
    """
    strength = _evened(pulse.strength)
    period = 60 / float(tempo_candidates.bpm[0])
    times, weights = _tracked(strength, period)
    times += pulse.start_s
    fit = steady_grid(times, weights, period)
    steady = fit.share >= STEADY_SHARE and fit.deviation <= STEADY_DEVIATION_S
    if not steady or not _fits_throughout(fit, onsets, strength, pulse.start_s):
        period = _whole_loop(_mean_step(times, period), LOOP_TOLERANCE, onsets, duration_s)
        return BeatGrid(times, period, steady=False)
    exact = _whole_loop(fit.period, LOOP_ERRORS * fit.period_error / fit.period, onsets, duration_s)
    strength += LOW_BAND * _evened(pulse.strength[:, :1])
    return BeatGrid(_grid_times(fit, exact, strength, onsets, pulse.start_s), exact, steady=True)


def beats(beat_grid: BeatGrid) -> Float64:
    """Times of the beats in seconds, shape (beats,), ascending."""
    return beat_grid.times


def downbeats(beats: Float64) -> Float64 | Unknown:
    """Times of the first beats of the bars, in seconds: not known yet.

    Which beat of the bar comes first is not told by onset strength alone; nothing better has been measured.
    """
    return Unknown(f"no method for downbeats has been found reliable yet ({len(beats)} beats)")


def _evened(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Onset strength in which all bands count alike, shape (frames,), with deviation 1."""
    deviation = np.sqrt(np.einsum("ij,ij->j", bands, bands, dtype=np.float64) / len(bands))
    weights = 1 / np.maximum(deviation, QUIETEST_BAND * deviation.mean())
    # Not a matrix product, which would start threads for a long sound.
    summed = np.einsum("ij,j->i", bands, weights.astype(np.float32))
    return np.ascontiguousarray(summed / summed.std(), dtype=np.float32)


def _tracked(strength: NDArray[np.float32], period: float) -> tuple[Float64, Float64]:
    """Times in seconds of the tracked beats, each at the onset that it stands for, and their strengths."""
    path = beat_path(strength, period * FRAME_RATE, TIGHTNESS)
    margin = SEARCH_FRAMES + 1
    padded = np.pad(strength, margin, constant_values=-np.inf)
    around = np.stack([padded[path + shift] for shift in range(1, 2 * margin)], axis=1)
    frames = path + around.argmax(axis=1) - SEARCH_FRAMES
    left, middle, right = (padded[frames + margin + shift].astype(np.float64) for shift in (-1, 0, 1))
    inner = np.isfinite(left) & np.isfinite(right) & (2 * middle > left + right)
    left, right = np.where(inner, left, 0.0), np.where(inner, right, 0.0)
    curvature = np.where(inner, 2 * middle - left - right, 1.0)
    offset = np.where(inner, (right - left) / (2 * curvature), 0.0)
    onset = middle > 0.0
    times = np.where(onset, frames + np.clip(offset, -0.5, 0.5), path) / FRAME_RATE
    return times, np.maximum(middle, 0.0)


def _fits_throughout(fit: GridFit, onsets: Float64, strength: NDArray[np.float32], start_s: float) -> bool:
    """Whether in each quarter of the sound the onsets speak for the grid."""
    strengths = np.maximum(_at(strength, onsets - start_s), 0.0)
    sixteenths = (onsets - fit.offset) / (fit.period / 4)
    near = np.abs(sixteenths - np.round(sixteenths)) * (fit.period / 4) < SIXTEENTH_TOLERANCE_S
    part = np.minimum(PARTS * (onsets - onsets[0]) / (onsets[-1] - onsets[0]), PARTS - 1).astype(np.intp)
    total, fitting = np.bincount(part, strengths, PARTS), np.bincount(part, strengths * near, PARTS)
    telling = (np.bincount(part, minlength=PARTS) >= PART_ONSETS) & (total >= total.mean() / 2)
    return bool(np.all(fitting[telling] >= STEADY_PART * total[telling]))


def _at(strength: NDArray[np.floating], times: Float64) -> Float64:
    """Onset strength at times from its first frame, between frames too."""
    frames = np.clip(times * FRAME_RATE, 0, len(strength) - 1)
    before = frames.astype(np.intp)
    after = np.minimum(before + 1, len(strength) - 1)
    return np.asarray(strength[before] + (frames - before) * (strength[after] - strength[before]), np.float64)


def _mean_step(times: Float64, period: float) -> float:
    """Mean step between beats, if it agrees with the tempo; the tempo's own period otherwise."""
    steps = np.diff(times)
    usual = steps[np.abs(steps / period - 1) < USUAL_STEP]
    mean = float(usual.mean()) if usual.size else period
    return mean if abs(mean / period - 1) < PERIOD_AGREEMENT else period


def _whole_loop(period: float, tolerance: float, onsets: Float64, duration_s: float) -> float:
    """The period that makes the sound a whole loop, if it is no farther off than the tolerance."""
    for length in (duration_s, duration_s - float(onsets[0])):
        count = round(length / period)
        if length <= LOOP_SECONDS and count in LOOP_BEATS and abs(count * period / length - 1) < tolerance:
            return length / count
    return period


def _grid_times(fit: GridFit, period: float, strength: NDArray[np.float32], onsets: Float64, start_s: float) -> Float64:
    """Points of the grid from the first to the last onset, on the half of the beat where more sets in."""
    start, stop = float(onsets[0]), float(onsets[-1])
    before, after = RISE_FRAMES
    summed = np.cumsum(np.pad(strength, (before + 1, after)), dtype=np.float64)
    rises = summed[before + after + 1 :] - summed[: -before - after - 1]
    # The fit is surest near its middle: turn the period there.
    middle = round((start + stop) / 2 / fit.period - fit.offset / fit.period)
    pivot = fit.offset + middle * fit.period
    halves = []
    for offset in (pivot, pivot + period / 2):
        low, high = np.ceil((start - offset) / period - 0.1), np.floor((stop - offset) / period + 0.1)
        times = np.maximum(offset + period * np.arange(low, high + 1), 0.0)
        halves.append((float(_at(rises, times - start_s).sum()), times))
    return max(halves, key=lambda half: half[0])[1]
