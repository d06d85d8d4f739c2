"""What is drawn of a sound, or played in its place: its waveform, its spectrogram, a preview that every browser plays.

    decode (blocks) ─▶ Peaks → JSON │ Spectrogram → PNG │ Preview → a FLAC file

Each is made in one pass, in memory that does not grow with the duration, and by no more than what was decoded: of what
a header declares nothing but the resolution of a spectrogram depends.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from samplemind.audio import AudioFile, Limits, open_audio
from samplemind.errors import InternalError, OutputError, SampleMindError
from samplemind.features.downmix import downmix
from samplemind.workers.preview import write_preview
from samplemind.workers.runs import Runs
from samplemind.workers.spectrogram import spectrogram_png

MOST_POINTS: Final = 10_000
MOST_WIDTH: Final = 4096
MOST_HEIGHT: Final = 1024
"""More than a screen shows."""
_KEPT_PEAKS: Final = 2**20
"""Runs of samples from which peaks are made. At least 52 to a point, so that its bounds are off by less than 2 %."""
_DECIMALS: Final = 4
"""Of peaks: a waveform as high as a screen has 4000 lines at most."""


@dataclass(frozen=True)
class Peaks:
    """The least and the greatest value of the mean of the channels in each of `points` equal slices of the duration.

    Raises:
        ValueError: no number of points from 1 to `MOST_POINTS`.
    """

    points: int

    def __post_init__(self) -> None:
        _require("points", self.points, MOST_POINTS)


@dataclass(frozen=True)
class Spectrogram:
    """A picture of `width` slices of the duration and `height` bands of frequency.

    Raises:
        ValueError: no width from 1 to `MOST_WIDTH`, or no height from 2 to `MOST_HEIGHT`.
    """

    width: int
    height: int

    def __post_init__(self) -> None:
        _require("width", self.width, MOST_WIDTH)
        _require("height", self.height, MOST_HEIGHT, least=2)


@dataclass(frozen=True)
class Preview:
    """The sound as FLAC of 16 bits, at most 2 channels and at most 48 kHz, written to the file `target`."""

    target: str


Drawing = Peaks | Spectrogram | Preview
KINDS: Final = {kind.__name__: kind for kind in (Peaks, Spectrogram, Preview)}


def draw(path: str, drawing: Drawing, *, limits: Limits) -> bytes:
    """Draw a sound.

    Args:
        path: the file.
        drawing: what; the target of a preview must not exist yet.
        limits: what is refused.

    Returns:
        Of peaks a JSON document, of a spectrogram a PNG file, of a preview nothing.

    Raises:
        AnalysisError: the file can't be decoded, or is beyond a limit.
        OutputError: the preview can't be written.
    """
    try:
        with open_audio(path, limits=limits) as audio:
            match drawing:
                case Peaks(points):
                    return peaks_json(audio, points)
                case Spectrogram(width, height):
                    return spectrogram_png(audio, width, height)
                case Preview(target):
                    write_preview(audio, target)
                    return b""
    except (SampleMindError, MemoryError):
        raise
    except Exception as error:  # a mistake of ours must not end the worker
        raise InternalError(path, f"drawing it failed inside samplemind: {error!r}") from error


def peaks_json(audio: AudioFile, points: int) -> bytes:
    """The waveform of a file being decoded: its form, and the extremes of `points` slices (see `Peaks`).

    They are exact; where the slices of a sound of more than a million frames begin is rounded down to a whole run (see
    `Runs`).
    """
    lows, highs = Runs(np.minimum, most=_KEPT_PEAKS), Runs(np.maximum, most=_KEPT_PEAKS)
    for block in audio.blocks():
        mean = downmix(block, None)
        lows.add(mean)
        highs.add(mean)
    document = {
        "sample_rate_hz": audio.info.sample_rate,
        "duration_s": audio.frames / audio.info.sample_rate,
        "channels": audio.info.channels,
        "points": points,
        "minimum": _rounded(lows.slices(points)[0]),
        "maximum": _rounded(highs.slices(points)[0]),
    }
    return msgspec.json.encode(document)


@contextmanager
def placed(drawing: Drawing) -> Iterator[Drawing]:
    """Have the preview written beside its target, and put it there once it is whole.

    Raises:
        OutputError: it can't be put there.
    """
    if not isinstance(drawing, Preview):
        yield drawing
        return
    part = f"{drawing.target}.{secrets.token_hex(8)}.part"
    try:
        yield Preview(part)
        try:
            os.replace(part, drawing.target)
        except OSError as error:
            raise OutputError(f"the preview can't be put where it should be: {error.strerror}") from error
    finally:
        with suppress(OSError):
            os.unlink(part)


def _rounded(values: NDArray[np.float32]) -> list[float]:
    rounded: list[float] = (np.round(values.astype(np.float64), _DECIMALS) + 0.0).tolist()  # no -0.0
    return rounded


def _require(name: str, value: int, most: int, *, least: int = 1) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}, not {value}")
