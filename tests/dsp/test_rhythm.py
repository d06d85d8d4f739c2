"""Autocorrelation, beat paths and grids by their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from samplemind.dsp import tempogram
from samplemind.dsp.regression import steady_grid
from samplemind.dsp.sequences import beat_path, prominent_frames
from samplemind.dsp.tempogram import OVERSAMPLING, at_lags, autocorrelation, without_slow_changes


@pytest.mark.parametrize("frames", [300, 1000])
def test_autocorrelation_is_that_of_the_definition(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempogram, "BLOCK_FRAMES", 256)
    signal = np.random.default_rng(0).standard_normal((frames, 1)).astype(np.float32)
    found = autocorrelation(signal, 100)[::OVERSAMPLING]
    values = signal[:, 0].astype(float)
    expected = [1.0]
    for lag in range(1, 100):
        first, second = values[:-lag], values[lag:]
        expected.append(float(first @ second / np.sqrt((first @ first) * (second @ second))))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_periodic_signal_repeats_fully_after_its_period() -> None:
    signal = np.sin(2 * np.pi * np.arange(2000) / 37.5)[:, None].astype(np.float32)
    found = autocorrelation(signal, 200)
    assert at_lags(found, np.array([37.5]))[0] == pytest.approx(1.0, abs=0.01)
    assert at_lags(found, np.array([18.75]))[0] == pytest.approx(-1.0, abs=0.02)
    assert np.isnan(at_lags(found, np.array([300.0]))[0])


def test_slow_changes_are_taken_off() -> None:
    ramp = np.linspace(0, 5, 1000, dtype=np.float32)[:, None]
    np.testing.assert_allclose(without_slow_changes(ramp)[50:-50], 0.0, atol=1e-4)
    assert not without_slow_changes(np.zeros((10, 4), np.float32)).any()


@pytest.mark.parametrize("frames", [1, 2, 43, 64, 65, 300])
def test_slow_changes_are_those_of_the_definition(frames: int) -> None:
    bands = np.random.default_rng(0).random((frames, 2)).astype(np.float32)
    smooth = np.array([np.convolve(band, [0.25, 0.5, 0.25])[1:-1] for band in bands.T.astype(float)]).T
    means = [smooth[max(0, k - 43) : k + 44].mean(axis=0) for k in range(frames)]
    np.testing.assert_allclose(without_slow_changes(bands), smooth - means, atol=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 5, 12, 300])
def test_prominent_frames_are_those_of_the_definition(frames: int) -> None:
    strength = np.random.default_rng(frames).random(frames).astype(np.float32)
    padded = np.pad(strength.astype(float), 20)
    expected = [
        k
        for k in range(frames)
        if strength[k] == padded[k + 17 : k + 24].max()
        and strength[k] >= padded[k + 20 - 9 : k + 20 + 7 + 1].mean() + 0.2
    ]
    np.testing.assert_array_equal(prominent_frames(strength, 3, 9, 7, 0.2), expected)
    assert frames < 300 or len(expected) > 10


def test_the_beat_path_follows_strong_regular_events_past_stray_ones() -> None:
    strength = np.zeros(1000, np.float32)
    expected = np.arange(7, 1000, 43)
    strength[expected] = 5.0
    strength[[30, 200, 333, 511]] = 4.0
    np.testing.assert_array_equal(beat_path(strength, 42.6, 100.0), expected)


def test_the_grid_is_exact_in_spite_of_gaps_strays_and_off_beats() -> None:
    index = np.concatenate([np.arange(40), np.arange(300, 340), [400.5, 401.5]])
    times = 1.25 + index * 0.4713
    times[[5, 17, 60]] += 0.15
    fit = steady_grid(times, np.ones(len(times)), 0.4713 * 1.004)
    assert fit.period == pytest.approx(0.4713, abs=1e-9)
    assert (fit.offset - 1.25) / 0.4713 * 2 % 1 == pytest.approx(0.0, abs=1e-6)
    assert fit.share == pytest.approx(1 - 3 / len(times))
    assert fit.deviation == pytest.approx(0.0, abs=1e-9)


def test_the_error_of_the_period_is_that_of_a_regression() -> None:
    generator = np.random.default_rng(3)
    errors, stated = [], []
    for _ in range(200):
        times = np.arange(64) * 0.5 + 0.005 * generator.standard_normal(64)
        fit = steady_grid(times, np.ones(64), 0.5)
        errors.append(fit.period - 0.5)
        stated.append(fit.period_error)
    assert np.mean(stated) == pytest.approx(np.std(errors), rel=0.15)
