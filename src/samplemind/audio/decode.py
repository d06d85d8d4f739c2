"""One way in for every file: decide on its content, check the limits, decode in blocks."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from samplemind.audio.counting import Lookahead
from samplemind.audio.files import open_regular
from samplemind.audio.info import AudioInfo
from samplemind.audio.libav import AvReader
from samplemind.audio.libsndfile import SndfileReader
from samplemind.audio.limits import Limits
from samplemind.audio.sniff import describe_text, sniff
from samplemind.audio.wav import WavReader
from samplemind.errors import (
    DecodeError,
    EmptyAudioError,
    InvalidSamplesError,
    UnsupportedFormatError,
)

LARGEST_SAMPLE: Final = 1e6
"""120 dB over full scale: no sound is louder, and its square still fits single precision with much to spare. Larger
samples, infinities and NaN come of damage."""
BLOCK_FRAMES: Final = 131_072
"""Default frames per block: 3 s at 44.1 kHz."""
_FULL_SCALE: Final = {"u1": 2**7, "i2": 2**15, "i4": 2**31, "i8": 2**63}
"""What integer samples are divided by: powers of two, so that up to 24 bits convert exactly."""
_SHORTFALL_S: Final = 0.01
"""A file is called shorter than declared past this; some containers round their length to milliseconds."""
_LOSSY_SHORTFALL_S: Final = 0.1
_LOSSY_SHORTFALL_SHARE: Final = 0.01
"""Lossy ones past both of these, which encoder delay and padding stay below."""


class Reader(Protocol):
    """What a decoding library is made to look like."""

    info: AudioInfo
    warnings: list[str]
    most_frames: int | None
    """Frames past which it never reads, whatever the file holds; None if only the end of the file stops it."""

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield samples of shape (n, channels), n > 0, of any type; valid until the next chunk."""

    def close(self) -> None:
        """Release what the library holds."""


def _wav(path: str, file: BinaryIO) -> Reader:
    return WavReader(path, file)


def _libsndfile(path: str, file: BinaryIO) -> Reader:
    return SndfileReader(path, file)


def _libav(path: str, file: BinaryIO) -> Reader:
    return AvReader(path, file)


def _libav_or_libsndfile(path: str, file: BinaryIO) -> Reader:
    """Let libsndfile stand in where PyAV is not installed.

    It serves these less well: it plays some Opus at 8 to 24 kHz, decodes only the first of several streams glued
    together, and its MPEG decoder writes about damaged files to the terminal.
    """
    return AvReader(path, file) if importlib.util.find_spec("av") else SndfileReader(path, file)


_ROUTES: Final[dict[str | None, tuple[Callable[[str, BinaryIO], Reader], ...]]] = {
    "wav": (_wav, _libav),
    "flac": (_libsndfile, _libav),
    "aiff": (_libsndfile, _libav),
    "caf": (_libsndfile, _libav),
    "w64": (_libsndfile, _libav),
    "au": (_libsndfile, _libav),
    "ogg vorbis": (_libsndfile, _libav),  # FFmpeg cuts up to 128 frames off its end
    "ogg": (_libav_or_libsndfile,),
    "mp3": (_libav_or_libsndfile,),
    None: (_libav_or_libsndfile,),  # MPEG audio without tags, ADTS, AC-3 have no magic number
}
"""Who decodes what: the next one is asked if the one before gets nothing out of the file."""


@dataclass(frozen=True)
class _Decoding:
    """A reader that has got sound out of the file, all its chunks, and what went wrong before."""

    reader: Reader
    chunks: Iterator[NDArray[Any]]
    warnings: list[str]
    lookahead: Lookahead | None
    """None if the reader has a bound: it was checked."""


class AudioFile:
    """A file being decoded; use it in a ``with`` statement.

    Attributes:
        info: what is known of the sound.
        frames: frames handed out so far, and so the length once `blocks` is exhausted.
    """

    def __init__(self, path: str, limits: Limits, decoding: _Decoding, resources: ExitStack) -> None:
        self.info = decoding.reader.info
        self.frames = 0
        self._path = path
        self._limits = limits
        self._reader = decoding.reader
        self._chunks: Iterator[NDArray[Any]] | None = decoding.chunks
        self._warnings = decoding.warnings
        self._lookahead = decoding.lookahead
        self._resources = resources

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the file although it could be decoded; complete once `blocks` is exhausted."""
        return (*self._reader.warnings, *self._warnings)

    def blocks(self, frames: int = BLOCK_FRAMES) -> Iterator[NDArray[np.float32]]:
        """Decode the file, once.

        Args:
            frames: how many frames each block has; the last one has the rest.

        Yields:
            New C-contiguous arrays of shape (frames, channels), full scale ±1, none beyond `LARGEST_SAMPLE`.

        Raises:
            FileAccessError: another file has taken its place when it is to be counted.
            InvalidSamplesError: a sample is NaN, infinite or beyond `LARGEST_SAMPLE`.
            LimitExceededError: longer than the limits allow.
            UnsupportedFormatError: the sample rate or the number of channels changes on the way.
        """
        if frames < 1:
            raise ValueError(f"blocks must have at least 1 frame, not {frames}")
        if self._chunks is None:
            raise RuntimeError("the blocks of an audio file can be read only once")
        chunks, self._chunks = self._chunks, None
        return self._blocks(chunks, frames)

    def _blocks(self, chunks: Iterator[NDArray[Any]], frames: int) -> Iterator[NDArray[np.float32]]:
        rate, shape = self.info.sample_rate, (frames, self.info.channels)
        block, filled, decoded = np.empty(shape, np.float32), 0, 0
        for samples in self._until_damage(chunks):
            rest = samples
            self._limits.check_duration(self._path, decoded + len(rest), rate, "holds more than")
            if self._lookahead is not None:
                self._lookahead.check(decoded + len(rest))
            while len(rest):
                taken = min(frames - filled, len(rest))
                self._convert(rest[:taken], block[filled : filled + taken], decoded)
                rest, filled, decoded = rest[taken:], filled + taken, decoded + taken
                if filled == frames:
                    self.frames += frames
                    yield block
                    block, filled = np.empty(shape, np.float32), 0
        if filled:
            self.frames += filled
            yield block[:filled]
        self._compare_with_header(decoded)

    def _until_damage(self, chunks: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Pass chunks on; damage ends the sound there, with a warning, and what came before is kept."""
        try:
            yield from chunks
        except DecodeError as error:
            self._warnings.append(f"damaged, only the beginning was decoded ({error.reason})")

    def _convert(self, samples: NDArray[Any], out: NDArray[np.float32], position: int) -> None:
        """Write samples of any type into `out` as float32."""
        full_scale = _FULL_SCALE.get(samples.dtype.str[1:])
        if full_scale is None:
            with np.errstate(over="ignore", invalid="ignore"):  # what does not fit becomes infinite: told below
                out[...] = samples
            if not np.abs(out).max() <= LARGEST_SAMPLE:
                frame, channel = np.argwhere(~(np.abs(out) <= LARGEST_SAMPLE))[0]
                raise InvalidSamplesError(
                    self._path,
                    f"a sample of {out[frame, channel]:g}, which is no sound, in channel {channel + 1} at "
                    f"{(position + frame) / self.info.sample_rate:.3f} s",
                )
            return
        out[...] = samples
        if samples.dtype == np.uint8:
            out -= full_scale
        out *= np.float32(1 / full_scale)

    def _compare_with_header(self, decoded: int) -> None:
        declared, rate = self.info.declared_frames, self.info.sample_rate
        if declared is None or not self.info.declares_exactly:
            return
        tolerated = _SHORTFALL_S * rate
        if self.info.bit_depth is None:
            tolerated = max(_LOSSY_SHORTFALL_S * rate, _LOSSY_SHORTFALL_SHARE * declared)
        if declared - decoded > tolerated:
            self._warnings.append(f"the header declares {declared / rate:.2f} s, the file holds {decoded / rate:.2f} s")

    def close(self) -> None:
        """Close the file."""
        self._resources.close()

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_audio(path: str | os.PathLike[str], *, limits: Limits | None = None) -> AudioFile:
    """Open a sound file of any supported format.

    The format is told by the content. The first samples are decoded here, so that what this returns does hold
    sound, of the rate and channels that its `info` says.

    Args:
        path: the file.
        limits: `Limits()` if None.

    Raises:
        FileAccessError: missing, not a regular file, or unreadable.
        UnsupportedFormatError: not audio, or in a container or codec that is not on the allow-list.
        DecodeError: so damaged that nothing could be decoded.
        EmptyAudioError: no samples in it.
        LimitExceededError: too large, or it declares more than the limits allow.
    """
    name = os.fsdecode(path)
    limits = limits or Limits()
    with ExitStack() as resources:
        file = resources.enter_context(open_regular(name))
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise EmptyAudioError(name, "the file is empty (0 bytes)")
        limits.check_bytes(name, size)
        decoding = _first_that_decodes(name, file, limits)
        resources.callback(decoding.reader.close)
        return AudioFile(name, limits, decoding, resources.pop_all())


def _first_that_decodes(path: str, file: BinaryIO, limits: Limits) -> _Decoding:
    container = sniff(file)
    start = file.tell()
    if container is None and (words := describe_text(file)):
        raise UnsupportedFormatError(path, words)
    failures: list[DecodeError | EmptyAudioError | UnsupportedFormatError] = []
    for make_reader in _ROUTES.get(container, (_libav,)):
        file.seek(0, os.SEEK_END)  # not only in Python's buffer: a library may have moved the file under it
        file.seek(start)
        with ExitStack() as resources:
            try:
                reader = make_reader(path, file)
                resources.callback(reader.close)
                chunks = _start(path, reader, limits)
                resources.pop_all()
                warnings = [f"damaged ({error.reason})" for error in failures if isinstance(error, DecodeError)]
                lookahead = _lookahead(path, file, start, make_reader, reader, limits)
                return _Decoding(reader, chunks, warnings, lookahead)
            except (DecodeError, EmptyAudioError, UnsupportedFormatError) as error:
                if container == "wav" and not isinstance(error, UnsupportedFormatError):
                    raise  # we read the header ourselves; FFmpeg would take for samples what is none
                failures.append(error)
    hint = "" if importlib.util.find_spec("av") else "; PyAV, which reads more, is not installed (pip install av)"
    if container is None and isinstance(failures[0], DecodeError):
        raise UnsupportedFormatError(
            path, f"not audio, or in a container that is not on the allow-list ({failures[0].reason}){hint}"
        )
    # Whoever found a sound header without samples knows best, then whoever found damage.
    ranks = (EmptyAudioError, DecodeError, UnsupportedFormatError)
    worst = min(failures, key=lambda failure: ranks.index(type(failure)))
    raise type(worst)(path, worst.reason + hint) from worst


def _start(path: str, reader: Reader, limits: Limits) -> Iterator[NDArray[Any]]:
    """Check what is declared, decode the first samples, and check what came out."""
    declared = reader.info
    limits.check_shape(path, declared.sample_rate, declared.channels)
    if declared.declares_exactly:
        limits.check_duration(path, declared.declared_frames or 0, declared.sample_rate, "declares")
    limits.check_duration(path, reader.most_frames or 0, declared.sample_rate, "holds")
    chunks = reader.chunks()
    first = next(chunks, None)
    if first is None:
        raise EmptyAudioError(path, "no sound in it: zero frames")
    limits.check_shape(path, reader.info.sample_rate, reader.info.channels)
    return chain((first,), chunks)


def _lookahead(
    path: str,
    file: BinaryIO,
    start: int,
    make_reader: Callable[[str, BinaryIO], Reader],
    reader: Reader,
    limits: Limits,
) -> Lookahead | None:
    if reader.most_frames is not None:
        return None

    def decode(again: BinaryIO) -> Iterator[NDArray[Any]]:
        with closing(make_reader(path, again)) as second:
            yield from second.chunks()

    return Lookahead(path, file, start, info=reader.info, limits=limits, decode=decode)
