"""Against the standard's tables, the response they define, and pyloudnorm."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
from scipy.signal import freqz

from samplemind.dsp.loudness import (
    FULL_SCALE,
    INTERPOLATION,
    K_MEMORY,
    K_WEIGHTING_48K,
    above_gates,
    channel_weights,
    interpolated_peak,
    k_weighted_energy,
    k_weighting,
    lufs,
    power_at,
    sliding_mean,
)
from tests.signals import noise


def response_db(sample_rate: int, hz: np.ndarray) -> np.ndarray:
    response = np.ones(len(hz), complex)
    for b0, b1, b2, a1, a2 in k_weighting(sample_rate):
        response *= freqz([b0, b1, b2], [1, a1, a2], hz, fs=sample_rate)[1]
    return 20 * np.log10(np.abs(response))


def test_k_weighting_at_48_khz_is_the_table_of_the_standard() -> None:
    np.testing.assert_allclose(k_weighting(48_000), K_WEIGHTING_48K, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("sample_rate", "tolerance_db"),
    [(8_000, 0.3), (16_000, 0.07), (32_000, 0.02), (44_100, 0.005), (96_000, 0.03), (384_000, 0.03)],
)
def test_k_weighting_has_the_same_response_at_every_rate(sample_rate: int, tolerance_db: float) -> None:
    hz = np.geomspace(10, 0.45 * min(sample_rate, 48_000), 200)
    np.testing.assert_allclose(response_db(sample_rate, hz), response_db(48_000, hz), rtol=0, atol=tolerance_db)


@pytest.mark.parametrize("sample_rate", [44_100, 48_000, 96_000])
def test_k_weighting_agrees_with_pyloudnorm(sample_rate: int) -> None:
    shelf = pyloudnorm.Meter(sample_rate, filter_class="DeMan")._filters["high_shelf_DeMan"]
    np.testing.assert_allclose(k_weighting(sample_rate)[0], [*shelf.b, *shelf.a[1:]], rtol=0, atol=1e-9)


@pytest.mark.parametrize("sample_rate", [1_000, 3_000, 4_000, 384_000])
def test_k_weighting_is_stable_at_the_strangest_rates(sample_rate: int) -> None:
    for *_, a1, a2 in k_weighting(sample_rate):
        assert max(abs(np.roots([1, a1, a2]))) < 1


def test_a_full_scale_sine_of_997_hz_measures_what_the_standard_says() -> None:
    sine = np.sin(2 * np.pi * 997 * np.arange(480_000) / 48_000).astype(np.float32)[:, np.newaxis]
    energy = k_weighted_energy(sine, np.array([48_000, 480_000]), k_weighting(48_000), np.zeros((1, K_MEMORY)))
    assert lufs(energy[1, 0] / 432_000) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 32])
def test_every_channel_is_filtered_for_itself(channels: int) -> None:
    sound = noise(0.2 * channels).reshape(-1, channels)
    ends = np.array([100, 4_000, len(sound)])
    filters = k_weighting(44_100)
    together = k_weighted_energy(sound, ends, filters, np.zeros((channels, K_MEMORY)))
    for channel in range(channels):
        alone = k_weighted_energy(sound[:, [channel]], ends, filters, np.zeros((1, K_MEMORY)))
        np.testing.assert_allclose(together[:, [channel]], alone, rtol=1e-9)


def test_filters_forget_silence_entirely() -> None:
    memory = np.zeros((1, K_MEMORY))
    k_weighted_energy(noise(0.1)[:, np.newaxis], np.array([4_410]), k_weighting(44_100), memory)
    assert memory.any()
    silence = np.zeros((441_000, 1), np.float32)
    k_weighted_energy(silence, np.arange(4_410, 441_001, 4_410), k_weighting(44_100), memory)
    assert not memory.any()


def test_channel_weights_of_surround_layouts() -> None:
    assert channel_weights(1).tolist() == [1]
    assert channel_weights(2).tolist() == [1, 1]
    assert channel_weights(6).tolist() == [1, 1, 1, 0, 1.41, 1.41]
    assert channel_weights(8).tolist() == [1, 1, 1, 0, 1, 1, 1.41, 1.41]
    assert channel_weights(32).tolist() == [1] * 32


def test_lufs_and_power_are_inverse() -> None:
    assert lufs(1.0) == FULL_SCALE
    assert lufs(power_at(-23.0)) == pytest.approx(-23.0, abs=1e-12)


def test_gates_keep_what_is_loud_enough() -> None:
    power = np.array([power_at(level) for level in (-20.0, -20.0, -29.0, -35.0, -80.0)])
    # The mean of the first four is -22.7 LUFS, so the relative gate is at -32.7.
    np.testing.assert_array_equal(above_gates(power, relative=-10), power[:3])
    assert above_gates(power[4:], relative=-10).size == 0


def test_sliding_mean() -> None:
    np.testing.assert_allclose(sliding_mean(np.array([1.0, 2.0, 6.0, 0.0]), 2), [1.5, 4.0, 3.0])


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_interpolated_peak_is_the_largest_of_all_four_phases(channels: int) -> None:
    sound = noise(0.1 * channels, amplitude=0.2).reshape(-1, channels)
    phases = [*INTERPOLATION, *INTERPOLATION[:, ::-1]]
    between = max(
        float(np.abs(np.convolve(sound[:, c].astype(float), phase, "valid")).max())
        for c in range(channels)
        for phase in phases
    )
    expected = max(between, float(np.abs(sound).max()))
    found = interpolated_peak(sound, INTERPOLATION, np.float32(0))
    assert found == pytest.approx(expected, rel=1e-6)
    assert interpolated_peak(sound, INTERPOLATION, np.float32(9)) == 9


def test_stretches_are_not_passed_over_too_early() -> None:
    # The worst case for the filter: every sample at full scale with the sign of its weight.
    worst = np.sign(INTERPOLATION[1]).astype(np.float32)[:, np.newaxis]
    most = np.abs(INTERPOLATION[1]).sum()
    assert most > 2
    assert interpolated_peak(worst, INTERPOLATION, np.float32(0.999 * most)) == pytest.approx(most, rel=1e-6)
