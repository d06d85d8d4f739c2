"""What a sound is like, as a point in a space where near means alike.

    mel ──▶ timbre_profile (running sums) ──▶ similarity_vector

All of it is built from one loudness-like quantity, mel power to the 0.2: no floor, no reference level, so that a
gain scales every sum alike and cancels in the ratios that make up the vector.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled
from samplemind.features.streams import PerFrame
from samplemind.graph import Unknown

BANDS: Final = 64
"""Pairs of the 128 mel bands: about the ear's resolution, and less hung up on single partials."""
COMPRESSION: Final = 0.2
"""Exponent from power to loudness. Stevens (1957) has 0.3 for one steady tone; a smaller one lets the quieter bands
and the decay count for more. Anything from 0.15 to 0.25 finds neighbours about equally well."""
SHAPE: Final = 8
"""Cosine terms of a spectrum's shape in the opening: enough for formants and tilt, too few for the pitch."""
COLOR: Final = 13
"""Cosine terms in the statistics over the whole sound: the usual number of cepstral coefficients."""
SLOTS: Final = 8
"""Slots of the opening, 1, 2, 4 … 128 frames long: hearing resolves time ever more coarsely after an onset. Together
they cover 3 s."""
ONSET_RATIO: Final = 1000.0
"""The opening begins anew at a frame 30 dB above every one since it began: silence and noise before a sound are not
part of it."""
DURATION_WEIGHT: Final = 0.1
"""Weight of one octave of effective duration; the other numbers are of the order of 0.1 to 1."""

_SLOT_LENGTHS: Final = 2.0 ** np.arange(SLOTS)[:, np.newaxis]


@dataclass(frozen=True)
class TimbreProfile:
    """Sums over the frames of a sound.

    `age` counts the frames since the opening began and `loudest` is the largest power among them; `slots` has
    shape (8, 8), sums of cosine terms by slot, and `opening` is the loudness summed over the slots. `loudness` and
    `loudness_squared` are sums over all frames, as are, of shape (13,), the cosine terms `terms`, their squares by
    loudness `terms_squared` and their steps from frame to frame `steps`; `latest` is the last frame's terms.
    """

    age: int
    loudest: float
    slots: NDArray[np.float64]
    opening: float
    loudness: float
    loudness_squared: float
    terms: NDArray[np.float64]
    terms_squared: NDArray[np.float64]
    steps: NDArray[np.float64]
    latest: NDArray[np.float64] | None


def timbre_profile(state: TimbreProfile | None, mel: PerFrame) -> TimbreProfile:
    """Sum up the spectral shapes of a sound: of its opening, by time since its onset, and of the whole.

    A frame's spectral shape is the orthonormal cosine transform (DCT-II) of its mel power to the 0.2, in 64 bands; term
    0 is its loudness. The sums are in float64 and of fixed size, whatever the duration.
    """
    if state is None:
        none = np.zeros(COLOR)
        state = TimbreProfile(0, 0.0, np.zeros((SLOTS, SHAPE)), 0.0, 0.0, 0.0, none, none, none, None)
    if len(mel) == 0:
        return state
    power = mel[:, 0::2] + mel[:, 1::2]
    terms = (power**COMPRESSION @ _cosines()).astype(np.float64)
    slots = state.slots.copy()
    age, loudest, opening = _follow_opening(power, terms, state.age, state.loudest, slots, state.opening)
    sums, loudness_squared = _sums(terms, terms[0] if state.latest is None else state.latest)
    return TimbreProfile(
        age=age,
        loudest=loudest,
        slots=slots,
        opening=opening,
        loudness=state.loudness + float(sums[0, 0]),
        loudness_squared=state.loudness_squared + loudness_squared,
        terms=state.terms + sums[0],
        terms_squared=state.terms_squared + sums[1],
        steps=state.steps + sums[2],
        latest=terms[-1],
    )


@compiled
def _follow_opening(
    power: NDArray[np.float32],
    terms: NDArray[np.float64],
    age: int,
    loudest: float,
    slots: NDArray[np.float64],
    opening: float,
) -> tuple[int, float, float]:
    """The age of the opening after these frames, its largest power and its loudness; `slots` is brought up to date."""
    for row in range(power.shape[0]):
        total = 0.0
        for band in range(power.shape[1]):
            total += power[row, band]
        if total > ONSET_RATIO * loudest:
            age = 0
            opening = 0.0
            slots[:] = 0.0
        loudest = max(loudest, total)
        if age < 2**SLOTS - 1:
            slot = 0
            while age >= 2 ** (slot + 1) - 1:
                slot += 1
            for term in range(SHAPE):
                slots[slot, term] += terms[row, term]
            opening += terms[row, 0]
        age += 1
    return age, loudest, opening


@compiled
def _sums(terms: NDArray[np.float64], latest: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Sums over frames: of terms, of their squares by loudness and of their steps; and of loudness squared."""
    sums = np.zeros((3, COLOR))
    loudness_squared = 0.0
    for row in range(terms.shape[0]):
        loudness = terms[row, 0]
        loudness_squared += loudness * loudness
        before = terms[row - 1] if row > 0 else latest
        for term in range(COLOR):
            value = terms[row, term]
            sums[0, term] += value
            sums[1, term] += value * value / (loudness if loudness > 0 else 1.0)
            sums[2, term] += abs(value - before[term])
    return sums, loudness_squared


def similarity_vector(timbre_profile: TimbreProfile) -> NDArray[np.float32] | Unknown:
    """Place a sound in a space where Euclidean distance tells how unlike two sounds are; level plays no part.

    Shape (102,), without unit: 64 numbers are the opening, 8 spectral shapes over 8 slots of time, relative to the
    loudest slot and weighted by the share of the sound that the opening holds (nearly all of a one-shot, little
    of a track); 37 are the loudness-weighted mean, deviation and frame-to-frame change of the spectral shape of
    the whole; the last is effective duration. Unknown for silence. The spectral shapes are mel cepstra (Davis &
    Mermelstein 1980) with power-law for logarithmic compression (Hermansky 1990); nothing in it is trained.
    """
    profile = timbre_profile
    if profile.loudness == 0:
        return Unknown("every sample is zero")
    slots = profile.slots / _SLOT_LENGTHS
    slots *= profile.opening / profile.loudness / np.sqrt((slots**2).sum(axis=1).max())
    mean = profile.terms / profile.loudness
    deviation = np.sqrt(np.maximum(profile.terms_squared / profile.loudness - mean**2, 0))
    change = profile.steps / profile.loudness
    duration = math.log2(profile.loudness**2 / profile.loudness_squared)
    # Term 0 is loudness itself: its mean is 1 and its deviation 0 by definition.
    return np.concatenate(
        [slots.reshape(-1), mean[1:], deviation[1:], change, [DURATION_WEIGHT * duration]], dtype=np.float32
    )


@functools.cache
def _cosines() -> NDArray[np.float32]:
    angles = np.pi / BANDS * (np.arange(BANDS)[:, np.newaxis] + 0.5) * np.arange(COLOR)
    basis = np.cos(angles) * np.sqrt(2 / BANDS)
    basis[:, 0] = np.sqrt(1 / BANDS)
    return np.asarray(basis, np.float32)
