"""Which file, which bytes, which sound: three identities, each dearer to find and harder to lose.

- `StatKey`: the file as the file system knows it. Costs a system call; lost when the file is touched.
- `file_digest`: all its bytes. Costs reading them; survives moving, renaming and copying.
- `AudioDigest`: its decoded samples. Costs decoding them; survives new tags, covers and lossless conversion.

All digests are BLAKE3 (256 bits, 64 hexadecimal digits); each kind has its own context, so that the same bytes
in two roles never have the same digest.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from samplemind.audio.files import access_error, open_regular, regular_status

_READ_BYTES: Final = 1 << 19
"""Half of the second-level cache of usual processors: what was read is hashed before it is out of it."""
_SETTLED_NS: Final = 2_000_000_000
"""The coarsest clock of a common file system, FAT's: two writes within 2 s can bear the same time."""


@dataclass(frozen=True)
class StatKey:
    """A file as the file system knows it.

    Attributes:
        path: absolute, symbolic links not resolved.
        size: bytes.
        mtime_ns: time of the last change of its content.
        ctime_ns: time of the last change of its metadata (on Windows: of its creation).
        inode: its number in the file system.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def stat_key(path: str | os.PathLike[str]) -> StatKey:
    """Look up what the file system knows of a file.

    Raises:
        FileAccessError: missing, or not a regular file.
    """
    name = os.fsdecode(path)
    status = regular_status(name)
    return StatKey(os.path.abspath(name), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def settled(key: StatKey, now_ns: int) -> bool:
    """Tell whether a file had been left alone for over 2 s at `now_ns` (`time.time_ns`).

    Only then does an equal key mean equal content: a file written twice within the clock's step keeps its
    times. Times in the future are never settled.
    """
    return now_ns - max(key.mtime_ns, key.ctime_ns) > _SETTLED_NS


def file_digest(path: str | os.PathLike[str]) -> str:
    """Return the BLAKE3 of all bytes of a file.

    Raises:
        FileAccessError: missing, not a regular file, or unreadable.
    """
    name = os.fsdecode(path)
    digest = blake3()
    try:
        # Reading, not mapping: a mapped file that shrinks meanwhile kills the process.
        with open_regular(name, buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            buffer = memoryview(bytearray(min(size + 1, _READ_BYTES)))
            # The annotation of binary files leaves readinto out; all real ones have it.
            while count := file.readinto(buffer):  # type: ignore[attr-defined]
                digest.update(buffer[:count])
    except OSError as error:
        raise access_error(name, error) from error
    return digest.hexdigest()


class AudioDigest:
    """BLAKE3 of decoded sound, fed block by block.

    The blocks' borders don't matter. Samples are taken as they were decoded: -0.0, which only floating-point
    files can hold, differs from 0.0.

    Args:
        sample_rate: Hz.
        channels: number of channels.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._channels = channels
        self._digest = blake3(derive_key_context="samplemind audio digest 1: interleaved float32, little-endian")
        self._digest.update(struct.pack("<QQ", sample_rate, channels))

    def update(self, block: NDArray[np.float32]) -> None:
        """Add samples of shape (n, channels)."""
        if block.dtype != np.float32 or block.ndim != 2 or block.shape[1] != self._channels:
            raise ValueError(
                f"expected float32 of shape (n, {self._channels}), not {block.dtype} of shape {block.shape}"
            )
        self._digest.update(_bytes(block.astype("<f4", copy=False)))

    def hexdigest(self) -> str:
        """Return the digest of all samples so far."""
        return self._digest.hexdigest()


def array_digest(samples: NDArray[Any], sample_rate: float) -> str:
    """Return the BLAKE3 of an array's elements, type and shape, and its rate in Hz.

    Every element counts. The order in memory does not: a transposed view and its copy are the same sound. Only
    arrays that are not C-contiguous are copied, piece by piece.

    Raises:
        TypeError: elements that are Python objects.
    """
    if samples.dtype.hasobject:
        raise TypeError("an array of Python objects has no bytes of its own to digest")
    digest = blake3(derive_key_context="samplemind array digest 1: type, shape, rate, elements")
    digest.update(repr((samples.dtype.str, samples.shape, float(sample_rate))).encode())
    rows = samples if samples.ndim else samples.reshape(1)
    step = len(rows) if rows.flags.c_contiguous else max(1, _READ_BYTES * len(rows) // max(1, rows.nbytes))
    for start in range(0, len(rows), max(1, step)):
        digest.update(_bytes(rows[start : start + step]))
    return digest.hexdigest()


def _bytes(array: NDArray[Any]) -> memoryview[int]:
    """Return an array's memory in C order, copied only if it has another one."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
