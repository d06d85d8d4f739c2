"""WAV and RF64 with plain PCM or floating-point samples, read here.

Such a file is a header and numbers. libsndfile 1.2.2 hangs on some damaged ones (an entry of a LIST chunk that
is larger than its chunk) and takes 24-bit samples in 4-byte containers for 3-byte ones, so it never sees WAV.
Any other codec in a WAV is FFmpeg's.

Layout: Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0; Microsoft, Multiple
Channel Audio Data and WAVE Files (extensible); EBU Tech 3306 (RF64).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.audio.info import CHUNK_SAMPLES, AudioInfo, decoder_name
from samplemind.errors import DecodeError, UnsupportedFormatError

_PCM: Final = 1
_FLOAT: Final = 3
_EXTENSIBLE: Final = 0xFFFE
_SIZE_IN_DS64: Final = 0xFFFFFFFF
"""What RF64 files put where a size belongs."""
_PLACEHOLDERS: Final = (range(2**31 - 2**16, 2**31 + 1), range(2**32 - 2**16, 2**32), range(2**63, 2**64))
"""What programs that write to a pipe put there: the largest number, at times less their header or rounded down.
Files that are as long by chance are read to their end all the same."""
_MOST_CHUNKS: Final = 10_000
"""A file with more chunks before its samples is refused: real ones have a dozen."""
_DTYPES: Final = {
    (_PCM, 1): ("pcm_u8", "u1"),
    (_PCM, 2): ("pcm_s16le", "<i2"),
    (_PCM, 3): ("pcm_s24le", "<i4"),
    (_PCM, 4): ("pcm_s32le", "<i4"),
    (_PCM, 8): ("pcm_s64le", "<i8"),
    (_FLOAT, 4): ("pcm_f32le", "<f4"),
    (_FLOAT, 8): ("pcm_f64le", "<f8"),
}
"""(format tag, bytes per sample): FFmpeg's codec name, NumPy's type."""


@dataclass(frozen=True)
class _Format:
    """The "fmt " chunk: what the samples are."""

    tag: int
    channels: int
    sample_rate: int
    bits: int
    valid_bits: int
    width: int
    """Bytes that one sample takes in the file, which may be more than its bits need."""


@dataclass(frozen=True)
class _Data:
    """The "data" chunk: where the samples are."""

    start: int
    length: int
    declared: int | None
    """Bytes that the header promises."""


class WavReader:
    """Decodes PCM WAV.

    Args:
        path: only for error messages.
        file: at the first byte of the RIFF header.

    Raises:
        DecodeError: no usable header.
        UnsupportedFormatError: a codec other than plain PCM, or a big-endian file.
    """

    def __init__(self, path: str, file: BinaryIO) -> None:
        form, data = _read_header(path, file)
        used = -(-form.bits // 8)
        if (form.tag, used) not in _DTYPES or (used == 1 and form.width > 1):
            raise UnsupportedFormatError(path, f"WAV of format tag {form.tag:#06x} with {form.bits} bits")
        if form.tag == _FLOAT and form.width > used:
            raise DecodeError(path, f"the WAV header contradicts itself: {form.bits}-bit floats in {form.width} bytes")
        codec, dtype = _DTYPES[form.tag, used]
        self._path = path
        self._file = file
        self._data = data
        self._form = form
        self._dtype = dtype if form.width == used else f"<i{form.width}"
        self._shift = 8 * (form.width - used)
        frame_bytes = form.width * form.channels
        self._frames = data.length // frame_bytes
        self.most_frames: int | None = self._frames
        self.warnings: list[str] = []
        if data.length % frame_bytes:
            self.warnings.append("the data chunk ends in the middle of a frame")
        self.info = AudioInfo(
            container="wav",
            codec=codec,
            sample_rate=form.sample_rate,
            channels=form.channels,
            bit_depth=form.valid_bits,
            declared_frames=None if data.declared is None else data.declared // frame_bytes,
            declares_exactly=data.declared is not None,
            decoder=decoder_name(None),
        )

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield arrays of shape (n, channels), valid until the next one is asked for."""
        form, width = self._form, self._form.width
        frames_at_once = max(1, min(CHUNK_SAMPLES // form.channels, self._frames))
        frames_left = self._frames
        # 3-byte samples are read behind one spare byte and seen as overlapping 4-byte numbers.
        spare = 1 if width == 3 else 0
        buffer = bytearray(spare + frames_at_once * form.channels * width)
        self._file.seek(self._data.start)
        while frames_left:
            wanted = min(frames_at_once, frames_left) * form.channels
            try:
                # The annotation of binary files leaves readinto out; all real ones have it.
                got = self._file.readinto(memoryview(buffer)[spare : spare + wanted * width])  # type: ignore[attr-defined]
            except OSError as error:
                raise DecodeError(self._path, f"reading failed: {error.strerror}") from error
            frames = got // (width * form.channels)
            if not frames:
                return
            frames_left -= frames
            yield self._samples(buffer, frames)

    def close(self) -> None:
        """Nothing to release: the file belongs to the caller."""

    def _samples(self, buffer: bytearray, frames: int) -> NDArray[Any]:
        shape = (frames, self._form.channels)
        if self._form.width == 3:
            strides = (3 * self._form.channels, 3)
            samples = np.ndarray(shape, "<i4", buffer, strides=strides) & np.int32(-256)
        else:
            samples = np.ndarray(shape, self._dtype, buffer)
        return samples << self._shift if self._shift else samples


def _read_header(path: str, file: BinaryIO) -> tuple[_Format, _Data]:
    """Walk the chunks up to the samples and the format, whichever comes last."""
    start = file.tell()
    end = file.seek(0, 2)
    file.seek(start)
    riff = file.read(12)
    if riff[:4] not in (b"RIFF", b"RF64", b"BW64"):
        raise UnsupportedFormatError(path, f"WAV with the byte order {riff[:4].decode('latin-1')}")
    form: _Format | None = None
    data: _Data | None = None
    size64: int | None = None
    position = start + 12
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            break
        name, size = struct.unpack("<4sI", head)
        body = position + 8
        if name == b"ds64":
            size64 = int.from_bytes(file.read(16)[8:], "little")
        elif name == b"fmt ":
            form = _parse_format(path, file.read(min(size, 40)))
        elif name == b"data":
            data = _locate_data(file, body, end, size64 if size == _SIZE_IN_DS64 else size)
            size = data.length
        if form and data:
            return form, data
        position = body + size + (size & 1)
        if size & 1 and not _is_chunk_name(_peek(file, position)) and _is_chunk_name(_peek(file, position - 1)):
            position -= 1  # some programs leave out the padding byte
    raise DecodeError(path, "a WAV without a 'data' chunk" if form else "a WAV without a 'fmt ' chunk")


def _parse_format(path: str, chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise DecodeError(path, "the WAV header ends in the middle of its format")
    tag, channels, sample_rate, _, align, bits = struct.unpack("<HHIIHH", chunk[:16])
    valid_bits = bits
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        valid_bits, _, tag = struct.unpack("<HIH", chunk[18:26])
    if not channels or not sample_rate:
        raise DecodeError(path, f"the WAV header declares {channels} channels at {sample_rate} Hz")
    width = -(-bits // 8)
    if align % channels == 0 and align // channels in (4, 8) and align // channels > width:
        width = align // channels
    return _Format(tag, channels, sample_rate, bits, valid_bits if 0 < valid_bits <= bits else bits, width)


def _locate_data(file: BinaryIO, body: int, end: int, size: int | None) -> _Data:
    left = max(0, end - body)
    if size is None or (size > left and any(size in sizes for sizes in _PLACEHOLDERS)):
        return _Data(body, left, None)
    if size == 0 and not _is_chunk_name(_peek(file, body)):
        return _Data(body, left, None)  # a recorder that was cut off before it could fill in the size
    return _Data(body, min(size, left), size)


def _peek(file: BinaryIO, position: int) -> bytes:
    file.seek(position)
    return file.read(4)


def _is_chunk_name(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)
