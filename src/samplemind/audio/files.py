"""Regular files: the only ones that are read, because a pipe or a device may wait for ever."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from samplemind.errors import FileAccessError


def regular_status(path: str) -> os.stat_result:
    """Look a regular file up.

    Raises:
        FileAccessError: missing, or not a regular file.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise access_error(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise FileAccessError(path, "is a directory" if stat.S_ISDIR(status.st_mode) else "is not a regular file")
    return status


def open_regular(path: str, *, buffering: int = -1) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        FileAccessError: missing, not a regular file, or unreadable.
    """
    regular_status(path)  # first: opening a FIFO would wait for a writer
    try:
        return open(path, "rb", buffering=buffering)
    except OSError as error:
        raise access_error(path, error) from error


def access_error(path: str, error: OSError | ValueError) -> FileAccessError:
    """Put in words why a file can't be read; a ValueError says that its name can't be one."""
    return FileAccessError(path, (getattr(error, "strerror", None) or str(error)).lower())
