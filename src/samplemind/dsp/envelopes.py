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

    length = scipy.fft.next_fast_len(len(sound) + silence, real=True)
    spectrum = scipy.fft.rfft(sound, length)
    spectrum *= np.complex64(-1j)  # a quarter of a period later; of 0 Hz and half the rate nothing is left
    turned: NDArray[np.float32] = scipy.fft.irfft(spectrum, length, overwrite_x=True)[: len(sound)]
    return turned


@compiled
def smoothed_powers(
    sound: NDArray[np.float32], turned: NDArray[np.float32], width: int, wider: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Power of the analytic signal, averaged over two widths: centred, with silence beyond the ends.

    Args:
        sound: shape (n,).
        turned: its `quadrature`.
        width: in samples.
        wider: in samples, not less than `width`.

    Returns:
        Two arrays of shape (n,).
    """
    n = sound.size
    power = np.zeros(n + 2 * wider + 2)  # what is beyond the ends is looked at, too
    start = wider + 1
    for i in range(n):
        power[start + i] = np.float64(sound[i]) * sound[i] + np.float64(turned[i]) * turned[i]
    fine = np.empty(n)
    blunt = np.empty(n)
    fine_first = start - width // 2
    blunt_first = start - wider // 2
    fine_sum = 0.0
    for i in range(fine_first, fine_first + width):
        fine_sum += power[i]
    blunt_sum = 0.0
    for i in range(blunt_first, blunt_first + wider):
        blunt_sum += power[i]
    for i in range(n):
        fine[i] = max(fine_sum, 0.0) / width
        blunt[i] = max(blunt_sum, 0.0) / wider
        fine_sum += power[fine_first + i + width] - power[fine_first + i]
        blunt_sum += power[blunt_first + i + wider] - power[blunt_first + i]
    return fine, blunt
