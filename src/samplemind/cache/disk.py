"""The second tier: entries in one SQLite file, shared by all processes of this user.

Readers don't wait for writers (write-ahead log). Every write, checkpoint and close holds one advisory lock beside the
file.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from filelock import FileLock

DEFAULT_MAX_BYTES: Final = 2 * 2**30
_LOCK_TIMEOUT_S: Final = 10.0
_USED_RESOLUTION_S: Final = 24 * 3600.0
"""A hit notes its time only when the noted one is older: reading should not write."""
_EVICT_TO: Final = 0.9
"""Share of the limit that eviction leaves, so that it runs rarely."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    created REAL NOT NULL,
    used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_used ON entries (used);
"""
_USER_VERSION: Final = 1
"""SQLite's user_version of the file; a file with another one is left alone."""


class DiskTier:
    """Bytes by key in an SQLite file. Safe to use from several threads and processes.

    Args:
        path: the file; it and its folder are made when first written, private to the user.
        max_bytes: above this the entries unused for longest are removed.

    Methods raise `OSError` or `sqlite3.Error` when the file can't be used; `FeatureCache` turns that into a miss.
    """

    name = "disk"

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._open: tuple[int, sqlite3.Connection] | None = None
        self._thread = threading.RLock()
        self._lock: FileLock | None = None
        self._written = 0

    def get(self, key: str) -> bytes | None:
        """The entry, or None."""
        row = self._row("SELECT value, used FROM entries WHERE key = ?", key)
        if row is None:
            return None
        value, used = row
        now = time.time()
        if now - used > _USED_RESOLUTION_S:
            with self._writing() as connection:
                connection.execute("UPDATE entries SET used = ? WHERE key = ?", (now, key))
        return bytes(value)

    def put(self, key: str, value: bytes) -> None:
        """Keep an entry, in one transaction."""
        now = time.time()
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", (key, value, now, now))
            self._written += len(value)
            if self._written > self.max_bytes * (1 - _EVICT_TO):
                self._written = 0
                self._evict(connection)

    def clear(self) -> int:
        """Remove everything; the number of entries that were there."""
        if not self.path.exists():
            return 0
        with self._writing() as connection:
            count = connection.execute("DELETE FROM entries").rowcount
        with self._thread, self._locked():
            self._connection().execute("VACUUM")
        return count

    def size(self) -> tuple[int, int]:
        """Entries, and the bytes of their values."""
        row = self._row("SELECT COUNT(*), COALESCE(SUM(LENGTH(value)), 0) FROM entries") or (0, 0)
        return int(row[0]), int(row[1])

    def close(self) -> None:
        """Close the connection, if this process opened one."""
        with self._thread:
            if self._open is not None and self._open[0] == os.getpid():
                with self._locked():
                    self._open[1].close()
            self._open = None

    def _row(self, query: str, *parameters: str) -> tuple[Any, ...] | None:
        """The first row; None also where there is no file yet: reading makes none."""
        with self._thread:
            if not self.path.exists():
                return None
            row: tuple[Any, ...] | None = self._connection().execute(query, parameters).fetchone()
            return row

    def _connection(self) -> sqlite3.Connection:
        """This process's connection: a forked child must not use its parent's."""
        if self._open is None or self._open[0] != os.getpid():
            self._open = (os.getpid(), self._connect())
        return self._open[1]

    def _connect(self) -> sqlite3.Connection:
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.touch(mode=0o600)
        connection = sqlite3.connect(self.path, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == _USER_VERSION:
            return
        if version != 0:
            raise sqlite3.DatabaseError(f"{self.path} was written by another version of samplemind (format {version})")
        with self._locked():
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN;{_SCHEMA};PRAGMA user_version = {_USER_VERSION};COMMIT;")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock

        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._lock is None:
            self._lock = FileLock(f"{self.path}.lock", timeout=_LOCK_TIMEOUT_S, mode=0o600)
        with self._lock:  # reentrant within this process
            yield

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._thread, self._locked():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _evict(self, connection: sqlite3.Connection) -> None:
        total = connection.execute("SELECT COALESCE(SUM(LENGTH(value)), 0) FROM entries").fetchone()[0]
        if total <= self.max_bytes:
            return
        excess = total - int(self.max_bytes * _EVICT_TO)
        for key, length in connection.execute("SELECT key, LENGTH(value) FROM entries ORDER BY used").fetchall():
            if excess <= 0:
                break
            connection.execute("DELETE FROM entries WHERE key = ?", (key,))
            excess -= length
