"""Files and folders that a user named, on the command line and in a list."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import typer

from samplemind.discovery import listed
from samplemind.workers.remote import is_url

STDIN: Final = "-"
_PIECE: Final = 2**16
"""Bytes of a list that are read at once, if so many are there."""


class Arguments:
    """Files and folders, those of a list as it comes in; to be iterated over once.

    Args:
        files: named on the command line.
        files_from: the list's name, "-" for standard input, or None.

    Raises:
        BadParameter: nothing is named, or the list can't be opened.
    """

    def __init__(self, files: list[str], files_from: str | None) -> None:
        if not files and files_from is None:
            raise typer.BadParameter("name a file or a folder, or - for standard input", param_hint="FILES")
        if STDIN in files and (len(files) > 1 or files_from is not None):
            raise typer.BadParameter("- stands alone: standard input is one sound", param_hint="FILES")
        self.files = files
        self.files_from = files_from
        self._list = None if files_from is None else _opened(files_from)

    def __iter__(self) -> Iterator[str]:
        yield from self.files
        for path in listed(_pieces(self._list)):
            yield os.path.join(".", path) if path == STDIN else path  # in a list it is a file of this name

    def close(self) -> None:
        """Let go of the list."""
        if self._list is not None:
            self._list.close()

    @property
    def is_sound(self) -> bool:
        """Whether the sound itself comes on standard input."""
        return self.files == [STDIN]

    @property
    def sources(self) -> list[str]:
        """What is named on the command line, and must not be written over."""
        return self.files if self.files_from is None else [*self.files, self.files_from]

    @property
    def again(self) -> Callable[[], Iterable[str]] | None:
        """Gives them once more; None if their list comes only once."""
        if self.files_from is not None and (self.files_from == STDIN or not os.path.isfile(self.files_from)):
            return None
        return self._once_more

    def _once_more(self) -> Iterator[str]:
        with contextlib.closing(Arguments(self.files, self.files_from)) as same:
            yield from same

    def sparing(self, targets: Iterable[Path | None]) -> Iterator[str]:
        """They themselves; one of which a target is the same file is refused when it is met.

        Raises:
            BadParameter: so it is.
        """
        spared = {key: target for target in targets if target is not None and (key := _identity(target)) is not None}
        for path in self:
            key = _identity(path) if spared and not is_url(path) else None
            if key in spared:
                raise typer.BadParameter(f"{spared[key]} is one of the files to analyse", param_hint="--output")
            yield path


def _opened(files_from: str) -> BinaryIO:
    """A list, whose bytes can be read as they come in."""
    try:
        if files_from != STDIN:
            return open(files_from, "rb", buffering=0)
        try:
            number = sys.stdin.fileno()
        except OSError:  # there is no file behind it
            return sys.stdin.buffer
        # Not through Python's buffer: a thread that waits there keeps the interpreter from ending.
        return open(number, "rb", buffering=0, closefd=False)
    except OSError as error:
        raise typer.BadParameter(f"{files_from}: {error.strerror}", param_hint="--files-from") from None


def _pieces(file: BinaryIO | None) -> Iterator[bytes]:
    while file is not None and (piece := file.read(_PIECE)):
        yield piece


def _identity(path: str | Path) -> tuple[int, int] | None:
    """What tells a regular file from all others; None if there is none."""
    with contextlib.suppress(OSError, ValueError):
        status = os.stat(path)
        return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None
    return None
