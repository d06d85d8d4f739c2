"""Running medians against SciPy's, bit by bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import median_filter

from samplemind.dsp.medians import middle_network, running_median


@given(st.integers(31, 90), st.integers(1, 600), st.sampled_from([3, 5, 17, 31]), st.integers(0, 2**32 - 1))
def test_equals_scipy(rows: int, columns: int, width: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    values[values > 1.5] = 1.5  # equal ones among them
    assert np.array_equal(running_median(values, width), median_filter(values, size=(width, 1), mode="reflect"))


@given(st.integers(1, 31), st.integers(1, 9), st.sampled_from([3, 5, 17, 31]))
def test_windows_longer_than_the_rows_see_them_mirrored(rows: int, columns: int, width: int) -> None:
    """SciPy 1.17 fails here: it gives zeros that are none of the values. NumPy's median of the windows does not."""
    values = np.random.default_rng(rows).standard_normal((rows, columns)).astype(np.float32)
    mirrored = np.pad(values, ((width // 2, width // 2), (0, 0)), mode="symmetric")
    windows = sliding_window_view(mirrored, width, axis=0)
    assert np.array_equal(running_median(values, width), np.median(windows, axis=2))


@pytest.mark.parametrize("count", [2, 4, 6, 8, 10, 14])
def test_the_network_brings_the_middle_ones_to_the_middle(count: int) -> None:
    """By the zero-one principle it does so for all numbers if it does for all zeros and ones (Knuth 5.3.4)."""
    for bits in itertools.product((0, 1), repeat=count):
        values = list(bits)
        for low, high in middle_network(count):
            values[low], values[high] = min(values[low], values[high]), max(values[low], values[high])
        middle = sorted(bits)[count // 2 - 1 : count // 2 + 1]
        assert values[count // 2 - 1 : count // 2 + 1] == middle


@pytest.mark.parametrize("width", [0, 1, 2, 30])
def test_even_and_tiny_widths_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        running_median(np.zeros((5, 5), np.float32), width)
