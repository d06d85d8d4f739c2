"""What is uploaded: a file by its path, an open file, or bytes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from samplemind.errors import FileAccessError

Source = str | os.PathLike[str] | BinaryIO | bytes

_BLOCK: Final = 2**16
"""Bytes that are in memory at a time."""


class Upload:
    """A body that is read block by block, from its start each time if its source can go back there.

    Args:
        source: a path, a file that is open for reading bytes (from where it stands), or the bytes themselves.
        name: what to call it; by default as the file is called.
    """

    def __init__(self, source: Source, name: str | None) -> None:
        self._source = source
        self._begun = False
        own = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
        if name is None and isinstance(own, str | os.PathLike):  # an open file's may be a number
            name = Path(own).name
        self.name = None if name is None else os.fsencode(name).decode("utf-8", "replace")
        self.called = self.name or "audio"
        """For errors."""
        self._start: int | None = None
        if not isinstance(source, str | os.PathLike | bytes):
            with contextlib.suppress(OSError, AttributeError):
                self._start = source.tell() if source.seekable() else None

    @property
    def can_be_sent(self) -> bool:
        """Whether it can be read from its start: of what can't be rewound, not again."""
        rewindable = isinstance(self._source, str | os.PathLike | bytes) or self._start is not None
        return rewindable or not self._begun

    def blocks(self) -> Iterator[bytes]:
        """All of it.

        Raises:
            FileAccessError: it can't be read.
        """
        self._begun = True
        try:
            if isinstance(self._source, bytes):
                yield from (self._source[at : at + _BLOCK] for at in range(0, len(self._source), _BLOCK))
            elif isinstance(self._source, str | os.PathLike):
                with open(self._source, "rb") as file:
                    yield from _read(file)
            else:
                if self._start is not None:
                    self._source.seek(self._start)
                yield from _read(self._source)
        except OSError as error:
            raise FileAccessError(str(self.called), error.strerror or str(error)) from error

    def size(self) -> int | None:
        """How many bytes it is, if that is known before it is read.

        Raises:
            FileAccessError: it is not there, or no file.
        """
        if isinstance(self._source, bytes):
            return len(self._source)
        if isinstance(self._source, str | os.PathLike):
            try:
                with open(self._source, "rb") as file:  # fails as reading would: missing, a folder, not allowed
                    size = os.fstat(file.fileno()).st_size
            except OSError as error:
                raise FileAccessError(str(self.called), error.strerror or str(error)) from error
            return size
        if self._start is None:
            return None
        end = self._source.seek(0, os.SEEK_END)
        self._source.seek(self._start)
        return end - self._start


def _read(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        if not isinstance(block, bytes):
            raise TypeError("open the file for reading bytes: mode 'rb'")
        yield block
