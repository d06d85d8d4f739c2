"""Decimation, folded spectral peaks, key profiles and their codes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import scipy.signal

from samplemind.dsp.keys import (
    ALBRECHT_SHANAHAN,
    MODES,
    PITCH_CLASSES,
    SHA_ATH,
    Mode,
    camelot,
    key_correlations,
    open_key,
)
from samplemind.dsp.tonal import decimated, folded_peaks, lowpass, semitones_of, tuning_of

from ..signals import noise

RATE = 5_512.5
LENGTH = 4096


def test_lowpass_passes_and_stops() -> None:
    taps = lowpass(44_100, passband_hz=2_000, stopband_hz=3_512.5)
    hz, response = scipy.signal.freqz(taps, worN=8192, fs=44_100)
    decibels = 20 * np.log10(np.abs(response) + 1e-12)
    assert np.abs(decibels[hz <= 2_000]).max() < 0.01
    assert decibels[hz >= 3_512.5].max() < -69
    np.testing.assert_array_equal(taps, taps[::-1])


@pytest.mark.parametrize("length", [0, 1, 128, 129, 136, 137, 10_000])
def test_decimation_is_convolution(length: int) -> None:
    taps = lowpass(44_100, passband_hz=2_000, stopband_hz=3_512.5)
    assert len(taps) == 129
    sound = noise(1.0)[:length]
    expected = np.convolve(sound, taps, "valid")[::8] if length >= len(taps) else np.empty(0)
    np.testing.assert_allclose(decimated(sound, taps, 8), expected, atol=1e-6)


def fold(sound: np.ndarray, *, partial: float = 0.0) -> np.ndarray:
    """One frame of 4096 samples at 5.5 kHz, every frequency weighted alike."""
    spectrum = scipy.fft.rfft(sound * scipy.signal.get_window("hann", LENGTH))[np.newaxis]
    power = (np.abs(spectrum) ** 2).astype(np.float32)
    return folded_peaks(power, RATE / LENGTH, 60.0, 2000.0, 89, 3.0, 300.0, 1e6, partial)[0]


@pytest.mark.parametrize("cents", [-600, -333, -50, -10, 0, 7, 20, 50, 449])
def test_a_sine_folds_to_its_pitch(cents: float) -> None:
    times = np.arange(LENGTH) / RATE
    folded = fold(np.sin(2 * np.pi * 440 * 2 ** (cents / 1200) * times))
    # The bins either side of the pitch share its weight by nearness.
    away = (np.arange(60) - 45 - cents / 20 + 30) % 60 - 30
    np.testing.assert_allclose(folded / folded.sum(), np.maximum(1 - np.abs(away), 0), atol=0.01)
    deviation, agreement = tuning_of(folded)
    assert (deviation - cents + 50) % 100 - 50 == pytest.approx(0, abs=1)
    assert agreement > 0.8


def test_a_row_sums_to_the_amplitude_of_the_peaks() -> None:
    times = np.arange(LENGTH) / RATE
    sound = np.sin(2 * np.pi * 440 * times) + 0.5 * np.sin(2 * np.pi * 700 * times)
    energy = np.sum(np.abs(scipy.fft.rfft(sound * scipy.signal.get_window("hann", LENGTH))) ** 2)
    assert fold(sound).sum() == pytest.approx(np.sqrt(energy), rel=0.01)


@pytest.mark.parametrize(("number", "counts"), [(2, 1.0), (3, 0.5), (4, 1.0), (5, 0.5)])
def test_a_partial_that_is_another_pitch_class_counts_half(number: int, counts: float) -> None:
    times = np.arange(LENGTH) / RATE
    sound = np.sin(2 * np.pi * 200 * times) + 0.01 * np.sin(2 * np.pi * 200 * number * times)
    shares = []
    for partial in (0.0, 0.5):
        folded = fold(sound, partial=partial)
        lower = int(60 * np.log2(200 / 261.6255653005986) % 60)
        weight = folded[lower] + folded[lower + 1]
        shares.append((folded.sum() - weight) / weight)
    expected = 0.1 if number in (3, 5) else 0.0
    assert shares[0] == pytest.approx(expected, rel=0.02)
    assert shares[1] == pytest.approx(expected * counts, rel=0.02)


def test_noise_has_hardly_any_peaks() -> None:
    sound = noise(1.0)[:LENGTH]
    energy = np.sum(np.abs(scipy.fft.rfft(sound * scipy.signal.get_window("hann", LENGTH))) ** 2)
    assert fold(sound).sum() ** 2 < 0.05 * energy


def test_retuning_undoes_a_detuning() -> None:
    times = np.arange(LENGTH) / RATE
    for cents in (-45.0, -20.0, 0.0, 33.0):
        folded = fold(np.sin(2 * np.pi * 440 * 2 ** (cents / 1200) * times))
        classes = semitones_of(folded, cents=cents)
        assert classes.argmax() == 9
        assert classes[9] > 0.9 * classes.sum()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tonic", range(12))
def test_correlations_are_pearsons_with_the_published_profiles(tonic: int, mode: Mode) -> None:
    classes = np.random.default_rng(tonic).random(12)
    index = MODES.index(mode)
    expected = np.mean(
        [np.corrcoef(classes, np.roll(profile[index], tonic))[0, 1] for profile in (ALBRECHT_SHANAHAN, SHA_ATH)]
    )
    assert key_correlations(classes)[12 * index + tonic] == pytest.approx(expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("profiles", [ALBRECHT_SHANAHAN, SHA_ATH])
def test_each_profile_is_in_its_own_key(profiles: tuple[tuple[float, ...], ...], mode: Mode) -> None:
    index = MODES.index(mode)
    for tonic in range(12):
        assert key_correlations(np.roll(profiles[index], tonic)).argmax() == 12 * index + tonic


def test_a_flat_distribution_fits_no_key() -> None:
    assert not key_correlations(np.full(12, 0.1)).any()


@pytest.mark.parametrize(
    ("tonic", "mode", "wheel", "opened"),
    [
        ("C", "major", "8B", "1d"),
        ("A", "minor", "8A", "1m"),
        ("G", "major", "9B", "2d"),
        ("E", "minor", "9A", "2m"),
        ("B", "major", "1B", "6d"),
        ("G#", "minor", "1A", "6m"),
        ("E", "major", "12B", "5d"),
        ("F#", "minor", "11A", "4m"),
        ("F", "major", "7B", "12d"),
        ("D", "minor", "7A", "12m"),
        ("D#", "minor", "2A", "7m"),
    ],
)
def test_codes_for_djs(tonic: str, mode: Mode, wheel: str, opened: str) -> None:
    degree = PITCH_CLASSES.index(tonic)
    assert camelot(degree, mode) == wheel
    assert open_key(degree, mode) == opened


def test_every_key_has_its_own_code() -> None:
    keys = [(tonic, mode) for tonic in range(12) for mode in MODES]
    assert len({camelot(*key) for key in keys}) == len({open_key(*key) for key in keys}) == 24
