"""Running medians by sorting networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

V = TypeVar("V")


def running_median(rows: NDArray[np.float32], width: int, axis: int = 0) -> NDArray[np.float32]:
    """Median over `width` neighbouring values along an axis.

    Equal to ``scipy.ndimage.median_filter(rows, size=(width, 1), mode="reflect")`` for axis 0, and with
    ``size=(1, width)`` for axis 1, bit by bit.

    Args:
        rows: two dimensions, without NaN.
        width: odd, at least 3.
        axis: 0 or 1.

    Returns:
        The same shape.
    """
    if width < 3 or width % 2 == 0:
        raise ValueError(f"the width must be odd and at least 3, not {width}")
    if not rows.size:
        return rows.copy()
    from samplemind.dsp.median_kernel import LANES, median_kernels  # it imports Numba

    down, across = median_kernels(width)
    count, columns = rows.shape
    if axis == 1 and min(count, columns) >= LANES:
        medians = np.empty(rows.shape, np.float32)
        across(np.ascontiguousarray(rows), medians)
        return medians
    if axis == 1:
        return np.ascontiguousarray(running_median(rows.T, width).T)
    more = (-count % windows_at_once(width), max(0, LANES - columns))
    padded = np.pad(np.ascontiguousarray(rows), ((width // 2, width // 2 + more[0]), (0, more[1])), mode="symmetric")
    medians = np.empty((count + more[0], columns + more[1]), np.float32)
    down(padded, medians)
    return np.ascontiguousarray(medians[:count, :columns])


def windows_at_once(width: int) -> int:
    """How many neighbouring windows `medians_of_windows` takes: the greatest power of two up to half of `width` + 1."""
    return 1 << ((width + 1) // 2).bit_length() - 1


def medians_of_windows(
    rows: Sequence[V], width: int, smaller: Callable[[V, V], V], larger: Callable[[V, V], V]
) -> list[V]:
    """Medians of all windows of `width` rows, from choices of the smaller and the larger of two rows alone.

    Neighbouring windows share most of their rows: these are sorted once, and all but the few in the middle, which
    alone can still become a median, are dropped. Then the windows are halved, left and right; either half shares
    some rows more, sorted too, and with each of them one candidate falls away at the bottom or at the top; and so
    on until a window is alone, with one candidate: its median. 16 windows of 31 cost 36 choices each.

    Nothing is ever asked of the rows, so they can be numbers, arrays, or names of registers in a program that is
    being written.

    Args:
        rows: `width` + `windows_at_once(width)` - 1 values.
        width: odd, at least 3.
        smaller: the smaller of two, element by element.
        larger: the larger of two.

    Returns:
        One median per window, in order.
    """

    def sorted_rows(first: int, stop: int) -> list[V]:
        values = list(rows[first:stop])
        for low, high in _batcher(len(values)):
            values[low], values[high] = smaller(values[low], values[high]), larger(values[low], values[high])
        return values

    def sorted_bitonic(values: list[V]) -> list[V]:
        """Sort what rises and then falls, or a rotation of that (Batcher 1968)."""
        if len(values) == 1:
            return values
        pairs = list(zip(values[: len(values) // 2], values[len(values) // 2 :], strict=True))
        return sorted_bitonic([smaller(*pair) for pair in pairs]) + sorted_bitonic([larger(*pair) for pair in pairs])

    def narrowed(middle: list[V], more: list[V]) -> list[V]:
        """Of 2n sorted candidates and n more rows, all but the n smallest and the n largest, sorted."""
        n = len(more)
        upper = sorted_bitonic([larger(*pair) for pair in zip(middle[:n], reversed(more), strict=True)])
        return sorted_bitonic([smaller(*pair) for pair in zip(middle[n:], reversed(upper), strict=True)])

    def medians(first: int, windows: int, middle: list[V]) -> list[V]:
        if windows == 1:
            return middle
        half = windows // 2
        before = sorted_rows(first + half - 1, first + windows - 1)
        after = sorted_rows(first + width, first + width + half)
        return medians(first, half, narrowed(middle, before)) + medians(first + half, half, narrowed(middle, after))

    windows = windows_at_once(width)
    shared = sorted_rows(windows - 1, width)
    outer = (len(shared) - windows) // 2
    return medians(0, windows, shared[outer : len(shared) - outer])


def _batcher(count: int) -> list[tuple[int, int]]:
    """Comparators that sort `count` values, in order: pairs of places, of which the first gets the smaller value.

    Batcher's odd-even merge sort (1968; Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M).
    """
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
