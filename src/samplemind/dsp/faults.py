"""Faults of recordings, sample by sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled


@compiled
def clipped_runs(samples: NDArray[np.float32], full_scale: float, shortest: int, runs: NDArray[np.int64]) -> int:
    """Count samples in runs at full scale, each channel by itself.

    Args:
        samples: shape (n, channels), contiguous.
        full_scale: magnitude from which a sample is at full scale.
        shortest: samples that make a run.
        runs: shape (channels,), length of the run that each channel is in, its sign the samples'; brought up to date.

    Returns:
        Samples that turned out to belong to runs of at least `shortest`, of this block and of the end of the one
        before.
    """
    rows, channels = samples.shape
    flat = samples.reshape(rows * channels)
    # Bit patterns of floats that are not negative are ordered as integers are, and maxima of integers vectorise.
    bits = flat.view(np.int32)
    magnitude = np.int32(0x7FFFFFFF)
    largest = np.zeros(1, np.int32)
    clipped = 0
    for start in range(0, rows, 256):
        stop = min(start + 256, rows)
        highest = np.int32(0)
        patterns = bits[start * channels : stop * channels]  # whose indices the compiler sees not to be negative
        for k in range(patterns.size):
            highest = max(highest, np.int32(patterns[k] & magnitude))
        largest[0] = highest
        if largest.view(np.float32)[0] < full_scale:  # nearly always
            runs[:] = 0
            continue
        for channel in range(channels):
            run = runs[channel]
            for row in range(start, stop):
                value = samples[row, channel]
                if value >= full_scale:
                    run = run + 1 if run > 0 else 1
                elif value <= -full_scale:
                    run = run - 1 if run < 0 else -1
                else:
                    run = 0
                if abs(run) == shortest:
                    clipped += shortest
                elif abs(run) > shortest:
                    clipped += 1
            runs[channel] = run
    return clipped


@compiled
def sums_and_products(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Per channel the sum and the sum of squares, and of the first two channels the sum of products.

    Args:
        samples: shape (n, channels).

    Returns:
        Shape (2 * channels + 1,): sums, sums of squares, sum of products (0 for one channel).
    """
    rows, channels = samples.shape
    found = np.zeros(2 * channels + 1)
    if channels == 2:  # by far the most common; unrolled, it is compiled to vector instructions
        left = 0.0
        right = 0.0
        left_squared = 0.0
        right_squared = 0.0
        product = 0.0
        for row in range(rows):
            a = np.float64(samples[row, 0])
            b = np.float64(samples[row, 1])
            left += a
            right += b
            left_squared += a * a
            right_squared += b * b
            product += a * b
        found[0] = left
        found[1] = right
        found[2] = left_squared
        found[3] = right_squared
        found[4] = product
        return found
    for channel in range(channels):
        total = 0.0
        squared = 0.0
        for row in range(rows):
            value = np.float64(samples[row, channel])
            total += value
            squared += value * value
        found[channel] = total
        found[channels + channel] = squared
    return found


@compiled
def levels_of_slices(samples: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Largest magnitude and mean square of consecutive slices, over all channels.

    Args:
        samples: shape (n, channels).
        size: samples per slice; the last slice may be shorter.

    Returns:
        Shape (slices, 2).
    """
    rows, channels = samples.shape
    flat = samples.reshape(rows * channels)
    bits = flat.view(np.int32)  # maxima of integers vectorise
    magnitude = np.int32(0x7FFFFFFF)
    levels = np.empty(((rows + size - 1) // size, 2), np.float32)
    level_bits = levels.view(np.int32)
    for number in range(levels.shape[0]):
        start = number * size * channels
        stop = min(start + size * channels, flat.size)
        values = flat[start:stop]
        patterns = bits[start:stop]
        peak = np.int32(0)
        for k in range(patterns.size):
            peak = max(peak, np.int32(patterns[k] & magnitude))
        energy = 0.0
        for k in range(values.size):
            energy += np.float64(values[k]) * values[k]
        level_bits[number, 0] = peak
        levels[number, 1] = energy / values.size
    return levels
