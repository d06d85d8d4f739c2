"""Pitch classes, tuning and key, all from one transform of a slow stream with a long window.

mono ──▶ tonal_frames ──▶ tonal_power ─┬▶ tonal_chroma ─┬▶ pitch_profile ─┬▶ tuning
                                       └▶ tonal_energy ─┘                 └▶ key
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.fourier import power_of, windowed_rfft
from samplemind.dsp.framing import next_frames
from samplemind.dsp.keys import MODES, PITCH_CLASSES, Mode, camelot, key_correlations, open_key
from samplemind.dsp.tonal import decimated, folded_peaks, lowpass, semitones_of, tuning_of
from samplemind.features.streams import SAMPLE_RATE, Mono, PerTonalFrame
from samplemind.graph import Unknown

DECIMATION: Final = 8
"""Leaves a rate of 5.5 kHz, enough for every fundamental and the partials that matter."""
TONAL_RATE: Final = SAMPLE_RATE / DECIMATION
WINDOW: Final = 4096
"""0.74 s: neighbouring semitones are apart from 92 Hz. Lower notes are told by their partials: a bass line of sines
below 60 Hz, LOWEST_HZ, has no key."""
HOP: Final = 1024
"""0.19 s, a quarter of the window."""
LOWEST_HZ: Final = 60.0
HIGHEST_HZ: Final = 2000.0
"""Range of the peaks that count: above are partials, out of tune with the scale, and cymbals."""
CENTRE_HZ: Final = 300.0
OCTAVES: Final = 1.0
"""Weight of a peak by frequency. Rendered chorales and loops and real chords fare alike from 250 to 300 Hz and from 0.8
to 1 octave; wider or higher weights let partials in."""
PARTIAL: Final = 0.5
"""Weight that a peak loses if it may be a partial. Chorales, chords and synthetic cadences of rich tones are right more
often the larger it is, loops with a busy bass less often."""
REACH_HZ: Final = 120.0
PROMINENCE: Final = 3.0
"""A peak is three times as high as its surroundings (10 dB). From 3 to 4 all is alike; noise comes in below."""
SOFTEST: Final = 1e-3
"""Frames softer than this share of the loudest, -60 dB, don't count."""
LOUDNESS_EXPONENT: Final = 0.3
"""Loud frames count for more, by the power law of loudness (Stevens 1957: 0.6 of the amplitude), halved: from 0.15 to
0.5 keys come out alike."""

LEAST_TONAL_SHARE: Final = 0.08
"""Share of the energy below 2.8 kHz that lies in peaks, at least. Noise reaches 0.01, claps 0.03, most hi-hats 0.07;
loops with loud drums go down to 0.09, chords to 0.4."""
LEAST_AGREEMENT: Final = 0.1
"""Of the pitches on a tuning. Noise reaches 0.1 with many peaks; music without vibrato is above 0.3."""
LEAST_CORRELATION: Final = 0.6
"""Of the pitch classes with the best key. Chords, chorales and loops are above 0.6, nearly all above 0.75; most toms,
cymbals and drum loops below."""
LONE_SHARE: Final = 0.7
LONE_CORRELATION: Final = 0.66
"""A single pitch class correlates with its own key by 0.65: where it holds most of the weight, only more is a key."""
SHARPNESS: Final = 12.0
"""Probabilities are exp(12 correlation), normalised: near 12 the confidence is the share of right keys, on rendered
chorales and loops and on real chords together."""
CANDIDATES: Final = 5


@dataclass(frozen=True)
class TonalState:
    """Samples that the decimator, and decimated samples that the next frame still needs."""

    samples: NDArray[np.float32]
    tail: NDArray[np.float32] | None


@dataclass(frozen=True)
class Tuning:
    """Deviation of the pitches from A4 = 440 Hz, -50 to 50 cents."""

    cents: float


@dataclass(frozen=True)
class KeyCandidate:
    """A key that a sound may be in: its tonic spelled with sharps, "major" or "minor", and how likely it is among
    all 24."""

    tonic: str
    mode: Mode
    probability: float


@dataclass(frozen=True)
class Key:
    """The key of a sound, its codes for DJs, and the five keys that it is likeliest to be in, best first.

    `confidence` is the probability of the key, 0 to 1.
    """

    tonic: str
    mode: Mode
    confidence: float
    candidates: tuple[KeyCandidate, ...]
    camelot: str
    open_key: str


def tonal_frames(state: TonalState | None, mono: Mono, last: bool) -> tuple[TonalState, PerTonalFrame]:
    """Frames of 0.74 s every 0.19 s of the mono stream at an eighth of its rate: shape (frames, 4096).

    Frame k is centred on k * 8192 samples of the mono stream; zeros lie beyond its ends.
    """
    taps = lowpass(SAMPLE_RATE, passband_hz=HIGHEST_HZ, stopband_hz=TONAL_RATE - HIGHEST_HZ)
    half = len(taps) // 2
    if state is None:
        state = TonalState(np.zeros(half, np.float32), None)
    parts = [state.samples, mono]
    if last:
        parts.append(np.zeros(half, np.float32))
    samples = np.concatenate(parts)
    slow = decimated(samples, taps, DECIMATION)
    tail, frames = next_frames(state.tail, slow, length=WINDOW, hop=HOP, last=last)
    return TonalState(samples[len(slow) * DECIMATION :], tail), frames


def tonal_power(tonal_frames: PerTonalFrame) -> PerTonalFrame:
    """Squared magnitude of the tonal transform, 0 to 2.8 kHz, Hann window: shape (frames, 2049)."""
    return power_of(windowed_rfft(tonal_frames))


def tonal_energy(tonal_power: PerTonalFrame) -> PerTonalFrame:
    """Sum of the tonal power over frequency: shape (frames,)."""
    energy: PerTonalFrame = np.sum(tonal_power, axis=1)
    return energy


def tonal_chroma(tonal_power: PerTonalFrame) -> PerTonalFrame:
    """Spectral peaks from 60 Hz to 2 kHz folded into an octave of 20-cent bins from C: shape (frames, 60).

    A row sums to the amplitude of the frame's peaks. Only peaks well above their surroundings count, so that noise and
    drums stay out; those that may be partials count half. After the harmonic pitch class profile of E. Gómez, "Tonal
    description of polyphonic audio", INFORMS Journal on Computing 18 (2006).
    """
    return folded_peaks(
        tonal_power,
        TONAL_RATE / WINDOW,
        LOWEST_HZ,
        HIGHEST_HZ,
        round(REACH_HZ * WINDOW / TONAL_RATE),
        PROMINENCE,
        CENTRE_HZ,
        OCTAVES,
        PARTIAL,
    )


def pitch_profile(tonal_chroma: PerTonalFrame, tonal_energy: PerTonalFrame) -> NDArray[np.float64] | Unknown:
    """How much of a sound each pitch has, in one octave of 20-cent bins from C: shape (60,), sum 1.

    Mean over the tonal frames, loud ones counting for more. Level plays no part. Unknown for silence, and where hardly
    any energy lies in spectral peaks: noise, clicks, drums.
    """
    loudness = tonal_chroma.sum(axis=1, dtype=np.float64)
    energy = float(tonal_energy.sum(dtype=np.float64))
    if energy == 0:
        return Unknown("it is silent")
    if float(np.sum(loudness**2)) < LEAST_TONAL_SHARE * energy:
        return Unknown("it has no pitches: what sounds is noise or percussion")
    heard = loudness > SOFTEST * loudness.max()
    weights = np.power(loudness, LOUDNESS_EXPONENT - 1, out=np.zeros_like(loudness), where=heard)
    # Not a matrix product, which would copy the series and start threads.
    profile: NDArray[np.float64] = np.einsum("i,ij->j", weights, tonal_chroma, dtype=np.float64)
    profile /= profile.sum()
    return profile


def tuning(pitch_profile: NDArray[np.float64]) -> Tuning | Unknown:
    """How far the pitches lie from the semitones of A4 = 440 Hz, in cents.

    Circular mean of all pitches over a semitone. Unknown where they agree on none, as in glides.
    """
    cents, agreement = tuning_of(pitch_profile)
    if agreement < LEAST_AGREEMENT:
        return Unknown("its pitches agree on no tuning")
    return Tuning(cents)


def key(pitch_profile: NDArray[np.float64]) -> Key | Unknown:
    """The key: tonic, mode, and how likely this and other keys are.

    Correlation of the retuned pitch classes with the key profiles of Albrecht & Shanahan (2013) and Sha'ath (2011),
    after C. Krumhansl, "Cognitive foundations of musical pitch" (1990). Unknown where no key fits, or where only one
    pitch class sounds. The partials of a single note are a major chord: if they are strong, that is its key, with a
    confidence of about a half.
    """
    cents, _ = tuning_of(pitch_profile)
    classes = semitones_of(pitch_profile, cents=cents)
    correlations = key_correlations(classes)
    best = correlations.max()
    if best < LEAST_CORRELATION:
        return Unknown("its pitches fit no key")
    if classes.max() > LONE_SHARE * classes.sum() and best < LONE_CORRELATION:
        return Unknown("a single note has no key")
    likelihoods = np.exp(SHARPNESS * (correlations - best))
    likelihoods /= likelihoods.sum()
    candidates = []
    for index in np.argsort(-likelihoods, kind="stable")[:CANDIDATES].tolist():
        mode, tonic = MODES[index // 12], PITCH_CLASSES[index % 12]
        candidates.append(KeyCandidate(tonic, mode, float(likelihoods[index])))
    first = candidates[0]
    degree = PITCH_CLASSES.index(first.tonic)
    return Key(
        tonic=first.tonic,
        mode=first.mode,
        confidence=first.probability,
        candidates=tuple(candidates),
        camelot=camelot(degree, first.mode),
        open_key=open_key(degree, first.mode),
    )
