"""STANDARD's spectral, rhythm and tonal outputs, by samplemind and by librosa's calls for the same things.

    python benchmarks/against_librosa.py [--seconds 180] [--pairs 5]

One process, one thread each, decoding included, no cache.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse  # noqa: E402 (the thread counts must be set before NumPy is imported)
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import soundfile  # noqa: E402

from benchmarks.paired import compare, heading  # noqa: E402
from samplemind import AudioEngine  # noqa: E402
from samplemind.demo import chord_progression, drum_loop  # noqa: E402


def write_track(path: Path, seconds: float) -> None:
    """A stereo track of the demonstration's sounds, 44.1 kHz, 16 bits."""
    drums, chords = drum_loop(), chord_progression()
    frames = round(seconds * 44_100)
    left = np.resize(drums, frames) * 0.5 + np.resize(chords, frames) * 0.5
    right = np.resize(drums, frames) * 0.3 + np.resize(chords, frames) * 0.6
    soundfile.write(path, np.stack([left, right], axis=1), 44_100, subtype="PCM_16")


def by_librosa(path: Path) -> None:
    """The same outputs: librosa has no loudness, kind or key, so those are samplemind's extra."""
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


def main() -> None:
    """Compare a track, and a one-shot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    heading("samplemind", "librosa", "librosa", "numpy", "scipy", "numba")
    with tempfile.TemporaryDirectory() as folder, AudioEngine(cache=None) as engine:
        for seconds in (arguments.seconds, 0.5):
            path = Path(folder) / "track.wav"
            write_track(path, seconds)
            compare(
                f"STANDARD of {seconds:g} s, stereo WAV",
                lambda path=path: engine.analyze_audio(path),  # type: ignore[misc]
                lambda path=path: by_librosa(path),  # type: ignore[misc]
                pairs=arguments.pairs,
            )


if __name__ == "__main__":
    main()
