"""Peaks, outlines, attacks and decays, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from samplemind.features.envelope import Envelope, attack_s, decay_s, envelope
from samplemind.features.kind import Kind
from samplemind.features.opening import opening
from samplemind.features.peaks import MOST_BINS, SLICES, Outline, peak_dbfs, peak_outline, waveform
from samplemind.graph import Unknown
from tests.signals import SAMPLE_RATE, noise, sine

Samples = NDArray[np.float32]


def outline_of(samples: Samples, sample_rate: int = SAMPLE_RATE, *, block: int = 100_000) -> Outline:
    state = None
    for start in range(0, max(1, len(samples)), block):
        state = peak_outline(state, samples[start : start + block], sample_rate)
    assert state is not None
    return state


def envelope_of(samples: NDArray[np.floating]) -> Envelope:
    found = envelope(samples.astype(np.float32), Kind("one-shot"))
    assert isinstance(found, Envelope)
    return found


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_peak_of_the_loudest_channel_of_either_polarity(channel: int) -> None:
    sound = noise(3.0, amplitude=0.01).reshape(-1, 3)
    sound[1234, channel] = -0.5
    assert peak_dbfs(outline_of(sound)) == pytest.approx(20 * math.log10(0.5), abs=1e-6)


@pytest.mark.parametrize("frames", [0, 1, 50_000])
def test_silence_has_no_peak(frames: int) -> None:
    outline = outline_of(np.zeros((frames, 2), np.float32))
    assert isinstance(peak_dbfs(outline), Unknown)
    assert not waveform(outline).any()


@pytest.mark.parametrize("frames", [1, 43, 1_000, 5_700, 180_633, 1_000_000])
@pytest.mark.parametrize("block", [1_111, 44_100])
def test_outline_is_bounded_and_does_not_depend_on_how_samples_arrive(block: int, frames: int) -> None:
    sound = noise(2 * frames / SAMPLE_RATE).reshape(-1, 2)
    whole, cut = outline_of(sound), outline_of(sound, block=block)
    assert len(whole.peaks) == -(-frames // whole.width) <= MOST_BINS
    assert (whole.width, whole.length) == (cut.width, cut.length) == (whole.width, frames)
    np.testing.assert_array_equal(whole.peaks, cut.peaks)


def test_waveform_follows_the_amplitude() -> None:
    seconds = 10.0
    sound = np.linspace(0, 1, round(seconds * SAMPLE_RATE), dtype=np.float32) * np.sign(sine(1000, seconds))
    shape = waveform(outline_of(sound[:, np.newaxis]))
    np.testing.assert_allclose(shape, (np.arange(SLICES) + 1) / SLICES, atol=0.001)


def test_waveform_of_a_very_short_sound_has_fewer_numbers() -> None:
    assert len(waveform(outline_of(np.ones((441, 1), np.float32)))) == 11


def test_waveform_stays_within_full_scale() -> None:
    outline = outline_of(np.full((SAMPLE_RATE, 1), 1.5, np.float32))
    assert waveform(outline).max() == 1
    assert peak_dbfs(outline) == pytest.approx(20 * math.log10(1.5), abs=1e-6)


@pytest.mark.parametrize("hz", [500, 1_000, 5_000])
@pytest.mark.parametrize("time_constant_s", [0.005, 0.02, 0.1, 0.3])
def test_exponential_decay(time_constant_s: float, hz: float) -> None:
    seconds = 10 * time_constant_s
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    found = envelope_of(sine(hz, seconds) * np.exp(-times / time_constant_s))
    # A tenth of the amplitude after ln 10 time constants.
    assert decay_s(found) == pytest.approx(time_constant_s * math.log(10), rel=0.01, abs=0.001)
    assert attack_s(found) < 0.001


@pytest.mark.parametrize("hz", [60, 440, 5_000])
@pytest.mark.parametrize("ramp_s", [0.005, 0.02, 0.1, 0.5])
def test_linear_attack(ramp_s: float, hz: float) -> None:
    sound = sine(hz, ramp_s + 1)
    # From a tenth to nine tenths: four fifths of the ramp.
    times = np.arange(len(sound)) / SAMPLE_RATE
    up, down = np.minimum(times / ramp_s, 1), np.minimum(times[::-1] / 0.5, 1)
    assert attack_s(envelope_of(sound * up * down)) == pytest.approx(0.8 * ramp_s, abs=0.001)
    # A sound that is cut off seems a little louder at its end.
    assert attack_s(envelope_of(sound * up)) == pytest.approx(0.8 * ramp_s, rel=0.06, abs=0.001)


@pytest.mark.parametrize("time_constant_s", [0.05, 0.3])
def test_decay_of_noise(time_constant_s: float) -> None:
    times = np.arange(round(10 * time_constant_s * SAMPLE_RATE)) / SAMPLE_RATE
    found = envelope_of(noise(10 * time_constant_s) * np.exp(-times / time_constant_s))
    assert decay_s(found) == pytest.approx(time_constant_s * math.log(10), rel=0.1)
    assert attack_s(found) < 0.005


def test_silence_before_a_sound_and_its_level_change_nothing() -> None:
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    sound = sine(2_000, 1) * np.exp(-times / 0.1)
    plain = envelope_of(sound)
    late = envelope_of(np.concatenate([np.zeros(30_000), sound * 0.01]))
    assert attack_s(late) == pytest.approx(attack_s(plain), abs=0.001)
    assert decay_s(late) == pytest.approx(decay_s(plain), abs=0.001)


def test_a_sound_that_never_dies_away_has_no_decay() -> None:
    assert isinstance(decay_s(envelope_of(sine(440, 1))), Unknown)


@pytest.mark.parametrize("label", ["loop", "track"])
def test_only_a_one_shot_has_an_envelope(label: str) -> None:
    assert isinstance(envelope(sine(440, 1), Kind(label)), Unknown)


def test_a_single_click_and_a_single_sample() -> None:
    click = np.zeros(882)
    click[10] = 1
    assert attack_s(envelope_of(click)) < 0.001
    assert decay_s(envelope_of(click)) < 0.001
    assert attack_s(envelope_of(np.ones(1))) == 0
    assert isinstance(decay_s(envelope_of(np.ones(1))), Unknown)


@pytest.mark.parametrize("block", [1_000, 44_100, 10**6])
def test_the_opening_begins_after_digital_silence(block: int) -> None:
    sound = np.concatenate([np.zeros(9 * SAMPLE_RATE, np.float32), noise(9.0)])
    state = None
    for start in range(0, len(sound), block):
        state = opening(state, sound[start : start + block])
    np.testing.assert_array_equal(state, noise(9.0)[: 8 * SAMPLE_RATE])


def test_silence_has_an_empty_opening() -> None:
    assert opening(opening(None, np.zeros(100, np.float32)), np.zeros(100, np.float32)).size == 0


def test_a_silent_opening_has_no_envelope() -> None:
    assert isinstance(envelope(np.zeros(1000, np.float32), Kind("one-shot")), Unknown)
