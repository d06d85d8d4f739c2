"""Running statistics that do not depend on how a series was cut into blocks."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled


@dataclass(frozen=True)
class Moments:
    """Count, mean, variance and extremes of rows seen so far, per column, in double precision."""

    count: int
    mean: NDArray[np.float64]
    """Shape (columns,)."""
    variance: NDArray[np.float64]
    """Population variance (divided by the count), shape (columns,)."""
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]

    @property
    def std(self) -> NDArray[np.float64]:
        """Population standard deviation, shape (columns,)."""
        return np.sqrt(self.variance)


def moments_including(moments: Moments | None, rows: NDArray[np.float32]) -> Moments | None:
    """Add rows of shape (n,) or (n, columns) by the pairwise update of Chan, Golub & LeVeque (1983)."""
    if not len(rows):
        return moments
    columns = np.ascontiguousarray(rows).reshape(len(rows), -1)
    if moments is None:
        moments = _no_moments(columns.shape[1])
    pooled = _pooled(moments.count, moments.mean, moments.variance, moments.minimum, moments.maximum, columns)
    return Moments(moments.count + len(rows), *pooled)


@functools.cache
def _no_moments(columns: int) -> Moments:
    zero = np.zeros(columns)
    return Moments(count=0, mean=zero, variance=zero, minimum=zero + np.inf, maximum=zero - np.inf)


@compiled
def _pooled(
    count: int,
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    minimum: NDArray[np.float64],
    maximum: NDArray[np.float64],
    rows: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Mean, variance, minimum and maximum of the rows so far and the new ones, shape (4, columns)."""
    added, columns = rows.shape
    new_mean = np.zeros(columns)
    new_variance = np.zeros(columns)
    pooled = np.empty((4, columns))
    pooled[2] = minimum
    pooled[3] = maximum
    for row in range(added):
        for column in range(columns):
            value = np.float64(rows[row, column])
            new_mean[column] += value / added
            pooled[2, column] = min(pooled[2, column], value)
            pooled[3, column] = max(pooled[3, column], value)
    for row in range(added):
        for column in range(columns):
            new_variance[column] += (rows[row, column] - new_mean[column]) ** 2 / added
    share = added / (count + added)
    for column in range(columns):
        step = new_mean[column] - mean[column]
        pooled[0, column] = mean[column] + step * share
        spread = variance[column] * (1 - share) + new_variance[column] * share
        pooled[1, column] = spread + step**2 * share * (1 - share)
    return pooled
