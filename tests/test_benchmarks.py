"""The benchmarks run, and peers whose time is taken find what we find. How long anything took is not looked at here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from benchmarks.peers import SONARA_COMPACT, by_sonara, standard_by_librosa
from benchmarks.sounds import MIXED, write_mixed
from numpy.typing import NDArray

from samplemind import AudioEngine, AudioFeatures
from samplemind.demo import LOOP_BPM, chord_progression, drum_loop
from tests.conftest import REPOSITORY

# Librosa imports modules that Python 3.13 hasn't got.
pytestmark = pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")

EXACT = 1e-4
"""Relative: definitions and parameters are equal, and all is left to single precision and the order of additions."""
FLATNESS = 1e-3
"""Relative: a geometric mean of a thousand powers, some of them small differences of large numbers."""
DURATION_S = 0.01
LOSSY_FRAMES_S = 2 * 1152 / 44_100
"""Two frames of MP3, the longest of these formats: one before the sound, one behind it."""
TEMPO = 0.04
"""Relative: the tolerance of the field (MIREX), with octaves allowed."""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("speed", ("--seconds", "1", "--pairs", "1", "--one-shots", "3")),
        ("startup", ("--pairs", "1", "--no-first")),
        ("nodes", ("--seconds", "2", "--runs", "1")),
        ("scanning", ("--files", "20", "--jobs", "1")),
        ("cached", ("--seconds", "2", "--pairs", "1")),
        ("cache_entries", ("--entries", "500")),
        ("library_search", ("--entries", "500", "--queries", "2")),
        ("service_load", ("--uploads", "4", "--megabytes", "1", "--requests", "5", "--sounds", "4")),
        ("scale", ("--files", "20", "--rounds", "1", "--warm-up", "0", "--no-dask")),
        pytest.param(
            "memory",
            ("--minutes", "0.1", "--format", "flac"),
            marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such figure of the kernel's"),
        ),
    ],
)
def test_a_benchmark_runs(name: str, options: tuple[str, ...]) -> None:
    found = run(name, *options)
    assert found.returncode == 0, found.stderr
    assert "samplemind 0." in found.stdout
    assert any(unit in found.stdout for unit in (" = 1/", " µs", " ms", " MB"))


def test_rows_that_do_not_exist_are_refused() -> None:
    found = run("speed", "--rows", "detailed,retailed")
    assert found.returncode == 2
    assert "one-shots" in found.stderr


def test_sonara_finds_what_we_find(tmp_path: Path) -> None:
    for sound in (drum_loop(), chord_progression(), noise()):
        path = written(tmp_path, sound)
        theirs = by_sonara(path, mode="playlist", sample_rate=44_100)
        ours = analyzed(path)
        assert ours.duration_s == pytest.approx(theirs["duration_sec"], abs=DURATION_S)
        assert spectra_of(ours) == pytest.approx(
            {
                "centroid": theirs["spectral_centroid_mean"],
                "bandwidth": theirs["spectral_bandwidth_mean"],
                "rolloff": theirs["spectral_rolloff_mean"],
                "rms": theirs["rms_mean"],
            },
            rel=EXACT,
        )
        assert mean(ours.spectral_flatness) == pytest.approx(theirs["spectral_flatness_mean"], rel=FLATNESS)


def test_librosa_finds_what_we_find(tmp_path: Path) -> None:
    for sound in (drum_loop(), chord_progression(), noise()):
        path = written(tmp_path, sound)
        theirs = standard_by_librosa(path)
        ours = analyzed(path)
        assert ours.duration_s == pytest.approx(theirs["duration"], abs=DURATION_S)
        means = {name: float(theirs[name].mean()) for name in ("centroid", "bandwidth", "rolloff", "rms")}
        assert spectra_of(ours) == pytest.approx(means, rel=EXACT)
        assert mean(ours.spectral_flatness) == pytest.approx(float(theirs["flatness"].mean()), rel=FLATNESS)
        assert mean(ours.zero_crossing_rate) == pytest.approx(theirs["zero_crossing_rate"].mean(), rel=EXACT)


def test_everyone_hears_the_tempo_of_a_drum_loop(tmp_path: Path) -> None:
    path = written(tmp_path, np.concatenate([drum_loop(), drum_loop()]))
    heard = [
        analyzed(path).tempo_bpm,
        by_sonara(path, mode="compact")["bpm"],
        float(np.ravel(standard_by_librosa(path)["tempo"])[0]),
    ]
    for bpm in heard:
        assert bpm is not None
        assert min(abs(bpm * octave / LOOP_BPM - 1) for octave in (0.5, 1, 2)) < TEMPO


def test_ten_files_are_read_alike(tmp_path: Path) -> None:
    paths = write_mixed(tmp_path, 12)
    for path, (_, share) in zip(paths, MIXED, strict=True):
        made_s = max(1.0, 12 * share)
        ours = analyzed(path).duration_s
        assert ours == pytest.approx(made_s, abs=DURATION_S), path.name
        if path.suffix not in SONARA_COMPACT.unreadable:
            theirs = by_sonara(path, mode="compact")["duration_sec"]
            # Encoders fill up their frames; sonara takes that for sound.
            filled_s = LOSSY_FRAMES_S if path.suffix in (".mp3", ".ogg") else 0.0
            assert ours == pytest.approx(theirs, abs=DURATION_S + filled_s), path.name


def run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}", *options]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def noise() -> NDArray[np.float64]:
    return 0.1 * np.random.default_rng(0).standard_normal(3 * 44_100)


def written(folder: Path, sound: NDArray[np.float64]) -> Path:
    path = folder / "sound.wav"
    soundfile.write(path, sound, 44_100, subtype="PCM_16")
    return path


def analyzed(path: Path) -> AudioFeatures:
    with AudioEngine(cache=None) as engine:
        return engine.analyze_audio(path)


def mean(statistics: Any) -> float:
    assert statistics is not None
    value: float = statistics.mean
    return value


def spectra_of(features: AudioFeatures) -> Mapping[str, float]:
    return {
        "centroid": mean(features.spectral_centroid_hz),
        "bandwidth": mean(features.spectral_bandwidth_hz),
        "rolloff": mean(features.spectral_rolloff_hz),
        "rms": mean(features.rms),
    }
