"""A series of unknown length in bounded memory: rows folded into runs, which grow longer as the series does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


class Runs:
    """Rows of a series, folded into runs of equal length: at first of one row, twice as long whenever there are `most`.

    Args:
        fold: what makes one row of many: np.minimum, np.maximum, np.add.
        most: how many runs are kept, an even number.
        shape: of a row.

    Attributes:
        rows: how many were added.
    """

    def __init__(self, fold: np.ufunc, *, most: int, shape: tuple[int, ...] = ()) -> None:
        self.rows = 0
        self._fold = fold
        self._length = 1
        self._runs = np.empty((most, *shape), np.float32)
        self._filled = 0
        self._rest = np.empty((0, *shape), np.float32)

    def add(self, rows: Float32) -> None:
        """Add the next rows, shape (n, …)."""
        self.rows += len(rows)
        rest = np.concatenate([self._rest, rows])
        while len(rest) >= self._length:
            count = min(len(rest) // self._length, len(self._runs) - self._filled)
            whole = rest[: count * self._length].reshape(count, self._length, *rest.shape[1:])
            self._fold.reduce(whole, axis=1, out=self._runs[self._filled : self._filled + count])
            rest = rest[count * self._length :]
            self._filled += count
            if self._filled == len(self._runs):
                self._filled //= 2
                self._runs[: self._filled] = self._fold(self._runs[::2], self._runs[1::2])
                self._length *= 2
        self._rest = rest.copy()

    def slices(self, count: int) -> tuple[Float32, NDArray[np.int64]]:
        """Fold the series into equal slices.

        Slice k begins in row k * rows // count, rounded down to a whole run; one that would be empty has the run that
        it lies in. There must be a row.

        Args:
            count: how many.

        Returns:
            Folded rows of shape (count, …), and from how many rows each was folded.
        """
        runs = self._runs[: self._filled]
        if len(self._rest):
            runs = np.concatenate([runs, self._fold.reduce(self._rest, axis=0)[None]])
        starts = np.arange(count, dtype=np.int64) * self.rows // count // self._length
        stops = np.maximum(starts + 1, np.append(starts[1:], len(runs)))
        folded: Float32 = self._fold.reduceat(runs, starts, axis=0)  # of starts that are the same it takes the one run
        return folded, np.minimum(stops * self._length, self.rows) - starts * self._length
