"""Running statistics that do not depend on how a series was cut into blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
    columns = rows.reshape(len(rows), -1).astype(np.float64)
    mean = columns.mean(axis=0)
    centred = columns - mean
    new = Moments(
        count=len(rows),
        mean=mean,
        variance=np.einsum("ij,ij->j", centred, centred) / len(rows),
        minimum=columns.min(axis=0),
        maximum=columns.max(axis=0),
    )
    return new if moments is None else _pooled(moments, new)


def _pooled(first: Moments, second: Moments) -> Moments:
    count = first.count + second.count
    share = second.count / count
    step = second.mean - first.mean
    return Moments(
        count=count,
        mean=first.mean + step * share,
        variance=first.variance * (1 - share) + second.variance * share + step**2 * share * (1 - share),
        minimum=np.minimum(first.minimum, second.minimum),
        maximum=np.maximum(first.maximum, second.maximum),
    )
