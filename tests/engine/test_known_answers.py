"""From a file to an answer that is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from samplemind import AudioEngine
from tests.conftest import WriteWav
from tests.signals import SAMPLE_RATE, clicks, noise, sine


@pytest.mark.parametrize("bpm", [60, 66.5, 75, 83.3, 90, 100, 111.1, 120, 128, 140, 150.7, 160, 174, 185, 200])
def test_click_tracks_are_exact(engine: AudioEngine, write_wav: WriteWav, bpm: float) -> None:
    features = engine.analyze_audio(write_wav(clicks(bpm, 16.0)))
    assert features.tempo_bpm == pytest.approx(bpm, abs=0.05)
    assert features.beats_s is not None
    first_beats = np.arange(5) * 60 / bpm
    assert features.beats_s[:5] == pytest.approx(first_beats, abs=0.02)
    assert features.onsets_s is not None
    assert len(features.onsets_s) == pytest.approx(16.0 * bpm / 60, abs=1.01)


@pytest.mark.parametrize("bpm", [20, 25, 30, 35, 45, 55, 210, 220, 250, 300, 400])
def test_beyond_that_the_truth_is_among_the_candidates(engine: AudioEngine, write_wav: WriteWav, bpm: float) -> None:
    features = engine.analyze_audio(write_wav(clicks(bpm, 20.0)))
    assert features.tempo_candidates is not None
    assert any(c.tempo_bpm == pytest.approx(bpm, rel=0.01) for c in features.tempo_candidates)


@pytest.mark.parametrize("midi", [36, 48, 57, 69, 84])
def test_a_note_is_known(engine: AudioEngine, write_wav: WriteWav, midi: int) -> None:
    hz = 440 * 2 ** ((midi - 69) / 12)
    decay = np.exp(-np.arange(SAMPLE_RATE) / 15_000)
    tone = sum(sine(hz * partial, 1.0, amplitude=0.3 / partial) for partial in (1, 2, 3, 4)) * decay
    features = engine.analyze_audio(write_wav(tone.astype(np.float32)), level="basic")
    assert features.kind == "one-shot"
    assert features.root_midi == midi
    assert features.root_cents == pytest.approx(0, abs=3)


@pytest.mark.parametrize("hz", [4_500, 6_000, 10_000, 15_000])
def test_a_tone_above_the_piano_is_not_taken_for_a_lower_one(
    engine: AudioEngine, write_wav: WriteWav, hz: float
) -> None:
    features = engine.analyze_audio(write_wav(sine(hz, 1.0)), level="basic")
    assert features.root_midi is None
    assert features.unknown["root_midi"] == "its pitch is beyond the keys of a piano"


def test_where_a_tone_breaks_off_nothing_sets_in(engine: AudioEngine, write_wav: WriteWav) -> None:
    features = engine.analyze_audio(write_wav(sine(300, 5.0)))
    assert features.onsets_s is not None
    assert [round(onset, 1) for onset in features.onsets_s] == [0.0]


def test_levels_of_a_full_scale_sine(engine: AudioEngine, write_wav: WriteWav) -> None:
    """BS.1770: 997 Hz at 0 dBFS in one channel is -3.01 LUFS."""
    features = engine.analyze_audio(write_wav(sine(997, 5.0, amplitude=1.0, sample_rate=48_000), sample_rate=48_000))
    assert features.loudness_lufs == pytest.approx(-3.01, abs=0.02)
    assert features.peak_dbfs == pytest.approx(0, abs=0.01)
    assert features.rms is not None
    assert features.rms.max == pytest.approx(np.sqrt(0.5), rel=1e-2)
    assert features.spectral_centroid_hz is not None
    assert features.spectral_centroid_hz.min == pytest.approx(997, rel=1e-2)


def test_stereo_facts_are_of_the_file(engine: AudioEngine, write_wav: WriteWav) -> None:
    """Peak and loudness see the file's own channels, not the downmix."""
    stereo = np.stack([sine(440, 2.0, amplitude=0.8), np.zeros(2 * SAMPLE_RATE)], axis=1)
    features = engine.analyze_audio(write_wav(stereo, subtype="PCM_24"), level="basic")
    assert features.peak_dbfs == pytest.approx(20 * np.log10(0.8), abs=0.01)
    assert (features.channels, features.bit_depth, features.codec) == (2, 24, "pcm_s24le")


def test_channels_that_cancel_are_told_of(engine: AudioEngine, write_wav: WriteWav) -> None:
    sound = clicks(120, 8.0)
    features = engine.analyze_audio(write_wav(np.stack([sound, -sound], axis=1)))
    assert features.tempo_bpm == pytest.approx(120, abs=0.05)
    assert features.warnings == ("the channels cancel each other in the mean; channel 1 stands for the sound",)


@pytest.mark.parametrize("sound", [noise(8.0), sine(220, 8.0), np.zeros(8 * SAMPLE_RATE, np.float32)])
def test_what_has_no_tempo_gets_none(engine: AudioEngine, write_wav: WriteWav, sound: np.ndarray) -> None:
    features = engine.analyze_audio(write_wav(sound))
    assert features.tempo_bpm is None
    assert features.unknown["tempo_bpm"]
    assert features.unknown["beats_s"] == features.unknown["tempo_bpm"]


@pytest.mark.parametrize("sound", [noise(4.0), clicks(120, 4.0), np.zeros(4 * SAMPLE_RATE, np.float32)])
def test_what_has_no_key_gets_none(engine: AudioEngine, write_wav: WriteWav, sound: np.ndarray) -> None:
    features = engine.analyze_audio(write_wav(sound))
    assert features.key is None
    assert features.unknown["key"]
