"""Against the test signals of EBU Tech 3341 and 3342, pyloudnorm and labelled recordings."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from numpy.typing import NDArray

from samplemind.features.loudness import (
    MOMENTARY,
    SUB_BLOCKS_PER_S,
    k_weighted_power,
    loudness_lufs,
    loudness_momentary_max_lufs,
    loudness_range_lu,
    loudness_short_term_max_lufs,
    true_peak,
    true_peak_dbtp,
)
from samplemind.graph import Unknown
from tests.signals import noise

RATES = (22_050, 44_100, 48_000, 96_000)
SILENT = -400.0

Samples = NDArray[np.float32]


def power_of(samples: Samples, sample_rate: int, *, block: int = 100_000) -> NDArray[np.float32]:
    state, series = None, []
    for start in range(0, max(1, len(samples)), block):
        part = samples[start : start + block]
        state, power = k_weighted_power(state, part, sample_rate, last=start + block >= len(samples))
        series.append(power)
    return np.concatenate(series)


def true_peak_of(samples: Samples, *, block: int = 100_000) -> float | Unknown:
    state = None
    for start in range(0, max(1, len(samples)), block):
        state = true_peak(state, samples[start : start + block], last=start + block >= len(samples))
    assert state is not None
    return true_peak_dbtp(state)


def tone(parts: Sequence[tuple[float, float]], sample_rate: int, *, channels: int = 2) -> Samples:
    """A 1 kHz sine in phase in all channels: (peak level in dBFS, seconds) one after the other."""
    levels = [np.full(round(seconds * sample_rate), 10 ** (db / 20)) for db, seconds in parts]
    amplitude = np.concatenate(levels)
    sine = amplitude * np.sin(2 * np.pi * 1000 * np.arange(len(amplitude)) / sample_rate)
    return np.repeat(sine[:, np.newaxis], channels, axis=1).astype(np.float32)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([(-23, 20)], -23, id="1"),
        pytest.param([(-33, 20)], -33, id="2"),
        pytest.param([(-36, 10), (-23, 60), (-36, 10)], -23, id="3"),
        pytest.param([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23, id="4"),
        pytest.param([(-26, 20), (-20, 20.1), (-26, 20)], -23, id="5"),
    ],
)
def test_tech_3341_integrated(parts: list[tuple[float, float]], expected: float, sample_rate: int) -> None:
    assert loudness_lufs(power_of(tone(parts, sample_rate), sample_rate)) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("levels", [(-28, -28, -24, -30, -30), (-28, -28, -24, -3, -30, -30)], ids=["5.0", "5.1"])
def test_tech_3341_case_6_surround(levels: tuple[float, ...], sample_rate: int) -> None:
    # In 5.1 the LFE may be as loud as it likes.
    sound = np.hstack([tone([(level, 20)], sample_rate, channels=1) for level in levels])
    assert loudness_lufs(power_of(sound, sample_rate)) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("sample_rate", RATES)
def test_tech_3341_cases_9_and_12_maxima(sample_rate: int) -> None:
    short_term = tone([(-20, 1.34), (-30, 1.66)] * 5, sample_rate)
    momentary = tone([(-20, 0.18), (-30, 0.22)] * 25, sample_rate)
    assert loudness_short_term_max_lufs(power_of(short_term, sample_rate)) == pytest.approx(-23, abs=0.1)
    assert loudness_momentary_max_lufs(power_of(momentary, sample_rate)) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("step", [0, 1, 7, 12, 19])
def test_tech_3341_cases_10_and_13_wherever_the_tone_starts(step: int, sample_rate: int) -> None:
    short_term = tone([(SILENT, 0.15 * step), (-23, 3), (SILENT, 1)], sample_rate)
    momentary = tone([(SILENT, 0.02 * step), (-23, 0.4), (SILENT, 1)], sample_rate)
    assert loudness_short_term_max_lufs(power_of(short_term, sample_rate)) == pytest.approx(-23, abs=0.1)
    assert loudness_momentary_max_lufs(power_of(momentary, sample_rate)) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize(
    ("divisor", "degrees", "amplitude", "expected"),
    [(4, 0, 0.5, -6), (4, 45, 0.5, -6), (6, 60, 0.5, -6), (8, 67.5, 0.5, -6), (4, 45, 1.41, 3)],
    ids=["15", "16", "17", "18", "19"],
)
def test_tech_3341_true_peak(divisor: int, degrees: float, amplitude: float, expected: float) -> None:
    times = np.arange(48_000)
    fade = np.minimum(1, np.minimum(times, times[::-1]) / 480)
    sine = fade * amplitude * np.sin(2 * np.pi * times / divisor + np.radians(degrees))
    found = true_peak_of(np.repeat(sine[:, np.newaxis], 2, axis=1).astype(np.float32))
    assert isinstance(found, float)
    assert expected - 0.4 <= found <= expected + 0.2


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize(
    ("levels", "expected"),
    [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)],
    ids=["1", "2", "3", "4"],
)
def test_tech_3342_loudness_range(levels: tuple[float, ...], expected: float, sample_rate: int) -> None:
    power = power_of(tone([(level, 20) for level in levels], sample_rate), sample_rate)
    assert loudness_range_lu(power) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("sample_rate", [44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_agrees_with_pyloudnorm(channels: int, sample_rate: int) -> None:
    sound = noise(8.0 * channels, sample_rate=sample_rate).reshape(-1, channels)
    sound *= np.repeat(np.array([0.1, 1.0, 0.01, 0.3], np.float32), len(sound) // 4)[:, np.newaxis]
    expected = pyloudnorm.Meter(sample_rate).integrated_loudness(sound.astype(float))
    assert loudness_lufs(power_of(sound, sample_rate)) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("seconds", [0.001, 0.02, 0.2, 0.399])
def test_a_short_sound_is_measured_with_silence_up_to_400_ms(seconds: float) -> None:
    sound = noise(seconds)[:, np.newaxis]
    padded = np.concatenate([sound, np.zeros((17_640 - len(sound), 1), np.float32)])
    expected = pyloudnorm.Meter(44_100).integrated_loudness(padded.astype(float))
    assert loudness_lufs(power_of(sound, 44_100)) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 44_100, 44_056, 192_000])
@pytest.mark.parametrize("block", [331, 4_410])
def test_power_does_not_depend_on_how_samples_arrive(block: int, sample_rate: int) -> None:
    sound = noise(2.0, sample_rate=sample_rate).reshape(-1, 2)
    whole, cut = power_of(sound, sample_rate), power_of(sound, sample_rate, block=block)
    assert len(whole) == len(cut) == SUB_BLOCKS_PER_S
    np.testing.assert_allclose(cut, whole, rtol=1e-6)


def test_true_peak_does_not_depend_on_how_samples_arrive() -> None:
    sound = noise(1.0).reshape(-1, 2)
    assert true_peak_of(sound, block=7) == true_peak_of(sound)


@pytest.mark.parametrize("at", [0, 65_000, 65_535, 65_600, 99_960])
def test_the_loudest_400_ms_are_found_wherever_they_are(at: int) -> None:
    power = np.full(100_000, 1e-6, np.float32)
    power[at : at + MOMENTARY] = 0.1
    assert loudness_momentary_max_lufs(power) == pytest.approx(-0.691 - 10, abs=1e-3)


@pytest.mark.parametrize("gain_db", [-40.0, 20.0])
def test_a_gain_moves_every_level_by_itself(gain_db: float) -> None:
    sound = noise(4.0, amplitude=0.05)[:, np.newaxis]
    louder = sound * np.float32(10 ** (gain_db / 20))
    before, after = power_of(sound, 44_100), power_of(louder, 44_100)
    for measure in (loudness_lufs, loudness_momentary_max_lufs, loudness_short_term_max_lufs):
        assert measure(after) == pytest.approx(measure(before) + gain_db, abs=1e-4)
    assert loudness_range_lu(after) == pytest.approx(loudness_range_lu(before), abs=1e-4)
    assert true_peak_of(louder) == pytest.approx(true_peak_of(sound) + gain_db, abs=1e-4)


@pytest.mark.parametrize("frames", [0, 1, 100, 44_100])
def test_silence_has_no_loudness(frames: int) -> None:
    silence = np.zeros((frames, 2), np.float32)
    power = power_of(silence, 44_100)
    assert len(power) >= MOMENTARY
    for measure in (loudness_lufs, loudness_momentary_max_lufs, loudness_short_term_max_lufs, loudness_range_lu):
        assert isinstance(measure(power), Unknown)
    assert isinstance(true_peak_of(silence), Unknown)


def test_what_stays_below_the_absolute_gate_has_no_integrated_loudness() -> None:
    power = power_of(tone([(-80, 4)], 48_000), 48_000)
    assert loudness_lufs(power) == Unknown("no complete window of 0.4 s is louder than -70 LUFS")
    assert loudness_range_lu(power) == Unknown("no complete window of 3 s is louder than -70 LUFS")
    assert loudness_momentary_max_lufs(power) == pytest.approx(-80, abs=0.1)


def test_a_sound_in_incomplete_windows_is_not_said_to_be_silent() -> None:
    sound = np.zeros((100_000, 1), np.float32)
    sound[-300:] = 0.9
    power = power_of(sound, 44_100)
    assert isinstance(true_peak_of(sound), float)
    for measure in (loudness_lufs, loudness_momentary_max_lufs, loudness_short_term_max_lufs):
        assert measure(power) == Unknown("silent, or as good as silent, in every complete 10 ms")
    # It sounds in the last complete 10 ms, but not in a complete 100 ms.
    sound[-2_000:] = 0.9
    power = power_of(sound, 44_100)
    assert loudness_lufs(power) == Unknown("no complete window of 0.4 s is louder than -70 LUFS")
    assert isinstance(loudness_momentary_max_lufs(power), float)


def test_loudness_range_needs_3_seconds() -> None:
    assert isinstance(loudness_range_lu(power_of(tone([(-20, 2.9)], 48_000), 48_000)), Unknown)
    assert loudness_range_lu(power_of(tone([(-20, 3)], 48_000), 48_000)) == 0


def test_labelled_recordings(corpus: Path) -> None:
    measures = {
        "LUFS_integrated": (lambda sound, rate: loudness_lufs(power_of(sound, rate)), 0.1, 0.1),
        "LRA_LU": (lambda sound, rate: loudness_range_lu(power_of(sound, rate)), 1.0, 1.0),
        "dBTP_max": (lambda sound, rate: true_peak_of(sound), 0.4, 0.2),
    }
    with (corpus / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == "loudness"]
    assert rows
    for row in rows:
        sound, sample_rate = soundfile.read(corpus / row["path"], dtype="float32", always_2d=True)
        measure, under, over = measures[row["unit"]]
        found = measure(sound, sample_rate)
        assert isinstance(found, float)
        assert float(row["label"]) - under <= found <= float(row["label"]) + over, row["path"]
