"""The files that are compared: tracks, one-shots, and ten of many lengths and formats, the same at every run."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from samplemind.demo import chord_progression, drum_loop

SAMPLE_RATE: Final = 44_100
MIXED: Final = (
    ("wav", 1),
    ("mp3", 2 / 3),
    ("m4a", 1 / 2),
    ("flac", 1 / 3),
    ("ogg", 1 / 4),
    ("wav", 1 / 6),
    ("mp3", 1 / 9),
    ("m4a", 1 / 18),
    ("flac", 1 / 60),
    ("ogg", 1 / 180),
)
"""Formats of ten files, and their lengths as shares of the longest: 3 minutes to 1 s."""
_SHORTEST_S: Final = 1.0
_PIECE: Final = 10 * SAMPLE_RATE
"""Frames that libsndfile is given at a time: its Vorbis encoder overflows the stack with millions."""


def write_track(path: Path, seconds: float) -> None:
    """A stereo track of the demonstration's sounds, 44.1 kHz, in the format that the suffix says; WAV in 16 bits."""
    drums, chords = _parts()
    frames = round(seconds * SAMPLE_RATE)
    left = np.resize(drums[:, 0], frames) * 0.5 + np.resize(chords, frames) * 0.5
    right = np.resize(drums[:, 1], frames) * 0.3 + np.resize(chords, frames) * 0.6
    sound = np.stack([left, right], axis=1).astype(np.float32)
    if path.suffix == ".m4a":
        _write_m4a(path, sound)
        return
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 2) as file:
        for start in range(0, frames, _PIECE):
            file.write(sound[start : start + _PIECE])


def write_mixed(folder: Path, longest_s: float) -> list[Path]:
    """Ten tracks as in `MIXED`, none shorter than a second."""
    paths = []
    for number, (suffix, share) in enumerate(MIXED):
        path = folder / f"mixed {number}.{suffix}"
        write_track(path, max(_SHORTEST_S, share * longest_s))
        paths.append(path)
    return paths


def write_one_shots(folder: Path, count: int, seconds: float, longest: float | None = None) -> list[str]:
    """Decaying tones over noise, each of another pitch and decay: WAV, one channel.

    Args:
        folder: where they go.
        count: how many.
        seconds: the length of each; of the shortest, if there is a longest.
        longest: the length of the longest; the others lie between, evenly.
    """
    generator = np.random.default_rng(0)
    paths = []
    for number, length in enumerate(np.linspace(seconds, longest or seconds, count)):
        times = np.arange(round(length * SAMPLE_RATE)) / SAMPLE_RATE
        hz, decay_s = 55 * 2 ** generator.uniform(0, 5), generator.uniform(0.05, 0.3)
        sound = np.sin(2 * np.pi * hz * times) + 0.1 * generator.standard_normal(len(times))
        path = folder / f"{number:07}.wav"
        soundfile.write(path, 0.5 * sound * np.exp(-times / decay_s), SAMPLE_RATE, subtype="PCM_16")
        paths.append(str(path))
    return paths


@functools.cache
def _parts() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return drum_loop(), chord_progression()


def _write_m4a(path: Path, sound: NDArray[np.float32]) -> None:
    import av

    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)
