"""The period of a steady tone."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled

LOBE_SHARE: Final = 0.9
"""The first lobe of the autocorrelation that reaches this share of the highest one is the period: McLeod & Wyvill's
constant k, which they put between 0.8 and 1. On notes of real instruments 0.9 finds the octave most often."""
FINEST_SHARE: Final = 0.6
"""A multiple of the period refines it while its peak has this share of the period's: inharmonic and decaying tones
drift apart."""


def normalised_autocorrelation(frames: NDArray[np.float32], *, lags: int) -> NDArray[np.float64]:
    """Normalised square difference function of several frames as one: 1 at the multiples of a common period.

    Twice the autocorrelation over the energy of the two stretches that it multiplies, both summed over the frames: loud
    frames count for more, and what repeats in all of them stays. P. McLeod & G. Wyvill, "A smarter way to find pitch",
    ICMC 2005.

    Args:
        frames: shape (n, length), each of zero mean, not all zero.
        lags: number of lags from 0, at most `length`.

    Returns:
        Shape (lags,), from -1 to 1.
    """
    import scipy.fft

    length = frames.shape[1]
    padded = scipy.fft.next_fast_len(length + lags, real=True)
    spectra = scipy.fft.rfft(frames, padded, axis=1)
    correlation = scipy.fft.irfft(_summed_power(spectra), padded)[:lags]
    energy = np.cumsum(_summed_squares(frames))
    overlap = np.full(lags, 2 * energy[-1])
    overlap[1:] = energy[::-1][1:lags] + energy[-1] - energy[: lags - 1]
    normalised: NDArray[np.float64] = 2 * correlation / np.maximum(overlap, np.finfo(np.float64).tiny)
    return normalised


@compiled
def _summed_power(spectra: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Squared magnitude of each bin, over all spectra."""
    rows, bins = spectra.shape
    power = np.zeros(bins)
    for row in range(rows):
        for k in range(bins):
            value = spectra[row, k]
            power[k] += value.real * value.real + value.imag * value.imag
    return power


@compiled
def _summed_squares(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Square of each sample, over all frames."""
    rows, length = frames.shape
    squares = np.zeros(length)
    for row in range(rows):
        for k in range(length):
            squares[k] += np.float64(frames[row, k]) * frames[row, k]
    return squares


def period_of(autocorrelation: NDArray[np.float64], *, shortest: int) -> tuple[float, float] | None:
    """Period in a normalised autocorrelation, by McLeod & Wyvill's rule.

    Args:
        autocorrelation: shape (lags,).
        shortest: lag in samples under which no period is looked for.

    Returns:
        The period in samples, finer than one sample, and the height of its peak, its clarity, 0 to 1. None if there is
        no peak.
    """
    negative = np.flatnonzero(autocorrelation < 0)
    if not negative.size:
        return None
    start = max(shortest, int(negative[0]), 1)
    inner = autocorrelation[start:-1]
    rising = inner > autocorrelation[start - 1 : -2]
    peaks = start + np.flatnonzero(rising & (inner >= autocorrelation[start + 1 :]) & (inner > 0))
    if not peaks.size:
        return None
    # Between samples, or the first peaks of a high note would look lower than they are: up to the vertex of a parabola.
    before, at, after = autocorrelation[peaks - 1], autocorrelation[peaks], autocorrelation[peaks + 1]
    heights = at + (before - after) ** 2 / (8 * (2 * at - before - after))
    first = int(peaks[heights >= LOBE_SHARE * heights.max()][0])
    # The first peak that is high enough may be a ripple on the flank of its lobe.
    lobe_end = first + int(np.argmin(np.append(autocorrelation[first:] > 0, False)))
    peak = first + int(np.argmax(autocorrelation[first:lobe_end]))
    return _refined(autocorrelation, peak), min(1.0, float(autocorrelation[peak]))


def _refined(autocorrelation: NDArray[np.float64], peak: int) -> float:
    """The period as a fraction of its largest multiple that still shows: an error in samples then weighs less."""
    period, multiple = _vertex(autocorrelation, peak), 1
    while True:
        multiple *= 2
        centre, width = round(period * multiple), max(2, int(0.15 * period))
        if centre + width + 1 >= len(autocorrelation):
            return period
        low = centre - width
        at = low + int(np.argmax(autocorrelation[low : centre + width + 1]))
        if at in (low, centre + width) or autocorrelation[at] < FINEST_SHARE * autocorrelation[peak]:
            return period
        period = _vertex(autocorrelation, at) / multiple


def _vertex(values: NDArray[np.float64], peak: int) -> float:
    """Where the parabola through a peak and its neighbours is highest."""
    if not 0 < peak < len(values) - 1:
        return float(peak)
    before, at, after = values[peak - 1 : peak + 2]
    bend = before - 2 * at + after
    return peak + (0.5 * float((before - after) / bend) if bend < 0 else 0.0)
