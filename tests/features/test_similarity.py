"""What must not move a sound in the space of likeness, and what must; and neighbours among real sounds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from samplemind.features import spectra
from samplemind.features.similarity import similarity_vector, timbre_profile
from samplemind.graph import Unknown
from tests.signals import SAMPLE_RATE, music, noise, sine

Samples = NDArray[np.float32]


def mel_of(sound: Samples) -> NDArray[np.float32]:
    return spectra.mel(spectra.power(spectra.spectrum(spectra.frames(None, sound, True)[1])))


def vector_of(mel: NDArray[np.float32], *, block: int = 256) -> NDArray[np.float32]:
    profile = None
    for start in range(0, len(mel), block):
        profile = timbre_profile(profile, mel[start : start + block])
    assert profile is not None
    vector = similarity_vector(profile)
    assert isinstance(vector, np.ndarray)
    return vector


def distance(one: Samples, other: Samples) -> float:
    return float(np.linalg.norm(vector_of(mel_of(one)) - vector_of(mel_of(other))))


def hit(hz: float, decay_s: float = 0.1) -> Samples:
    times = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    return (sine(hz, 0.5) * np.exp(-times / decay_s)).astype(np.float32)


SOUNDS: dict[str, Samples] = {
    "music": music(5.0),
    "noise": noise(1.0),
    "hit": hit(200),
    "late hit": np.concatenate([np.zeros(20_000, np.float32), hit(200)]),
}


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("block", [1, 7, 100])
def test_blocks_change_nothing(name: str, block: int) -> None:
    mel = mel_of(SOUNDS[name])
    np.testing.assert_allclose(vector_of(mel, block=block), vector_of(mel), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("gain_db", [-80, -40, 40])
def test_level_changes_nothing(name: str, gain_db: float) -> None:
    mel = mel_of(SOUNDS[name])
    louder = mel * np.float32(10 ** (gain_db / 10))
    np.testing.assert_allclose(vector_of(louder), vector_of(mel), rtol=1e-4, atol=1e-5)


def test_silence_around_a_sound_hardly_moves_it() -> None:
    silence = np.zeros(512 * 80, np.float32)
    padded = np.concatenate([silence, hit(200), silence])
    assert distance(padded, hit(200)) < 0.2 * distance(hit(200), hit(800))


def test_nearer_in_pitch_decay_and_noisiness_is_nearer() -> None:
    assert distance(hit(200), hit(220)) < distance(hit(200), hit(800))
    assert distance(hit(200), hit(200, 0.12)) < distance(hit(200), hit(200, 0.5))
    assert distance(noise(0.5), noise(0.5, seed=1)) < distance(noise(0.5), hit(200))


def test_the_opening_of_a_long_sound_counts_little() -> None:
    # One and the same minute of music after different seconds of something else.
    rest = music(60.0)
    one, other = np.concatenate([noise(1.0), rest]), np.concatenate([sine(100, 1.0), rest])
    assert distance(one, other) < 0.3 * distance(noise(1.0), sine(100, 1.0))


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short_sounds_have_finite_numbers(frames: int) -> None:
    vector = vector_of(mel_of(noise(1.0))[:frames])
    assert vector.shape == (102,)
    assert np.isfinite(vector).all()


@pytest.mark.parametrize("frames", [0, 1, 100])
def test_silence_has_no_place(frames: int) -> None:
    profile = timbre_profile(None, np.zeros((frames, 128), np.float32))
    assert isinstance(similarity_vector(profile), Unknown)


def mean_average_precision(vectors: NDArray[np.float32], labels: NDArray[np.str_]) -> float:
    distances = np.linalg.norm(vectors[:, np.newaxis] - vectors[np.newaxis], axis=2)
    np.fill_diagonal(distances, np.inf)
    precisions = []
    for row, label in zip(distances, labels, strict=True):
        relevant = labels[np.argsort(row, kind="stable")[:-1]] == label
        hits = np.cumsum(relevant) / np.arange(1, len(relevant) + 1)
        precisions.append(hits[relevant].mean())
    return float(np.mean(precisions))


@pytest.mark.parametrize(("task", "least"), [("similarity", 0.57), ("drums", 0.40)])
def test_neighbors_of_real_sounds(task: str, least: float, corpus: Path) -> None:
    # Means and deviations of MFCCs reach 0.47 and 0.24.
    with (corpus / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == task and not row["path"].endswith(".m4a")]
    vectors = np.stack([vector_of(mel_of(_mono(corpus / row["path"]))) for row in rows])
    assert mean_average_precision(vectors, np.array([row["label"] for row in rows])) > least


def _mono(path: Path) -> Samples:
    sound, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(sound.mean(axis=1), sample_rate, SAMPLE_RATE), np.float32)
