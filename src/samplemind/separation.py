"""Files into their harmonic and percussive parts, block by block."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.audio import AudioFile, Limits, open_audio
from samplemind.errors import SettingsError
from samplemind.execution import GraphStream
from samplemind.features.reconstruction import separation_graph
from samplemind.features.streams import HOP_LENGTH

Block = NDArray[np.float32]

LARGEST_MARGIN: Final = 1e6
"""120 dB: no part of a sound is so much stronger than the other, and single precision still holds what is compared."""
_BLOCK_HOPS: Final = 128
"""Hops of sound that are in work at a time, of all channels together: what is made of them stays in the cache."""
_LEAST_HOPS: Final = 16
"""Of one channel no fewer, because each block looks again at the 30 frames around it."""
_LARGEST_WAV: Final = 2**31
"""Bytes from which on a file is RF64: some programs take WAV's sizes for signed numbers."""
_SIZE_IN_DS64: Final = 0xFFFFFFFF
"""What RF64 has where WAV has a size."""


def separate(path: str | os.PathLike[str], *, margin: float = 1.0, limits: Limits | None = None) -> Separation:
    """Split a file into what lasts along time (harmonic) and what spreads along frequency (percussive).

    Every channel by itself, at the file's own rate, in bounded memory. The file is opened when the first block is
    asked for.

    Args:
        path: any audio file.
        margin: how much stronger one part must be than the other to be given to it, 1 to a million. With 1 the two
            parts add up to the file; with more, what is neither goes to neither.
        limits: `Limits()` if None.

    Returns:
        An iterator over harmonic and percussive samples, each of shape (n, channels), float32, full scale ±1. At its
        end its `warnings` say what is wrong with the file.

    Raises:
        AnalysisError: the file can't be read; the error names it and the reason. Raised by the iterator.
        SettingsError: a margin out of range.
    """
    return Separation(path, _checked(margin), limits)


class Separation(Iterator[tuple[Block, Block]]):
    """The parts of a file, block by block. The file is closed at its end, or when this is let go."""

    def __init__(self, path: str | os.PathLike[str], margin: float, limits: Limits | None) -> None:
        self._warnings: list[str] = []
        # No method: it would hold this object, and the file would be closed only by the garbage collector.
        self._blocks = _parts_of_file(path, margin, limits, self._warnings)

    def __next__(self) -> tuple[Block, Block]:
        return next(self._blocks)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the file although it could be decoded; complete once the blocks are exhausted."""
        return tuple(self._warnings)


def _parts_of_file(
    path: str | os.PathLike[str], margin: float, limits: Limits | None, warnings: list[str]
) -> Iterator[tuple[Block, Block]]:
    with open_audio(path, limits=limits) as audio:
        yield from _parts(audio, margin)
        warnings += audio.warnings


@dataclass(frozen=True)
class SeparatedFiles:
    """Where the parts of a file are, and what is wrong with the file although it could be decoded.

    ``harmonic, percussive = separate_to(…)`` works too.
    """

    harmonic: Path
    percussive: Path
    warnings: tuple[str, ...]

    def __iter__(self) -> Iterator[Path]:
        return iter((self.harmonic, self.percussive))


def separate_to(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    margin: float = 1.0,
    limits: Limits | None = None,
    overwrite: bool = True,
) -> SeparatedFiles:
    """Write the parts of a file as ``NAME.harmonic.wav`` and ``NAME.percussive.wav``, 32-bit float.

    NAME is the file's without its suffix. Both files appear when both are complete, or neither does.

    Args:
        path: any audio file.
        folder: where to; made if it is not there, once the file is known to hold sound.
        margin: as for `separate`.
        limits: as for `separate`.
        overwrite: replace files that are there already.

    Raises:
        AnalysisError: the file can't be read.
        SettingsError: a margin out of range.
        FileExistsError: one of the files is there already, and is not to be replaced.
        OSError: the parts can't be written; the error names the file.
    """
    margin = _checked(margin)
    folder = Path(os.fsdecode(folder))
    name = Path(os.fsdecode(path)).stem
    harmonic, percussive = targets = [folder / f"{name}.{part}.wav" for part in ("harmonic", "percussive")]
    with contextlib.ExitStack() as undoing:
        with open_audio(path, limits=limits) as audio:
            if not overwrite:
                _refuse_existing(targets)
            folder.mkdir(parents=True, exist_ok=True)
            files: list[_WavFile] = []
            for target in targets:
                files.append(_WavFile(target, audio.info.sample_rate, audio.info.channels))
                undoing.callback(files[-1].discard)
            for parts in _parts(audio, margin):
                for file, samples in zip(files, parts, strict=True):
                    file.write(samples)
        for file in files:
            file.finish()
        for file in files:
            file.put()
        undoing.pop_all()
    return SeparatedFiles(harmonic, percussive, audio.warnings)


def _checked(margin: float) -> float:
    if not 1 <= margin <= LARGEST_MARGIN:  # so put, it refuses NaN too
        raise SettingsError(f"the margin must be from 1 to {LARGEST_MARGIN:,.0f}, not {margin}")
    return float(margin)


def _refuse_existing(targets: list[Path]) -> None:
    for target in targets:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))


def _parts(audio: AudioFile, margin: float) -> Iterator[tuple[Block, Block]]:
    graph = separation_graph(margin)
    streams = [GraphStream(graph, ["parts"], source="mono") for _ in range(audio.info.channels)]
    blocks = audio.blocks(frames=HOP_LENGTH * max(_LEAST_HOPS, _BLOCK_HOPS // audio.info.channels))
    given = 0
    block = next(blocks, None)
    while block is not None:
        following = next(blocks, None)
        channels = [
            stream.push(np.ascontiguousarray(block[:, channel]), last=following is None).get("parts")
            for channel, stream in enumerate(streams)
        ]
        made = [rows for rows in channels if rows is not None]
        if made:
            parts = np.stack(made, axis=1)[: audio.frames - given]  # beyond the end is padding
            given += len(parts)
            yield np.ascontiguousarray(parts[:, :, 0]), np.ascontiguousarray(parts[:, :, 1])
        block = following


class _WavFile:
    """A WAV file of 32-bit floats, under a name of its own beside its target until it is whole.

    Written here because libsndfile does not tell why it could not write. Errors are OSErrors that name the target.
    """

    def __init__(self, target: Path, sample_rate: int, channels: int) -> None:
        self._target = target
        self._form = (sample_rate, channels)
        self._frames = 0
        self._path = target.with_name(f".samplemind.{secrets.token_hex(8)}")
        with self._naming_target():
            self._file = self._path.open("xb")
            self._file.seek(len(_wav_header(sample_rate, channels, 0)))

    def write(self, samples: Block) -> None:
        """Append samples of shape (n, channels)."""
        with self._naming_target():
            self._file.write(samples.astype("<f4", copy=False).data)
        self._frames += len(samples)

    def finish(self) -> None:
        """Write the header, now that the length is known, and close the file."""
        with self._naming_target():
            self._file.seek(0)
            self._file.write(_wav_header(*self._form, self._frames))
            self._file.close()

    def put(self) -> None:
        """Put the file in its target's place."""
        with self._naming_target():
            self._path.replace(self._target)
        self._path = self._target

    def discard(self) -> None:
        """Remove the file, wherever it is."""
        with contextlib.suppress(OSError):  # what is still to be written can't be, and need not
            self._file.close()
        self._path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _naming_target(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._target)) from error


def _wav_header(sample_rate: int, channels: int, frames: int) -> bytes:
    """All that comes before the samples, in the same number of bytes for any length.

    A short file has a JUNK chunk where a long one, RF64, has its sizes in 64 bits (EBU Tech 3306).
    """
    frame_bytes = 4 * channels
    size = frames * frame_bytes
    form = struct.pack("<HHIIHHH", 3, channels, sample_rate, sample_rate * frame_bytes, frame_bytes, 32, 0)
    chunks = struct.pack("<4sI18s4sII4s", b"fmt ", len(form), form, b"fact", 4, min(frames, _SIZE_IN_DS64), b"data")
    riff_size = 4 + 8 + 28 + len(chunks) + 4 + size
    if riff_size < _LARGEST_WAV:
        return struct.pack("<4sI4s4sI28x", b"RIFF", riff_size, b"WAVE", b"JUNK", 28) + chunks + struct.pack("<I", size)
    sizes = struct.pack("<QQQI", riff_size, size, frames, 0)
    start = struct.pack("<4sI4s4sI", b"RF64", _SIZE_IN_DS64, b"WAVE", b"ds64", len(sizes))
    return start + sizes + chunks + struct.pack("<I", _SIZE_IN_DS64)
