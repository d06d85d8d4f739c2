"""Running medians by sorting networks."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled


def running_median(rows: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Median over `width` neighbouring rows, per column.

    Equal to ``scipy.ndimage.median_filter(rows, size=(width, 1), mode="reflect")``, bit by bit.

    Two windows that start next to each other share all rows but one each. A sorting network finds the two middle
    ones of the shared rows, for many columns at once; the median of either window is its own row, clamped between
    them.

    Args:
        rows: shape (n, columns), without NaN.
        width: odd, at least 3.

    Returns:
        Shape (n, columns).
    """
    if width < 3 or width % 2 == 0:
        raise ValueError(f"the width must be odd and at least 3, not {width}")
    if not rows.size:
        return rows.copy()
    half = width // 2
    # One more row than needed, so that windows come in pairs.
    padded = np.pad(rows, ((half, half + 1), (0, 0)), mode="symmetric")
    return _running_median(padded, len(rows), middle_network(width - 1))


@functools.cache
def middle_network(count: int) -> NDArray[np.int64]:
    """Comparators that bring the two middle ones of `count` values to the two middle places.

    Batcher's odd-even merge sort (1968) without the comparators that nothing in the middle depends on.

    Args:
        count: an even number of values.

    Returns:
        Shape (comparators, 2): of each pair of places the first gets the smaller value.
    """
    wanted = {count // 2 - 1, count // 2}
    needed: list[tuple[int, int]] = []
    for low, high in reversed(_batcher(count)):
        if low in wanted or high in wanted:
            needed.append((low, high))
            wanted |= {low, high}
    return np.array(needed[::-1], np.int64).reshape(-1, 2)


def _batcher(count: int) -> list[tuple[int, int]]:
    """All comparators of the sort, in order (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M)."""
    comparators: list[tuple[int, int]] = []
    largest = 1 << max(0, (count - 1).bit_length() - 1)
    step = largest
    while step > 0:
        stride, offset, distance = largest, 0, step
        while True:
            comparators += [(i, i + distance) for i in range(count - distance) if i & step == offset]
            if stride == step:
                break
            distance, stride, offset = stride - step, stride // 2, step
        step //= 2
    return comparators


@compiled
def _running_median(padded: NDArray[np.float32], count: int, network: NDArray[np.int64]) -> NDArray[np.float32]:
    shared = padded.shape[0] - count - 1
    columns = padded.shape[1]
    medians = np.empty((count, columns), np.float32)
    # 256 columns at a time: thirty rows of them fit the innermost cache.
    values = np.empty((shared, 256), np.float32)
    for start in range(0, columns, 256):
        stop = min(start + 256, columns)
        lanes = stop - start
        for row in range(0, count, 2):
            for place in range(shared):
                source = padded[row + 1 + place, start:stop]
                target = values[place]
                for lane in range(lanes):
                    target[lane] = source[lane]
            for number in range(network.shape[0]):
                smaller = values[network[number, 0]]
                larger = values[network[number, 1]]
                for lane in range(lanes):
                    first = smaller[lane]
                    second = larger[lane]
                    smaller[lane] = min(first, second)
                    larger[lane] = max(first, second)
            below = values[shared // 2 - 1]
            above = values[shared // 2]
            for own in range(min(2, count - row)):
                # The row before the shared ones belongs to the first window, the one after them to the second.
                source = padded[row + own * (shared + 1), start:stop]
                target = medians[row + own, start:stop]
                for lane in range(lanes):
                    target[lane] = min(max(source[lane], below[lane]), above[lane])
    return medians
