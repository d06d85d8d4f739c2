"""Running medians."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def running_median(rows: NDArray[np.float32], width: int, axis: int = 0) -> NDArray[np.float32]:
    """Median over `width` neighbouring values along an axis; beyond the ends the rows are mirrored.

    Where the axis is at least as long as the window, equal to ``scipy.ndimage.median_filter(rows, size=(width, 1),
    mode="reflect")`` for axis 0, and with ``size=(1, width)`` for axis 1. Nothing is computed: every median is one of
    the values, though of -0 and 0 it may be either.

    Args:
        rows: single precision, two dimensions, without NaN.
        width: odd, at least 3.
        axis: 0 or 1.

    Returns:
        The same shape.

    Raises:
        ValueError: an argument that is none of these.
    """
    if width < 3 or width % 2 == 0:
        raise ValueError(f"the width must be odd and at least 3, not {width}")
    if axis not in (0, 1) or rows.ndim != 2 or rows.dtype != np.float32:
        raise ValueError(f"medians are of two dimensions of float32, not along axis {axis} of {rows.ndim} {rows.dtype}")
    if not rows.size:
        return rows.copy()
    from samplemind.dsp.median_kernel import LANES, median_kernels, windows_at_once  # it imports Numba

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
