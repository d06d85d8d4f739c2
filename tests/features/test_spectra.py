"""Every spectral number equals librosa's with the same parameters."""

from __future__ import annotations

from functools import partial
from unittest import mock

import librosa
import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from samplemind.execution import run_graph
from samplemind.features import feature_graph
from tests.signals import SAMPLE_RATE, music, noise, sine

SOUNDS = {
    "music": music(3.0),
    "noise": noise(2.0),
    "tone": sine(440, 1.5),
    "quiet noise": noise(1.0, amplitude=1e-3),
    "very short": noise(0.02),
    "one sample": np.array([0.5], np.float32),
    "silence": np.zeros(5000, np.float32),
    "negative start": -sine(30, 0.5) - np.float32(0.25),
}
SPECTRAL = (
    "mel",
    "mfcc",
    "chroma",
    "spectral_centroid",
    "spectral_bandwidth",
    "spectral_rolloff",
    "spectral_flatness",
    "spectral_contrast",
    "rms",
    "zero_crossing_rate",
)


def ours(sound: NDArray[np.float32], names: tuple[str, ...] = SPECTRAL) -> dict[str, NDArray[np.float32]]:
    inputs = {"sample_rate": SAMPLE_RATE, "mono_channel": None}
    return run_graph(feature_graph(), names, blocks=[sound[:, None]], inputs=inputs).values


def theirs(name: str, sound: NDArray[np.float32]) -> NDArray[np.float32]:
    # In single precision as ours: where a sound has nothing but rounding errors, those of double precision differ.
    window = scipy.signal.get_window("hann", 2048).astype(np.float32)
    spectrum = np.abs(librosa.stft(sound, n_fft=2048, hop_length=512, window=window, pad_mode="constant"))
    mel = librosa.feature.melspectrogram(S=spectrum**2, sr=SAMPLE_RATE, n_mels=128)
    match name:
        case "mel":
            return mel.T
        case "mfcc":
            return librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=20).T
        case "chroma":
            return librosa.feature.chroma_stft(S=spectrum**2, sr=SAMPLE_RATE, tuning=0).T
        case "spectral_contrast":
            # The only way to librosa's top_db here, which a stream can't have.
            with mock.patch("librosa.feature.spectral.power_to_db", partial(librosa.power_to_db, top_db=None)):
                return librosa.feature.spectral_contrast(S=spectrum, sr=SAMPLE_RATE).T
        case "spectral_flatness":
            return librosa.feature.spectral_flatness(S=spectrum)[0]
        case "rms":
            return librosa.feature.rms(y=sound)[0]
        case "zero_crossing_rate":
            return librosa.feature.zero_crossing_rate(sound)[0]
    return getattr(librosa.feature, name)(S=spectrum, sr=SAMPLE_RATE)[0]


@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large:UserWarning")  # librosa, of sounds under a frame
@pytest.mark.parametrize("name", SPECTRAL)
@pytest.mark.parametrize("sound", SOUNDS)
def test_equals_librosa(name: str, sound: str) -> None:
    mine, expected = ours(SOUNDS[sound])[name], theirs(name, SOUNDS[sound])
    assert mine.shape == expected.shape
    if name == "spectral_rolloff":  # a sum just at the threshold may round to either of two bins
        assert np.mean(mine == expected) > 0.99
        np.testing.assert_allclose(mine, expected, atol=1.01 * SAMPLE_RATE / 2048)
    else:
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=2e-5 * float(np.abs(expected).max()) + 1e-9)
