"""A spectrogram as a picture: power in bands of a logarithmic frequency scale, in dB, one column per slice of time."""

from __future__ import annotations

import functools
import math
import struct
import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.audio import AudioFile
from samplemind.dsp.filterbanks import Filterbank
from samplemind.dsp.fourier import power_of, windowed_rfft
from samplemind.dsp.framing import next_frames
from samplemind.features.downmix import downmix
from samplemind.workers.runs import Runs

LOWEST_HZ: Final = 30.0
HIGHEST_HZ: Final = 20_000.0
"""Centres of the lowest and the highest row, whatever the file's rate: pictures of any two sounds can be compared."""
FLOOR_DB: Final = -90.0
"""Relative to a sine of full scale: just above the noise of 16 bits. Less is drawn as it."""

_WINDOW_S: Final = 0.046
"""The Hann window's length, to be rounded to a power of two of samples: 2048 at 44.1 kHz."""
_SHORTEST_WINDOW: Final = 64
_FINEST_HOP: Final = 16
_COARSEST_HOP: Final = 2
"""The hop is at least this and at most that part of the window. A header can make it the finest one for a sound
that is longer than declared: which then costs eight times as much, and no more."""
_FRAMES: Final = 256
"""Frames at a time: they stay in the L2 cache."""
_RUNS_PER_COLUMN: Final = 4
_LOBE: Final = 1.5
"""Power of a sine in all bins of its lobe, over that in the bin of its frequency, under a Hann window."""


def spectrogram_png(audio: AudioFile, width: int, height: int) -> bytes:
    """Draw a file being decoded, low frequencies at the bottom, as a PNG of `width` by `height` pixels.

    A pixel's colour stands for the mean power in its band and slice of time, from `FLOOR_DB` to 0 dB.
    """
    rate = audio.info.sample_rate
    window = max(_SHORTEST_WINDOW, 2 ** round(math.log2(rate * _WINDOW_S)))
    hop = _hop(audio.info.declared_frames, width, window)
    bank = _rows_bank(rate, window, height)
    runs = Runs(np.add, most=_RUNS_PER_COLUMN * width, shape=(height,))
    for frames in _frames(audio, window, hop):
        for start in range(0, len(frames), _FRAMES):
            runs.add(bank.gather(power_of(windowed_rfft(frames[start : start + _FRAMES]))))
    sums, counts = runs.slices(width)
    power = np.maximum(sums / counts[:, None], 10 ** (FLOOR_DB / 10))
    shades = np.clip(np.rint(255 * (1 - 10 * np.log10(power) / FLOOR_DB)), 0, 255).astype(np.uint8)
    return _png(shades.T[::-1], palette())


def _frames(audio: AudioFile, window: int, hop: int) -> Iterator[NDArray[np.float32]]:
    """Overlapping frames of the mean of the channels; the last ones once no samples follow."""
    tail: NDArray[np.float32] | None = None
    for block in audio.blocks(_FRAMES * hop):
        tail, frames = next_frames(tail, downmix(block, None), length=window, hop=hop, last=False)
        yield frames
    yield next_frames(tail, np.empty(0, np.float32), length=window, hop=hop, last=True)[1]


def _hop(declared: int | None, width: int, window: int) -> int:
    """A frame or more for every column, if the bounds let it: a power of two of samples."""
    if declared is None:
        return window // _COARSEST_HOP
    finest = 1 << max(1, declared // width).bit_length() - 1
    return max(window // _FINEST_HOP, min(finest, window // _COARSEST_HOP))


def _rows_bank(sample_rate: int, window: int, height: int) -> Filterbank:
    """Triangular bands, at least one bin to either side, evenly spaced in log frequency; the first is the lowest.

    Weights of shape (height, window // 2 + 1): what they gather is 1 for a sine of full scale in the middle of a band
    that holds its whole lobe, 1 / `_LOBE` for one in a band of a single bin.
    """
    step = (HIGHEST_HZ / LOWEST_HZ) ** (1 / (height - 1))
    edges = LOWEST_HZ * step ** np.arange(-1, height + 1) * window / sample_rate  # in bins
    below, centre, above = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.arange(window // 2 + 1)
    rising = 1 + (bins - centre) / np.maximum(1, centre - below)
    falling = 1 - (bins - centre) / np.maximum(1, above - centre)
    full_scale = _LOBE * (window / 4) ** 2
    return Filterbank.of(np.maximum(0, np.minimum(rising, falling)) / full_scale)


@functools.cache
def palette() -> NDArray[np.uint8]:
    """256 colours from nearly black by violet and orange to pale yellow, of evenly rising lightness. Shape (256, 3).

    A path through OKLab (B. Ottosson, A perceptual color space for image processing, 2020).
    """
    share = np.linspace(0, 1, 256)
    lightness = 0.1 + 0.86 * share
    hue = np.radians(285 + 180 * share)
    chroma = 0.16 * np.sin(np.pi * share) ** 0.8
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(np.stack([long, medium, short], axis=1) @ to_rgb.T, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: NDArray[np.uint8] = np.rint(255 * srgb).astype(np.uint8)
    return colours


def _png(shades: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """A PNG of pixels of shape (height, width), numbers of colours of shape (256, 3) (ISO/IEC 15948)."""
    height, width = shades.shape
    lines = np.zeros((height, 1 + width), np.uint8)  # each line begins with its filter: none
    lines[:, 1:] = shades
    indexed = 3
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, indexed, 0, 0, 0)),
            _chunk(b"PLTE", colours.tobytes()),
            _chunk(b"IDAT", zlib.compress(lines.tobytes())),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
