"""Files for the tests, written by libraries or byte by byte."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from samplemind.audio import AudioInfo, open_audio

av = pytest.importorskip("av", reason="PyAV makes the files: pip install av")

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


def flac_of_unknown_length(content: bytes, *more: bytes) -> bytes:
    """A FLAC file, followed by the frames of others, as it is written to a pipe: without its number of frames."""
    header, frames = _split_flac(content)
    # STREAMINFO: RFC 9639, 8.2; the number of samples is its last 36 bits before the MD5 sum.
    header = header[:21] + bytes((header[21] & 0xF0, 0, 0, 0, 0)) + header[26:]
    return header + frames + b"".join(_split_flac(other)[1] for other in more)


def _split_flac(content: bytes) -> tuple[bytes, bytes]:
    position = 4
    while True:
        last, length = content[position] & 0x80, int.from_bytes(content[position + 1 : position + 4], "big")
        position += 4 + length
        if last:
            return content[:position], content[position:]


def ogg_opus(seconds: float, *, declared_s: float | None = None) -> bytes:
    """Ogg Opus (RFC 7845) of packets that hold no more than "60 ms of silence"; its last page declares its length."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<II", 0, 0)
    packets = round(seconds / 0.06)
    bodies = [[head], [tags]]
    bodies += [[b"\x18"] * min(255, packets - first) for first in range(0, packets, 255)]
    content, granule = b"", 0
    for number, body in enumerate(bodies):
        last = number == len(bodies) - 1
        granule += 2880 * len(body) if number > 1 else 0
        stated = round(48_000 * declared_s) if last and declared_s is not None else granule
        flags = 2 if number == 0 else 4 if last else 0
        page = b"OggS" + struct.pack("<BBqIIIB", 0, flags, stated, 1, number, 0, len(body))
        page += bytes(map(len, body)) + b"".join(body)
        content += page[:22] + struct.pack("<I", ogg_checksum(page)) + page[26:]
    return content


def _table() -> list[int]:
    table = []
    for byte in range(256):
        register = byte << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register & 2**31 else 0)
        table.append(register & 0xFFFFFFFF)
    return table


CRC_TABLE = _table()


def ogg_checksum(page: bytes | bytearray) -> int:
    """The CRC of an Ogg page (RFC 3533, 6)."""
    register = 0
    for byte in page:
        register = (register << 8 & 0xFFFFFFFF) ^ CRC_TABLE[register >> 24 ^ byte]
    return register


def box(name: bytes, *parts: bytes, wide: bool = False) -> bytes:
    """An MP4 box, with a size of 32 or 64 bits."""
    body = b"".join(parts)
    if wide:
        return struct.pack(">I4sQ", 1, name, len(body) + 16) + body
    return struct.pack(">I4s", len(body) + 8, name) + body


def mov(reference: bytes, samples: bytes, *, wide: bool = False) -> bytes:
    """A QuickTime file of 16-bit mono at 44.1 kHz; `reference` says which file they lie in."""
    count = len(samples) // 2
    form = box(b"sowt", bytes(6), struct.pack(">HHHIHHHHI", 1, 0, 0, 0, 1, 16, 0, 0, 44_100 << 16))
    table = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1), form),
        box(b"stts", struct.pack(">IIII", 0, 1, count, 1)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, count, 1)),
        box(b"stsz", struct.pack(">III", 0, 2, count)),
        box(b"stco", struct.pack(">III", 0, 1, 28)),  # the samples come behind "ftyp" and the head of "mdat"
    )
    references = box(b"dinf", box(b"dref", struct.pack(">II", 0, 1), reference))
    media = box(
        b"mdia",
        box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 44_100, count, 0, 0)),
        box(b"hdlr", bytes(4), b"mhlrsoun", bytes(13)),
        box(b"minf", box(b"smhd", bytes(8)), references, table),
    )
    head = box(b"tkhd", struct.pack(">IIIIII", 7, 0, 0, 1, 0, 1000), bytes(60))
    movie = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 1000), bytes(80))
    content = box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"mdat", samples)
    return content + box(b"moov", movie, box(b"trak", head, media), wide=wide)


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
