"""Harmonic and percussive parts: what lasts along time, and what spreads along frequency.

    magnitude ──┬▶ harmonic_median ───┬▶ harmonic_mask ─▶ part_energies ─▶ harmonic_ratio …
                └▶ percussive_median ─┘

Source: D. FitzGerald, "Harmonic/percussive separation using median filtering", DAFx 2010. Numbers equal
librosa.decompose.hpss with its defaults: 31 frames, 31 bins, soft masks of power 2, margin 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.medians import running_median
from samplemind.dsp.separation import energies_of_parts, soft_mask
from samplemind.dsp.spectral import contrast_bands
from samplemind.features.streams import HOP_LENGTH, N_FFT, SAMPLE_RATE, PerFrame
from samplemind.graph import Unknown, node

MEDIAN_WIDTH: Final = 31
"""Frames (0.36 s) and bins (670 Hz) of the medians: librosa's default."""
_REACH: Final = MEDIAN_WIDTH // 2
FEWEST_FRAMES: Final = 2 * N_FFT // HOP_LENGTH
"""Frames below which a median over time can't tell a click from a tone: a click is in four frames, which overlap, and
must not be in the majority. From these eight on, clicks, tones and noise come out as they do in long sounds."""
SHORTEST_S: Final = (FEWEST_FRAMES - 1) * HOP_LENGTH / SAMPLE_RATE
"""Duration from which a sound has so many frames."""


@node(context=(_REACH, _REACH))
def harmonic_median(magnitude: PerFrame) -> PerFrame:
    """Median of the magnitude over 31 frames, per bin: shape (frames, 1025). Mirrored at the ends of the sound."""
    return running_median(magnitude, MEDIAN_WIDTH)


def percussive_median(magnitude: PerFrame) -> PerFrame:
    """Median of the magnitude over 31 bins, per frame: shape (frames, 1025). Mirrored at 0 Hz and 22.05 kHz."""
    return running_median(magnitude, MEDIAN_WIDTH, axis=1)


def harmonic_mask(harmonic_median: PerFrame, percussive_median: PerFrame) -> PerFrame:
    """Share of each bin that is harmonic, 0 to 1: shape (frames, 1025). The percussive share is the rest.

    H² / (H² + P²) of the two medians; where both are zero, a half.
    """
    return soft_mask(harmonic_median, percussive_median)


@dataclass(frozen=True)
class PartEnergies:
    """Energy of the masked spectra in seven octave bands from 0, 200, 400 … 6400 Hz.

    `harmonic` and `percussive` have shape (7,), in squared magnitude of the transform.
    """

    harmonic: NDArray[np.float64]
    percussive: NDArray[np.float64]


def part_energies(state: PartEnergies | None, power: PerFrame, harmonic_mask: PerFrame) -> PartEnergies:
    """Energy of the harmonic and of the percussive part, band by band, over the whole sound."""
    edges = _band_edges()
    harmonic, percussive = energies_of_parts(power, harmonic_mask, edges)
    if state is None:
        return PartEnergies(harmonic, percussive)
    return PartEnergies(state.harmonic + harmonic, state.percussive + percussive)


def harmonic_ratio(part_energies: PartEnergies, duration_s: float) -> float | Unknown:
    """Energy of the harmonic part over that of both parts, 0 (all percussive) to 1 (all harmonic).

    Unknown for silence, and for a sound of less than eight frames, 0.08 s.
    """
    total = _total(part_energies, duration_s)
    return total if isinstance(total, Unknown) else float(part_energies.harmonic.sum()) / total


def band_energies(part_energies: PartEnergies, duration_s: float) -> PartEnergies | Unknown:
    """Energy of both parts in each band, as a share of all: the fourteen numbers sum to 1.

    Unknown for silence, and for a sound of less than eight frames, 0.08 s.
    """
    total = _total(part_energies, duration_s)
    if isinstance(total, Unknown):
        return total
    return PartEnergies(part_energies.harmonic / total, part_energies.percussive / total)


def _total(part_energies: PartEnergies, duration_s: float) -> float | Unknown:
    """Energy of both parts in all bands."""
    if duration_s < SHORTEST_S:
        return Unknown(f"shorter than the {SHORTEST_S:.2f} s in which a tone can be told from a click")
    total = float(part_energies.harmonic.sum() + part_energies.percussive.sum())
    return total if total > 0 else Unknown("its spectrum is zero, or too soft to be computed")


def _band_edges() -> NDArray[np.int64]:
    """First bins of the seven octave bands, and one past the last bin."""
    bands = contrast_bands(SAMPLE_RATE, N_FFT)
    return np.append(bands[:, 0], N_FFT // 2 + 1)
