"""Shapes of spectra that are known without a computer."""

from __future__ import annotations

import numpy as np
import pytest

from samplemind.dsp.framing import next_frames
from samplemind.dsp.spectral import (
    POWER_FLOOR,
    peaks_over_valleys,
    root_mean_square,
    spectral_shape,
    zero_crossing_shares,
)

BINS = 1025


@pytest.mark.parametrize("level", [0.0, 1e-30, 1e-10, 0.3, 1.0, 7e11, 3e38])
def test_a_flat_spectrum_of_any_level_has_flatness_one(level: float) -> None:
    power = np.full((2, BINS), level, np.float32)
    flatness = spectral_shape(power, 1.0, 0.85, POWER_FLOOR)[:, 3]
    assert flatness == pytest.approx(np.ones(2), rel=1e-6)


def test_flatness_is_the_geometric_over_the_arithmetic_mean() -> None:
    power = np.exp(np.random.default_rng(0).uniform(-20, 80, (5, BINS))).astype(np.float32)
    expected = np.exp(np.log(power.astype(np.float64)).mean(axis=1)) / power.mean(axis=1, dtype=np.float64)
    assert spectral_shape(power, 1.0, 0.85, POWER_FLOOR)[:, 3] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("bin_number", [0, 1, 31, 32, 33, 500, BINS - 1])
def test_a_single_bin_is_centroid_and_rolloff(bin_number: int) -> None:
    power = np.zeros((1, BINS), np.float32)
    power[0, bin_number] = 4.0
    centroid, bandwidth, rolloff, _ = spectral_shape(power, 10.0, 0.85, POWER_FLOOR)[0]
    assert (centroid, bandwidth, rolloff) == (10.0 * bin_number, 0.0, 10.0 * bin_number)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.85, 0.999, 1.0])
def test_rolloff_is_the_first_bin_that_reaches_the_share(share: float) -> None:
    magnitudes = np.random.default_rng(1).integers(1, 9, (20, BINS)).astype(np.float32)
    cumulative = np.cumsum(magnitudes, axis=1)
    expected = (cumulative < share * cumulative[:, -1:]).sum(axis=1)
    assert np.array_equal(spectral_shape(magnitudes**2, 1.0, share, POWER_FLOOR)[:, 2], expected)


def test_peaks_and_valleys_are_means_of_the_outermost() -> None:
    magnitudes = np.random.default_rng(2).random((9, 100), np.float32) + 0.1
    bands = np.array([[0, 10, 1], [10, 40, 2], [40, 100, 7]])
    expected = np.empty((9, 3))
    for band, (first, stop, count) in enumerate(bands):
        ordered = np.sort(magnitudes[:, first:stop], axis=1)
        expected[:, band] = ordered[:, -count:].mean(axis=1) / ordered[:, :count].mean(axis=1)
    power = magnitudes**2
    before = power.copy()
    assert peaks_over_valleys(power, bands, POWER_FLOOR) == pytest.approx(expected, rel=1e-5)
    assert np.array_equal(power, before)  # others read it too


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_frames_that_overlap_are_measured_as_if_they_did_not(count: int) -> None:
    samples = np.random.default_rng(3).normal(size=count * 8).astype(np.float32)
    _, frames = next_frames(None, samples, length=32, hop=8, last=True)
    apart = np.ascontiguousarray(frames, np.float64)
    crossings = (np.diff((apart < -0.25).astype(int), axis=1) != 0).sum(axis=1) / 32
    for given in (frames, frames.copy()):
        assert root_mean_square(given, 8) == pytest.approx(np.sqrt((apart**2).mean(axis=1)), rel=1e-6)
        assert zero_crossing_shares(given, 8, 0.25) == pytest.approx(crossings, rel=1e-6)
