"""Faults of recordings, by closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from samplemind.features import feature_graph
from samplemind.features.computation import compute
from samplemind.graph import Unknown
from tests.signals import SAMPLE_RATE, noise, sine


def found(samples: NDArray[np.floating], name: str, *, block: int = 131_072, sample_rate: int = SAMPLE_RATE) -> Any:
    samples = np.asarray(samples, np.float32).reshape(len(samples), -1)
    assert name in feature_graph().nodes
    return compute(
        lambda: (samples[start : start + block] for start in range(0, len(samples), block)),
        [name],
        sample_rate=sample_rate,
        channels=samples.shape[1],
    ).values[name]


class TestClipping:
    def test_runs_at_full_scale_are_counted_per_channel(self) -> None:
        sound = np.zeros((1000, 2))
        sound[100:103, 0] = 1.0  # three: clipped
        sound[200:202, 0] = 1.0  # two: a peak
        sound[300:310, 1] = -1.0  # ten: clipped
        sound[400, 1] = 1.0
        sound[401:403, 1] = -1.0  # a change of sign ends a run
        sound[500:504, 0] = 32_767 / 32_768  # the largest positive sample of 16 bits
        assert found(sound, "clipped_samples") == 3 + 10 + 4

    @pytest.mark.parametrize("block", [1, 2, 3, 7, 1000])
    def test_runs_across_blocks_are_one(self, block: int) -> None:
        sound = np.zeros(1000)
        sound[95:105] = 1.0
        sound[500:502] = 1.0
        assert found(sound, "clipped_samples", block=block) == 10

    def test_a_sine_that_is_too_loud_is_clipped_and_one_that_just_fits_is_not(self) -> None:
        assert found(np.clip(sine(100, 1.0, amplitude=2.0), -1, 1), "clipped_samples") > 20_000
        assert found(sine(997, 1.0, amplitude=0.999), "clipped_samples") == 0

    def test_8_bits_reach_full_scale_at_the_bottom_alone(self) -> None:
        eight_bits = np.clip(np.round(128 * sine(100, 1.0, amplitude=2.0)), -128, 127) / 128
        bottom = np.count_nonzero(eight_bits == -1)
        assert bottom > 10_000
        assert found(eight_bits, "clipped_samples") == bottom


def test_dc_offset_is_the_mean_of_the_worst_channel() -> None:
    sound = np.stack([sine(100, 1.0) + 0.01, sine(100, 1.0) - 0.05], axis=1)
    assert found(sound, "dc_offset") == pytest.approx(-0.05, abs=1e-6)


@pytest.mark.parametrize(
    ("right", "correlation"),
    [(sine(100, 1.0), 1.0), (-0.3 * sine(100, 1.0), -1.0), (noise(1.0), 0.0), (np.roll(sine(100, 1.0), 441 // 4), 0.0)],
    ids=["the same", "against", "unrelated", "a quarter later"],
)
def test_phase_correlation(right: NDArray[np.float32], correlation: float) -> None:
    sound = np.stack([sine(100, 1.0), right], axis=1)
    assert found(sound, "phase_correlation") == pytest.approx(correlation, abs=0.01)


@pytest.mark.parametrize(("correlation", "channel"), [(-0.85, None), (-0.89, None), (-0.91, 0), (-0.95, 0)])
def test_channels_cancel_where_they_correlate_below_minus_nine_tenths(correlation: float, channel: int | None) -> None:
    # Whole periods of two tones: of equal power and unrelated. The left channel is the stronger one, by 0.1 %.
    left = sine(100, 1.0)
    right = correlation * left + np.sqrt(1 - correlation**2) * sine(200, 1.0)
    sound = np.stack([1.001 * left, right], axis=1)
    assert found(sound, "phase_correlation") == pytest.approx(correlation, abs=1e-4)
    assert found(sound, "fitting_downmix").channel == channel


def test_phase_is_of_two_sounding_channels() -> None:
    assert isinstance(found(sine(100, 0.1), "phase_correlation"), Unknown)
    assert isinstance(found(np.stack([sine(100, 0.1), np.zeros(4410)], axis=1), "phase_correlation"), Unknown)
    assert isinstance(found(np.ones((100, 3)), "phase_correlation"), Unknown)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 96_000])
@pytest.mark.parametrize("gain", [1.0, 1e-3])
def test_silence_at_the_ends(rate: int, gain: float) -> None:
    quiet = noise(1.0, sample_rate=rate, amplitude=1e-6)
    sound = gain * np.concatenate([quiet, sine(440, 2.0, sample_rate=rate), quiet[: rate // 2]])
    assert found(sound, "leading_silence_s", sample_rate=rate) == pytest.approx(1.0, abs=0.011)
    assert found(sound, "trailing_silence_s", sample_rate=rate) == pytest.approx(0.5, abs=0.011)
    assert found(sound, "leading_silence_s", sample_rate=rate, block=999) == found(
        sound, "leading_silence_s", sample_rate=rate
    )


def test_noise_floor_is_the_level_of_the_pauses() -> None:
    sound = noise(10.0, amplitude=1e-3)
    sound[: 8 * SAMPLE_RATE] += sine(440, 8.0)
    assert found(sound, "noise_floor_dbfs") == pytest.approx(-60, abs=0.5)


def test_digital_silence_is_no_noise() -> None:
    sound = np.concatenate([noise(2.0, amplitude=1e-2), np.zeros(2 * SAMPLE_RATE, np.float32)])
    assert found(sound, "noise_floor_dbfs") == pytest.approx(-40, abs=0.5)
    assert found(np.zeros(2 * SAMPLE_RATE), "noise_floor_dbfs") == Unknown("every sample is zero")
    assert isinstance(found(noise(0.5), "noise_floor_dbfs"), Unknown)


def test_only_silence_is_said_to_be_silent() -> None:
    late = np.zeros(100_000)
    late[-300:] = 0.9
    for sound in (late, 1e-25 * noise(2.0)):
        reason = Unknown("no complete 100 ms of it are loud enough to be measured")
        assert found(sound, "noise_floor_dbfs") == reason
        assert isinstance(found(sound, "peak_dbfs"), float)
    assert found(late, "leading_silence_s") == pytest.approx((100_000 - 300) / SAMPLE_RATE, abs=0.01)
    soft = 1e-25 * sine(440, 0.5)
    assert found(soft, "attack_s") == pytest.approx(found(sine(440, 0.5), "attack_s"), rel=1e-3)
