"""The files of an SQLite database with a write-ahead log: opened, removed, set aside."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Literal


def connect(path: Path, mode: Literal["ro", "rw"], *, timeout: float) -> sqlite3.Connection:
    """Open a database that is there, by an absolute path: to read it, or to write as well.

    A connection that only reads never writes the log back when it is closed: it has no right to the file.

    Args:
        path: the file.
        mode: as in SQLite's addresses.
        timeout: how many seconds to wait for other connections.

    Raises:
        sqlite3.Error: there is none, or it can't be opened.
    """
    # Reading a log needs a file beside it. Where none can be made and none is there, nobody writes either.
    options = f"mode={mode}" if is_writable(path) else "mode=ro&immutable=1"
    address = f"{path.as_uri()}?{options}"
    return sqlite3.connect(address, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)


def is_writable(path: Path) -> bool:
    """Whether files can be made beside this one."""
    return os.access(path.parent, os.W_OK)


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
