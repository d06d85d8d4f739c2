"""Running moments against NumPy over the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samplemind.dsp.statistics import Moments, moments_including


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_any_cut_gives_the_moments_of_the_whole(cuts: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    blocks = [generator.normal(1e3, 1.0, (cut, 3)).astype(np.float32) for cut in cuts]
    whole = np.concatenate(blocks).astype(np.float64)
    moments: Moments | None = None
    for block in blocks:
        moments = moments_including(moments, block)
    if not len(whole):
        assert moments is None
        return
    assert moments is not None
    assert moments.count == len(whole)
    assert moments.mean == pytest.approx(whole.mean(axis=0), rel=1e-12)
    assert moments.std == pytest.approx(whole.std(axis=0), rel=1e-8, abs=1e-9)
    assert np.array_equal(moments.minimum, whole.min(axis=0))
    assert np.array_equal(moments.maximum, whole.max(axis=0))


def test_a_series_of_numbers_is_one_column() -> None:
    moments = moments_including(None, np.array([1.0, 2.0, 3.0], np.float32))
    assert moments is not None
    assert moments.mean.shape == (1,)
