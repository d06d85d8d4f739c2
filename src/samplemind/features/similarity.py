"""What a sound is like, as a point in a space where near means alike.

    mel ──▶ timbre_profile (running sums) ──▶ similarity_vector

All of it is built from one loudness-like quantity, mel power to the 0.2: no floor, no reference level, so that a
gain scales every sum alike and cancels in the ratios that make up the vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

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

_SLOT_ENDS: Final = 2 ** np.arange(1, SLOTS + 1) - 1


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
    loudness = terms[:, 0]

    total = power.sum(axis=1, dtype=np.float64)
    before = np.maximum.accumulate(np.concatenate([[state.loudest], total]))[:-1]
    onsets = np.flatnonzero(total > ONSET_RATIO * before)
    age, first, slots, opening = state.age, 0, state.slots, state.opening
    if onsets.size:
        age, first, slots, opening = 0, int(onsets[-1]), np.zeros_like(slots), 0.0
    ages = age + np.arange(min(len(mel) - first, max(0, int(_SLOT_ENDS[-1]) - age)))
    if ages.size:
        within = slice(first, first + ages.size)
        slots = slots.copy()
        np.add.at(slots, np.searchsorted(_SLOT_ENDS, ages, side="right"), terms[within, :SHAPE])
        opening += float(loudness[within].sum())

    steps = np.diff(terms, axis=0, prepend=terms[:1] if state.latest is None else state.latest[np.newaxis])
    audible = np.where(loudness > 0, loudness, 1.0)
    return TimbreProfile(
        age=age + len(mel) - first,
        loudest=float(max(before[-1], total[-1])),
        slots=slots,
        opening=opening,
        loudness=state.loudness + float(loudness.sum()),
        loudness_squared=state.loudness_squared + float((loudness**2).sum()),
        terms=state.terms + terms.sum(axis=0),
        terms_squared=state.terms_squared + (terms**2 / audible[:, np.newaxis]).sum(axis=0),
        steps=state.steps + np.abs(steps).sum(axis=0),
        latest=terms[-1],
    )


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
    lengths = np.diff(_SLOT_ENDS, prepend=0)
    slots = profile.slots / lengths[:, np.newaxis]
    slots *= profile.opening / profile.loudness / np.linalg.norm(slots, axis=1).max()
    mean = profile.terms / profile.loudness
    deviation = np.sqrt(np.maximum(profile.terms_squared / profile.loudness - mean**2, 0))
    change = profile.steps / profile.loudness
    duration = np.log2(profile.loudness**2 / profile.loudness_squared)
    # Term 0 is loudness itself: its mean is 1 and its deviation 0 by definition.
    last = np.array([DURATION_WEIGHT * duration])
    return np.concatenate([slots.reshape(-1), mean[1:], deviation[1:], change, last], dtype=np.float32)


def _cosines() -> NDArray[np.float32]:
    angles = np.pi / BANDS * (np.arange(BANDS)[:, np.newaxis] + 0.5) * np.arange(COLOR)
    basis = np.cos(angles) * np.sqrt(2 / BANDS)
    basis[:, 0] = np.sqrt(1 / BANDS)
    return np.asarray(basis, np.float32)
