"""The files of an SQLite database with a write-ahead log: opened, removed, set aside."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from pathlib import Path
from typing import Literal


def connect(path: Path, mode: Literal["ro", "rw"], *, timeout: float) -> sqlite3.Connection:
    """Open a database that is there, by an absolute path: to read it, or to write as well.

    A connection that only reads never writes the log back when it is closed: it has no right to the file. One that may
    only read, as far as this user goes, and finds no log, does not see what others write later.

    Args:
        path: the file.
        mode: as in SQLite's addresses.
        timeout: how many seconds to wait for other connections.

    Raises:
        sqlite3.Error: there is none, or it can't be opened.
    """
    options = f"mode={mode}"
    if not is_writable(path):
        # To read, SQLite makes a log, or would if it could, with no more rights than the file has: others who may write
        # could not. What is in a log that is there must be read.
        options = "mode=ro" if os.path.exists(f"{path}-wal") else "mode=ro&immutable=1"
    address = f"{path.as_uri()}?{options}"
    return sqlite3.connect(address, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)


def is_writable(path: Path) -> bool:
    """Whether a file is there that this user can write, and files can be made beside it."""
    return os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)


def sync_folder(folder: Path) -> None:
    """Have the names of its files outlive a power cut, where that has to be asked for.

    Raises:
        OSError: it can't be.
    """
    if os.name == "nt":  # which opens no folders
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that can't, such as shares
            raise
    finally:
        os.close(opened)


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from one that took its name, or None if there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def broken(path: Path) -> Path:
    """Where a damaged file is kept."""
    return Path(f"{path}.broken")


def set_aside(path: Path) -> None:
    """Keep a damaged file, with its log, as `broken` says.

    Of two the larger is kept, which has more that can be taken up.
    """
    kept = broken(path)
    if _size(kept) > _size(path):
        remove(path)
        return
    remove(kept)
    for suffix in ("-wal", ""):  # the log first: if it were left, it would be taken for a new file's
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").replace(f"{kept}{suffix}")
    remove(path)


def _size(path: Path) -> int:
    """Bytes of a database and its log."""
    both = (path, Path(f"{path}-wal"))
    return sum(file.stat().st_size for file in both if file.exists())


def remove(path: Path) -> None:
    """Remove a database, if there is one, and what belongs to it."""
    for suffix in ("", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    remove_logs(path)


def remove_logs(path: Path) -> None:
    """Remove the log of a database that is gone."""
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
