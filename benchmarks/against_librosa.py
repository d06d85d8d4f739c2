"""STANDARD and DETAILED, by samplemind and by librosa's calls for the same outputs; separation into files.

    python benchmarks/against_librosa.py [--seconds 180] [--pairs 5]

One process, one thread each, decoding included, no cache.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse  # noqa: E402 (the thread counts must be set before NumPy is imported)
import functools  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import pyloudnorm  # noqa: E402
import soundfile  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from benchmarks.paired import compare, heading  # noqa: E402
from samplemind import AudioEngine, separate_to  # noqa: E402
from samplemind.demo import chord_progression, drum_loop  # noqa: E402


def write_track(path: Path, seconds: float) -> None:
    """A stereo track of the demonstration's sounds, 44.1 kHz, 16 bits."""
    drums, chords = drum_loop(), chord_progression()
    frames = round(seconds * 44_100)
    left = np.resize(drums, frames) * 0.5 + np.resize(chords, frames) * 0.5
    right = np.resize(drums, frames) * 0.3 + np.resize(chords, frames) * 0.6
    soundfile.write(path, np.stack([left, right], axis=1), 44_100, subtype="PCM_16")


def standard_by_librosa(path: Path) -> NDArray[np.float32]:
    """STANDARD's outputs; librosa has no loudness, kind or key, so those are samplemind's extra."""
    samples, rate = librosa.load(path, sr=44_100, mono=True)
    spectrum = np.abs(librosa.stft(samples))
    mel = librosa.feature.melspectrogram(S=spectrum**2, sr=rate)
    librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None))
    librosa.feature.chroma_stft(S=spectrum**2, sr=rate, tuning=0)
    librosa.feature.chroma_cqt(y=samples, sr=rate)
    librosa.estimate_tuning(y=samples, sr=rate)
    for feature in ("spectral_centroid", "spectral_bandwidth", "spectral_rolloff", "spectral_contrast"):
        getattr(librosa.feature, feature)(S=spectrum, sr=rate)
    librosa.feature.spectral_flatness(S=spectrum)
    librosa.feature.zero_crossing_rate(samples)
    librosa.feature.rms(y=samples)
    onsets = librosa.onset.onset_strength(S=librosa.power_to_db(mel), sr=rate)
    librosa.onset.onset_detect(onset_envelope=onsets, sr=rate)
    librosa.beat.beat_track(onset_envelope=onsets, sr=rate)
    return samples


def detailed_by_librosa(path: Path) -> None:
    """What DETAILED adds, as a user of librosa gets it: separated sound for the ratio, pyloudnorm for loudness."""
    samples = standard_by_librosa(path)
    harmonic, percussive = librosa.effects.hpss(samples)
    energies = np.sum(harmonic**2), np.sum(percussive**2)
    _ = energies[0] / max(sum(energies), 1e-30)
    stereo, rate = soundfile.read(path)
    if len(stereo) > 0.4 * rate:
        pyloudnorm.Meter(rate).integrated_loudness(stereo)
    librosa.effects.trim(samples)


def separated_by_librosa(path: Path, folder: Path) -> None:
    """Both channels separated, and written as 32-bit float."""
    samples, rate = librosa.load(path, sr=None, mono=False)
    for part, sound in zip(("harmonic", "percussive"), librosa.effects.hpss(samples), strict=True):
        soundfile.write(folder / f"librosa.{part}.wav", sound.T, rate, subtype="FLOAT")


def main() -> None:
    """Compare a track, and a one-shot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    heading("samplemind", "librosa", "librosa", "numpy", "scipy", "numba")
    with tempfile.TemporaryDirectory() as name, AudioEngine(cache=None) as engine:
        folder = Path(name)
        for seconds in (arguments.seconds, 0.5):
            path = folder / f"{seconds:g}.wav"
            write_track(path, seconds)
            for level, theirs in (("standard", standard_by_librosa), ("detailed", detailed_by_librosa)):
                compare(
                    f"{level} of {seconds:g} s, stereo WAV",
                    functools.partial(engine.analyze_audio, path, level=level),
                    functools.partial(theirs, path),
                    pairs=arguments.pairs,
                )
        path = folder / f"{arguments.seconds:g}.wav"
        compare(
            f"separate {arguments.seconds:g} s, stereo WAV, to two files",
            functools.partial(separate_to, path, folder),
            functools.partial(separated_by_librosa, path, folder),
            pairs=arguments.pairs,
        )


if __name__ == "__main__":
    main()
