"""Running medians against SciPy's, bit by bit."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from samplemind.dsp.median_kernel import medians_of_windows, windows_at_once
from samplemind.dsp.medians import running_median


@given(
    st.integers(31, 90),
    st.integers(1, 600),
    st.sampled_from([3, 5, 17, 31]),
    st.sampled_from([0, 1]),
    st.integers(0, 2**32 - 1),
)
def test_equals_scipy(length: int, others: int, width: int, axis: int, seed: int) -> None:
    shape = (length, others) if axis == 0 else (others, length)
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    values[values > 1.5] = 1.5  # equal ones among them
    size = (width, 1) if axis == 0 else (1, width)
    assert np.array_equal(running_median(values, width, axis), median_filter(values, size=size, mode="reflect"))


@given(st.integers(1, 31), st.integers(1, 40), st.sampled_from([3, 5, 17, 31]), st.sampled_from([0, 1]))
def test_windows_longer_than_the_rows_see_them_mirrored(length: int, others: int, width: int, axis: int) -> None:
    """SciPy 1.17 fails here: it gives zeros that are none of the values. NumPy's median of the windows does not."""
    values = np.random.default_rng(length).standard_normal((length, others)).astype(np.float32)
    mirrored = np.pad(values, ((width // 2, width // 2), (0, 0)), mode="symmetric")
    medians = np.median(sliding_window_view(mirrored, width, axis=0), axis=2)
    assert np.array_equal(
        running_median(values if axis == 0 else values.T, width, axis), medians if axis == 0 else medians.T
    )


@pytest.mark.parametrize("width", [3, 5, 7, 9, 11])
def test_the_choices_alone_find_every_median(width: int) -> None:
    """By the zero-one principle they do so for all numbers if they do for all zeros and ones (Knuth 5.3.4)."""
    windows = windows_at_once(width)
    columns = np.array(list(itertools.product((0, 1), repeat=width + windows - 1))).T
    found = medians_of_windows(list(columns), width, np.minimum, np.maximum)
    assert len(found) == windows
    for first, median in enumerate(found):
        assert np.array_equal(median, np.median(columns[first : first + width], axis=0))


def test_sixteen_windows_of_31_cost_36_choices_each() -> None:
    choices = 0

    def choose(first: int, second: int) -> int:
        nonlocal choices
        choices += 1
        return first

    assert len(medians_of_windows([0] * 46, 31, choose, choose)) == 16
    assert choices / 16 == pytest.approx(36.125)


@pytest.mark.parametrize("width", [0, 1, 2, 30])
def test_even_and_tiny_widths_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        running_median(np.zeros((5, 5), np.float32), width)


@pytest.mark.parametrize(
    ("values", "axis"),
    [(np.zeros((5, 5)), 0), (np.zeros(5, np.float32), 0), (np.zeros((5, 5), np.float32), -1)],
)
def test_other_types_shapes_and_axes_are_refused(values: NDArray[np.floating], axis: int) -> None:
    with pytest.raises(ValueError, match="two dimensions of float32"):
        running_median(values, 3, axis)


def test_other_processors_find_the_same(tmp_path: Path) -> None:
    """Compiled for a processor without wide registers, in a process and a folder of its own."""
    code = (
        "import numpy, sys; from samplemind.dsp.medians import running_median;"
        "values = numpy.random.default_rng(1).standard_normal((70, 130)).astype(numpy.float32);"
        "numpy.save(sys.argv[1], [running_median(values, 31, axis) for axis in (0, 1)])"
    )
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "found.npy")], env=environment, check=True)
    values = np.random.default_rng(1).standard_normal((70, 130)).astype(np.float32)
    expected = [median_filter(values, size=size, mode="reflect") for size in ((31, 1), (1, 31))]
    assert np.array_equal(np.load(tmp_path / "found.npy"), expected)
