"""Files for the tests, written by libraries or byte by byte."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from samplemind.audio import AudioInfo, open_audio

Samples = NDArray[np.float32]


def decode(path: Path, *, frames: int = 5000) -> tuple[AudioInfo, Samples, tuple[str, ...]]:
    """All there is to know of a file: its info, its samples of shape (n, channels), its warnings."""
    with open_audio(path) as audio:
        blocks = list(audio.blocks(frames))
        assert audio.frames == sum(map(len, blocks))
        return audio.info, np.concatenate(blocks), audio.warnings


def ramp(frames: int, channels: int, *, bits: int) -> NDArray[np.int32]:
    """Integers of shape (frames, channels), left-justified in 32 bits, different in every channel."""
    generator = np.random.default_rng(bits)
    levels = generator.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (frames, channels))
    return (levels << (32 - bits)).astype(np.int32)


def write_av(
    path: Path,
    samples: NDArray[np.int32],
    sample_rate: int,
    *,
    codec: str,
    sample_format: str | None = None,
    container: str | None = None,
    layout: str = "stereo",
) -> Path:
    """Encode left-justified 32-bit samples of shape (n, channels) with FFmpeg."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=sample_rate, layout=layout)
        stream.bit_rate = 192_000  # WMA has no default; lossless codecs ignore it
        if sample_format:
            stream.codec_context.format = sample_format
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s32", layout=layout)
        frame.sample_rate = sample_rate
        frame.time_base = Fraction(1, sample_rate)
        frame.pts = 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)
    return path


def chunk(name: bytes, body: bytes, *, size: int | None = None) -> bytes:
    """A RIFF chunk, whose size may be a lie."""
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes, form: bytes = b"RIFF") -> bytes:
    """A WAV file of these chunks."""
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack("<I", len(body)) + body


def wav_format(
    tag: int = 1, channels: int = 1, sample_rate: int = 8000, bits: int = 16, *, align: int | None = None
) -> bytes:
    """A "fmt " chunk."""
    align = channels * bits // 8 if align is None else align
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, sample_rate, sample_rate * align, align, bits))
