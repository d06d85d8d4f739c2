"""Sorting networks for running medians, written out as vector instructions. Imports Numba.

Network and kernel are in one module, because Numba keeps machine code until the kernel's own file changes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled

V = TypeVar("V")

LANES: Final = 16
"""Single-precision numbers that are handled at once: those of the widest vector register."""

_VECTOR: Final = ir.VectorType(ir.FloatType(), LANES)


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


def _places(context: Any, builder: ir.IRBuilder, signature: Any, values: Any, first: int, count: int) -> list[Any]:
    """Addresses of `LANES` numbers in each of `count` rows of an array.

    Of the intrinsic's arguments, number `first` is the array, and the next two are the row and the column to begin at.
    """
    form, row, column = signature.args[first], values[first + 1], values[first + 2]
    if (form.dtype, form.ndim, form.layout) != (types.float32, 2, "C"):
        raise TypingError(f"rows of single precision, one after the other in memory, are needed, not {form}")
    array = context.make_array(form)(context, builder, values[first])
    stride = builder.extract_value(array.shape, 1)
    places = []
    for _ in range(count):
        place = builder.gep(array.data, [builder.add(builder.mul(row, stride), column)])
        places.append(builder.bitcast(place, _VECTOR.as_pointer()))
        row = builder.add(row, ir.Constant(row.type, 1))
    return places


def _copy(
    builder: ir.IRBuilder, sources: list[Any], targets: list[Any], change: Callable[[list[Any]], list[Any]]
) -> None:
    """Load vectors, change them, and store them."""
    changed = change([builder.load(source, align=4) for source in sources])
    for target, value in zip(targets, changed, strict=True):
        builder.store(value, target, align=4)


def _transposed(builder: ir.IRBuilder, rows: list[Any]) -> list[Any]:
    """`LANES` vectors of `LANES` numbers, rows for columns: interleaved as often as `LANES` can be halved."""
    low, high = (
        ir.Constant(
            ir.VectorType(ir.IntType(32), LANES),
            [lane + side for lane in range(start, start + LANES // 2) for side in (0, LANES)],
        )
        for start in (0, LANES // 2)
    )
    for _ in range(LANES.bit_length() - 1):
        pairs = list(zip(rows[: LANES // 2], rows[LANES // 2 :], strict=True))
        rows = [builder.shuffle_vector(*pair, mask) for pair in pairs for mask in (low, high)]
    return rows


def _write_medians(
    typing: Any, source: Any, row: Any, column: Any, target: Any, to_row: Any, to_column: Any, width: Any
) -> Any:
    """Medians of as many windows as `medians_of_windows` takes, of `LANES` columns, from one array to another.

    The network has no branches and no loops, so that the compiler keeps its values in registers, and leaves out each
    choice that no median depends on.
    """

    def write(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
        block = functools.partial(_places, context, builder, signature, values)
        windows = windows_at_once(width.literal_value)
        _copy(
            builder,
            block(0, windows + width.literal_value - 1),
            block(3, windows),
            lambda rows: medians_of_windows(
                rows,
                width.literal_value,
                smaller=lambda a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b),
                larger=lambda a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b),
            ),
        )
        return context.get_dummy_value()

    return types.void(source, row, column, target, to_row, to_column, width), write


def _write_transposed(typing: Any, source: Any, row: Any, column: Any, target: Any, to_row: Any, to_column: Any) -> Any:
    """A block of `LANES` rows and columns of one array to a place in another, rows for columns."""

    def write(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
        block = functools.partial(_places, context, builder, signature, values)
        _copy(
            builder,
            block(0, LANES),
            block(3, LANES),
            lambda rows: _transposed(builder, rows),
        )
        return context.get_dummy_value()

    return types.void(source, row, column, target, to_row, to_column), write


write_medians: Any = intrinsic(prefer_literal=True)(_write_medians)
write_transposed: Any = intrinsic(_write_transposed)

Kernel = Callable[[NDArray[np.float32], NDArray[np.float32]], None]


@functools.cache
def median_kernels(width: int) -> tuple[Kernel, Kernel]:
    """Kernels that write medians over `width` neighbours in the first argument to the second: down, and across.

    All arrays are C-contiguous. `down` takes rows that are padded already, and fills a multiple of
    `windows_at_once(width)` rows of at least `LANES` columns. `across` needs as many rows and columns, and pads by
    itself, mirrored at both ends.
    """
    windows = windows_at_once(width)
    half = width // 2

    @compiled
    def down(padded: NDArray[np.float32], medians: NDArray[np.float32]) -> None:
        count, columns = medians.shape
        for row in range(0, count, windows):
            for left in range(0, columns, LANES):
                column = min(left, columns - LANES)  # the last block overlaps the one before
                write_medians(padded, row, column, medians, row, column, width)

    @compiled
    def across(rows: NDArray[np.float32], medians: NDArray[np.float32]) -> None:
        count, columns = rows.shape
        whole = (columns + windows - 1) // windows * windows
        # `LANES` rows as columns.
        strip = np.empty((whole + width - 1, LANES), np.float32)
        result = np.empty((whole, LANES), np.float32)
        for start in range(0, count, LANES):
            top = min(start, count - LANES)
            for left in range(0, columns, LANES):
                column = min(left, columns - LANES)
                write_transposed(rows, top, column, strip, half + column, 0)
            for place in range(len(strip)):
                column = (place - half) % (2 * columns)
                column = min(column, 2 * columns - 1 - column)
                if column != place - half:
                    for lane in range(LANES):
                        strip[place, lane] = strip[half + column, lane]
            for row in range(0, whole, windows):
                write_medians(strip, row, 0, result, row, 0, width)
            for left in range(0, columns, LANES):
                column = min(left, columns - LANES)
                write_transposed(result, column, 0, medians, top, column)

    return down, across
