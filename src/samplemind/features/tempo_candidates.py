"""Which tempi the onsets of a sound speak for: the metrical level that is the beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.tempogram import at_lags, autocorrelation
from samplemind.features.onsets import Pulse
from samplemind.features.streams import FRAME_RATE
from samplemind.graph import Unknown, node

Float64 = NDArray[np.float64]

SLOWEST_BPM: Final = 30.0
FASTEST_BPM: Final = 330.0
TEMPI: Final[Float64] = np.exp2(np.arange(np.log2(SLOWEST_BPM), np.log2(FASTEST_BPM), 1 / 256))
"""Tempi that are weighed, in beats per minute: steps of 0.27 %, under half a frame at the lag of a bar."""
FEWEST_ONSETS: Final = 4
"""Fewer onsets than this have no tempo: three intervals are the least that can agree or disagree."""
LEAST_CLARITY: Final = 0.15
"""How clearly the sound must repeat after a beat, two or four: the autocorrelation there. Real loops and tracks whose
tempo is found have 0.18 or more, half of what is found in speech, typing and beating pads has less."""
FEWEST_DEVIATIONS: Final = 4.0
"""The same in standard deviations of what n frames of noise give (1 / √n), for short sounds. None of 202 real drum
one-shots and two of 96 single notes pass."""
LOOP_DEVIATIONS: Final = 1.5
"""How many of these deviations a length of whole bars makes up for."""
MOST_CANDIDATES: Final = 5
DISTINCT: Final = 0.03
"""Candidates closer to a better one than this share of it are not listed."""
LONGEST_LAG_S: Final = 4.0
"""Longest lag of the autocorrelation: a bar of four beats at 60 bpm."""

PREFERRED_BPM: Final = 126.0
"""Centre of the tempo prior: listeners prefer 120 to 130 (Moelants, "Preferred tempo reconsidered", 2002)."""
PRIOR_OCTAVES: Final = 0.4
"""Deviation of the prior's core: two thirds of its music lies between 95 and 166 bpm."""
PRIOR_BROAD: Final = (0.1, 1.0)
"""Weight, and deviation in octaves, of its broad part, without which slow and fast music could not be."""

LOOP_SECONDS: Final = 24.0
"""Longest sound whose length may speak for a tempo: 32 beats at 80 bpm."""
LOOP_BEATS: Final = {2: 0.3, 4: 1.0, 6: 0.2, 8: 1.0, 12: 0.3, 16: 1.0, 24: 0.3, 32: 0.9}
"""How usual it is that a loop has so many beats: one, two, four or eight bars, rarely others."""
MOST_LOOP_BEATS: Final = 64
WHOLE_TOLERANCE_BPM: Final = 0.006
"""A sample more or less changes the tempo of a loop of a second by 0.003 bpm. By chance one tempo in 80 is as near."""
WHOLE_RANGE_BPM: Final = (40.0, 250.0)
FEW_WHOLE: Final = (4, 32)
"""Tempi of that kind up to which a length speaks fully for each (double and half of one are usual), and from which on
it tells nothing."""
WHOLE_OCTAVES: Final = 0.004
"""Deviation of weighed tempi from the whole one, in octaves: theirs are 1/256 apart."""
LOOP_OCTAVES: Final = 0.008
"""Deviation of a loop's length from whole beats, in octaves: 0.6 %."""

# How much the repetition after so many beats speaks for a tempo, in nats per unit of autocorrelation. Set by hand,
# near what tells the beat from its multiples on rendered drum patterns of seventeen styles, and checked on real
# loops and tracks: halving or doubling any one of them moves the share of right answers there by -9 to +2 points.
HALF_BEAT: Final = 1.0
ONE_BEAT: Final = 2.0
TWO_BEATS: Final = 1.5
THREE_BEATS: Final = 2.0
FOUR_BEATS: Final = 4.0
THIRDS: Final = -1.5
"""Repetition after two thirds and four thirds of a beat speaks against it: the beat is then 3:2 or 3:4 of that."""
LOOP: Final = 3.0
"""Weight in nats of a sound that is a usual number of beats long."""
WHOLE_BPM: Final = 2.0
"""Weight in nats of a sound that is a number of beats long at a whole number of beats per minute: producers choose
those."""
PRIOR: Final = 1.5
"""Weight of the prior's logarithm."""
EQUAL_PULSE: Final = -5.0
"""Weight in nats of half a beat that is as good as a beat in a sound that repeats clearly: equal clicks have no
accents that would make two of them a beat."""
EQUAL_RATIO: Final = (0.75, 0.9)
"""Ratio of both autocorrelations from which, and up to which, the pulse counts as equal."""
EQUAL_CLARITY: Final = (0.6, 0.8)
"""Autocorrelation after one beat from which, and up to which, the sound counts as repeating clearly."""
EQUAL_SIXTEENTHS: Final = -5.0
"""Weight in nats of half a beat that repeats as clearly as anything longer does: notes that are all alike and come
more than 300 times a minute are sixteenths, of a beat that is twice as long. From -4 to -6 all is alike."""
SIXTEENTHS_RATIO: Final = (0.7, 0.9)
"""Ratio of the autocorrelation after half a beat to the largest after one, two and four from which, and up to which,
that counts. Fast music whose beats differ, drum and bass above all, stays below 0.7."""
SIXTEENTHS_BPM: Final = 150.0
"""Tempo from which half a beat may be a sixteenth. From 140 to 160 all is alike."""
FASTEST_PULSE_BPM: Final = 208.0
"""Faster equal pulses are divisions of a beat: hardly any music has more than 200 beats per minute."""


@dataclass(frozen=True)
class TempoCandidates:
    """Tempi that the sound may have."""

    bpm: Float64
    """Shape (n,), best first, to 0.3 %."""
    probability: Float64
    """Shape (n,), descending; sums to 1."""
    clarity: float
    """How exactly the sound repeats at the best tempo, 0 to 1."""


@node(version=2)
def tempo_candidates(pulse: Pulse, onsets: Float64, duration_s: float) -> TempoCandidates | Unknown:
    """Tempi between 30 and 330 bpm that the sound may have, with their probabilities.

    Every tempo is scored by the autocorrelation of the onset strength at the lags of its beat, its multiples and
    its parts, by the preferred tempo of listeners, and, for short sounds, by how usual a loop of so many beats is;
    the local maxima of the score, and half, double, a quarter and four times the best of them, are the candidates,
    their probabilities the softmax of the score. The length of a
    loop is evidence like the others: a clear pulse at another tempo outweighs it, as loops with tails need.

    Sources: G. Percival, G. Tzanetakis, "Streamlined tempo estimation based on autocorrelation and
    cross-correlation with pulses", IEEE/ACM TASLP 22(12), 2014; F. Font, X. Serra, "Tempo estimation for music
    loops and a simple confidence measure", ISMIR 2016 (length).
    """
    if len(onsets) < FEWEST_ONSETS:
        return Unknown(f"a tempo needs {FEWEST_ONSETS} onsets or more, not {len(onsets)}")
    frames = len(pulse.strength)
    correlation = autocorrelation(pulse.strength, min(frames, int(LONGEST_LAG_S * FRAME_RATE) + 2))
    beat = 60 * FRAME_RATE / TEMPI
    one = _at(correlation, beat, None)
    half = _at(correlation, beat / 2, None)
    two = _at(correlation, beat * 2, one)
    four = _at(correlation, beat * 4, two)
    loop = np.maximum(_loop_support(duration_s), _loop_support(duration_s - float(onsets[0])))
    score = (
        HALF_BEAT * half
        + ONE_BEAT * one
        + TWO_BEATS * two
        + THREE_BEATS * _at(correlation, beat * 3, one)
        + FOUR_BEATS * four
        + THIRDS * (_at(correlation, beat * 2 / 3, None) + _at(correlation, beat * 4 / 3, one)) / 2
        + EQUAL_PULSE * _equal_pulse(_at(correlation, beat / 4, None), half, one)
        + EQUAL_SIXTEENTHS * _equal_sixteenths(half, np.maximum(np.maximum(one, two), four))
        + LOOP * loop
        + WHOLE_BPM * _whole_tempo_support(duration_s)
        + PRIOR * _log_prior()
    )
    best = _distinct_peaks(score)
    clarity = float(max(one[best[0]], two[best[0]], four[best[0]]))
    deviations = clarity * np.sqrt(frames) + LOOP_DEVIATIONS * loop[best[0]]
    if clarity < LEAST_CLARITY or deviations < FEWEST_DEVIATIONS:
        return Unknown("the onsets do not repeat clearly enough for a tempo")
    bpm = np.concatenate([TEMPI[best], _relatives(TEMPI[best])])
    # A relative that is slower or faster than all tempi that are weighed is as likely as the last of these.
    odds = np.exp(np.interp(np.log(bpm), np.log(TEMPI), score) - score[best[0]])
    order = np.concatenate([[0], 1 + np.argsort(-odds[1:], kind="stable")])
    return TempoCandidates(bpm[order], (odds / odds.sum())[order], min(1.0, max(0.0, clarity)))


def _relatives(chosen: Float64) -> Float64:
    """Half, double, quarter and four times the best tempo, as far as they are not among the chosen ones already."""
    relatives: Float64 = chosen[0] * np.array([0.5, 2.0, 0.25, 4.0])
    new: NDArray[np.bool_] = np.abs(relatives[:, None] / chosen - 1).min(axis=1) > DISTINCT
    others: Float64 = relatives[new & (relatives >= SLOWEST_BPM / 2) & (relatives <= FASTEST_BPM * 2)]
    return others


def _at(correlation: Float64, lags: Float64, shorter: Float64 | None) -> Float64:
    """Autocorrelation at lags; past its end half of what a shorter lag gives, or nothing."""
    values = at_lags(correlation, lags)
    missing = 0.0 if shorter is None else shorter / 2
    return np.where(np.isfinite(values), values, missing)


def _equal_pulse(quarter: Float64, half: Float64, one: Float64) -> Float64:
    """How surely the pulse at twice a tempo is equal and not divided in its turn, hence itself the beat: 0 to 1 per
    tempo."""
    clear = _share(one, EQUAL_CLARITY)
    divided = _share(quarter / np.maximum(half, 0.1), SIXTEENTHS_RATIO)
    equal = _share(half / np.maximum(one, 0.1), EQUAL_RATIO)
    return np.where(2 * TEMPI <= FASTEST_PULSE_BPM, equal * clear * (1 - divided), 0.0)


def _equal_sixteenths(half: Float64, longer: Float64) -> Float64:
    """How surely half of each beat is a sixteenth of another: 0 to 1 per tempo."""
    return np.where(TEMPI >= SIXTEENTHS_BPM, _share(half / np.maximum(longer, 0.1), SIXTEENTHS_RATIO), 0.0)


def _share(values: Float64, between: tuple[float, float]) -> Float64:
    """How far values are from the first to the second of two bounds, 0 to 1."""
    low, high = between
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def _loop_support(length_s: float) -> Float64:
    """How usual a loop of this length is at each tempo, 0 to 1."""
    support = np.zeros_like(TEMPI)
    if 0.0 < length_s <= LOOP_SECONDS:
        for count, usual in LOOP_BEATS.items():
            octaves = np.log2(TEMPI * (length_s / (60 * count)))
            np.maximum(support, usual * np.exp(-0.5 * (octaves / LOOP_OCTAVES) ** 2), out=support)
    return support


def _whole_tempo_support(length_s: float) -> Float64:
    """Which tempi are whole numbers of beats per minute at which a loop of this length has whole beats: 0 to 1.

    Less where that is true of many: a length in whole seconds tells nothing.
    """
    if not 0.0 < length_s <= LOOP_SECONDS:
        return np.zeros_like(TEMPI)
    bpm = np.arange(2, MOST_LOOP_BEATS + 1) * (60 / length_s)
    near = np.abs(bpm - np.round(bpm)) < WHOLE_TOLERANCE_BPM
    bpm = bpm[near & (bpm >= WHOLE_RANGE_BPM[0]) & (bpm <= WHOLE_RANGE_BPM[1])]
    octaves = np.log2(TEMPI[:, None] / bpm) / WHOLE_OCTAVES
    support: Float64 = np.exp(-0.5 * octaves**2).max(axis=1, initial=0.0)
    few, many = np.log2(FEW_WHOLE)
    telling = float(np.clip((many - np.log2(max(1, bpm.size))) / (many - few), 0.0, 1.0))
    return telling * support


def _log_prior() -> Float64:
    """Logarithm of the tempo prior, up to a constant."""
    octaves = np.log2(TEMPI / PREFERRED_BPM)
    weight, deviation = PRIOR_BROAD
    core, broad = np.exp(-0.5 * (octaves / PRIOR_OCTAVES) ** 2), np.exp(-0.5 * (octaves / deviation) ** 2)
    log_prior: Float64 = np.log((1 - weight) * core + weight * broad)
    return log_prior


def _distinct_peaks(score: Float64) -> list[int]:
    """Indices of the highest local maxima, best first, no two of which are nearly the same tempo."""
    inner = score[1:-1]
    peaks = np.flatnonzero((inner >= score[:-2]) & (inner > score[2:])) + 1
    if not peaks.size:
        peaks = np.array([score.argmax()])
    chosen: list[int] = []
    for peak in peaks[np.argsort(-score[peaks])]:
        if all(abs(TEMPI[peak] / TEMPI[other] - 1) > DISTINCT for other in chosen):
            chosen.append(int(peak))
        if len(chosen) == MOST_CANDIDATES:
            break
    return chosen
