"""Files into two: the parts add up, equal librosa's, and arrive in blocks."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

import samplemind
from samplemind.errors import AnalysisError, SettingsError
from tests.conftest import WriteWav
from tests.signals import music, noise


@pytest.mark.parametrize("frames", [1, 511, 2048, 44_100, 300_001])
def test_with_margin_1_the_parts_add_up(write_wav: WriteWav, frames: int) -> None:
    sound = np.stack([noise(7.0)[:frames], music(7.0)[:frames], noise(7.0, seed=2)[:frames]], axis=1)
    blocks = list(samplemind.separate(write_wav(sound)))
    harmonic, percussive = (np.concatenate(part) for part in zip(*blocks, strict=True))
    assert harmonic.shape == percussive.shape == sound.shape
    assert harmonic.dtype == np.float32
    assert np.abs(harmonic + percussive - sound).max() < 1e-5
    assert len(blocks) >= frames // 131_072


@pytest.mark.parametrize("margin", [1.0, 2.5])
def test_equals_librosa(write_wav: WriteWav, margin: float) -> None:
    sound = np.stack([music(3.0), noise(3.0)], axis=1)
    blocks = samplemind.separate(write_wav(sound), margin=margin)
    harmonic, percussive = (np.concatenate(part) for part in zip(*blocks, strict=True))
    expected = librosa.effects.hpss(sound.T, margin=margin)
    np.testing.assert_allclose(harmonic, expected[0].T, atol=1e-5)
    np.testing.assert_allclose(percussive, expected[1].T, atol=1e-5)


def test_files_hold_the_parts(write_wav: WriteWav, tmp_path: Path) -> None:
    sound = np.stack([music(2.0, sample_rate=48_000), -music(2.0, sample_rate=48_000)], axis=1)
    path = write_wav(sound, name="loop.wav", sample_rate=48_000)
    written = samplemind.separate_to(path, tmp_path / "parts")
    assert [file.name for file in written] == ["loop.harmonic.wav", "loop.percussive.wav"]
    assert soundfile.info(written[0]).subtype == "FLOAT"
    harmonic, rate = soundfile.read(written[0])
    percussive, _ = soundfile.read(written[1])
    assert rate == 48_000
    assert np.abs(harmonic + percussive - sound).max() < 1e-5
    assert sorted(file.name for file in (tmp_path / "parts").iterdir()) == [file.name for file in written]


def test_a_file_that_fails_on_the_way_leaves_nothing(write_wav: WriteWav, tmp_path: Path) -> None:
    bad = noise(8.0)
    bad[-1] = np.nan
    with pytest.raises(AnalysisError, match="nan"):
        samplemind.separate_to(write_wav(bad), tmp_path / "parts")
    assert list((tmp_path / "parts").iterdir()) == []


def test_what_makes_no_sense_is_refused(write_wav: WriteWav, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="margin"):
        list(samplemind.separate(write_wav(noise(0.1)), margin=0.5))
    with pytest.raises(AnalysisError, match=r"missing.wav"):
        list(samplemind.separate(tmp_path / "missing.wav"))
