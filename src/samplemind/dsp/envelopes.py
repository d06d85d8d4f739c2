"""The amplitude of a sound over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled


def quadrature(sound: NDArray[np.float32], silence: int) -> NDArray[np.float32]:
    """Hilbert transform of a sound: the imaginary part of its analytic signal, whose real part is the sound.

    Args:
        sound: shape (n,).
        silence: samples of silence after the end, at least, which keep it from leaking around to the start.

    Returns:
        Shape (n,).
    """
    import scipy.fft

    # Four interleaved parts instead of the whole: SciPy transforms four rows of single precision at once.
    length = scipy.fft.next_fast_len(-(-(len(sound) + silence) // 4), real=True)
    parts = np.zeros((length, 4), np.float32)
    parts.reshape(-1)[: len(sound)] = sound
    spectra = scipy.fft.rfft(parts, axis=0)
    _turn(spectra, length)
    turned: NDArray[np.float32] = scipy.fft.irfft(spectra, length, axis=0, overwrite_x=True)
    return turned.reshape(-1)[: len(sound)]


@compiled
def _turn(spectra: NDArray[np.complex64], length: int) -> None:
    """Turn a sound by a quarter of a period, in the spectra of its four interleaved parts.

    The spectrum of the whole, of which part r has every fourth sample from the r-th, is the sum of theirs, each times
    w^(k r) with w = exp(-2 pi i / (4 length)). Times -i up to half the rate and +i above, and taken apart again, what
    comes to a part is that of the part before, times (1 - i) / 2 w^-k, and of the part after, times -(1 + i) / 2 w^k:
    odd samples turn into even ones. The part before the first is the last one, a step earlier.

    Args:
        spectra: shape (length // 2 + 1, 4), of real parts; changed in place.
        length: of a part.
    """
    angle = -0.5 * np.pi / length
    step = complex(np.cos(angle), np.sin(angle))
    turn = complex(1.0, 0.0)
    for k in range(spectra.shape[0]):
        # Nothing is left of 0 Hz and of half the rate, which together make the difference at the first bin.
        after = -0.5 * turn * (complex(1.0, 1.0) if k else 1.0)
        before = -after.conjugate()
        turns = turn * turn
        turns *= turns
        first, second, third, fourth = spectra[k, 0], spectra[k, 1], spectra[k, 2], spectra[k, 3]
        spectra[k, 0] = after * second + before * turns * fourth
        spectra[k, 1] = after * third + before * first
        spectra[k, 2] = after * fourth + before * second
        spectra[k, 3] = after * turns.conjugate() * first + before * third
        turn *= step


@compiled
def amplitude_and_power(
    sound: NDArray[np.float32], turned: NDArray[np.float32], width: int, wider: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Root mean square of the analytic signal over `width` samples, and its mean square over `wider`.

    Both centred, with silence beyond the ends.

    Args:
        sound: shape (n,).
        turned: its `quadrature`.
        width: in samples.
        wider: in samples, not less than `width`.

    Returns:
        Two arrays of shape (n,).
    """
    n = sound.size
    power = np.zeros(n + 3)  # whole groups of four
    for i in range(n):
        power[i] = np.float64(sound[i]) * sound[i] + np.float64(turned[i]) * turned[i]
    # All power before each sample; what is beyond the ends is looked at, too.
    summed = np.zeros(n + 2 * wider + 4)
    total = 0.0
    # Each sum waits for the one before: four samples at a time make that a quarter as long.
    for i in range(0, n, 4):
        two = power[i] + power[i + 1]
        three = two + power[i + 2]
        four = three + power[i + 3]
        summed[wider + i + 1] = total + power[i]
        summed[wider + i + 2] = total + two
        summed[wider + i + 3] = total + three
        total += four
        summed[wider + i + 4] = total
    summed[wider + n :] = total
    amplitude = np.empty(n, np.float32)
    blunt = np.empty(n)
    # Slices, because an index that is a sum keeps the loops from becoming vector code.
    ends, starts = summed[wider - width // 2 + width :][:n], summed[wider - width // 2 :][:n]
    for i in range(n):
        amplitude[i] = np.sqrt(max(ends[i] - starts[i], 0.0) * (1 / width))
    ends, starts = summed[wider - wider // 2 + wider :][:n], summed[wider - wider // 2 :][:n]
    for i in range(n):
        blunt[i] = max(ends[i] - starts[i], 0.0) * (1 / wider)
    return amplitude, blunt
