"""Copies of the library, made while it is in use."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from samplemind.errors import LibraryError
from samplemind.storage import files

if TYPE_CHECKING:
    from samplemind.library.database import Database


def backup(database: Database, target: Path) -> None:
    """Copy a library as it is at one moment, whatever others write meanwhile. The copy is a library by itself.

    It is on the disk, and whole, when this returns.

    Args:
        database: what to copy: an SQLite file.
        target: a file that is not there yet.

    Raises:
        LibraryError: the target is there, or can't be written; the library can't be read, or is in PostgreSQL.
    """
    if database.path is None:
        raise LibraryError(f"{database.name} is copied by PostgreSQL's own pg_dump")
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        if target.exists():
            raise LibraryError(f"{target} is there already")
        unfinished.unlink(missing_ok=True)
        with database.reader() as connection:
            source = connection.connection.driver_connection
            if source is None:
                raise AssertionError("an open connection has a driver's one behind it")
            unfinished.touch(mode=0o600)
            with contextlib.closing(sqlite3.connect(unfinished)) as copy:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        with unfinished.open("rb+") as written:
            os.fsync(written.fileno())
        unfinished.replace(target)
        files.sync_folder(target.parent)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        # SQLite doesn't say in which of both files it met the trouble.
        raise LibraryError(f"the library {database.name} can't be copied to {target}: {error}") from error
