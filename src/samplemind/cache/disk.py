"""The second tier: entries in one SQLite file, shared by all processes of this user.

Readers don't wait for writers (write-ahead log). Every write, checkpoint and close holds one advisory lock beside the
file. Locks are taken in one order: the writer's, the file's, the connection's.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from samplemind.cache.forking import rests_at_fork

if TYPE_CHECKING:
    from filelock import FileLock

DEFAULT_MAX_BYTES: Final = 2 * 2**30
_LOCK_TIMEOUT_S: Final = 10.0
_USED_RESOLUTION_S: Final = 24 * 3600.0
"""A hit notes its time only when the noted one is older: reading should not write."""
_EVICT_TO: Final = 0.9
"""Share of the limit that eviction leaves, so that it runs rarely."""
_EVICT_STEP: Final = 100
"""Entries removed between two looks at the size."""

_USER_VERSION: Final = 1
"""SQLite's user_version of the file; a file with another one is left alone."""
_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    created REAL NOT NULL,
    used REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_used ON entries (used);
PRAGMA user_version = {_USER_VERSION};
COMMIT;
"""

_living: weakref.WeakSet[DiskTier] = weakref.WeakSet()


class DiskTier:
    """Bytes by key in an SQLite file. Safe to use from several threads and processes.

    Args:
        path: the file; it and its folder are made when first written, private to the user.
        max_bytes: above this size of the file the entries unused for longest are removed.

    Methods raise `OSError` or `sqlite3.Error` when the file can't be used; `FeatureCache` turns that into a miss.
    """

    name = "disk"

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._read_only = False
        self._writer = threading.Lock()
        self._reader = threading.RLock()
        self._file_lock: FileLock | None = None
        rests_at_fork(self)
        _living.add(self)

    def get(self, key: str) -> bytes | None:
        """The entry, or None."""
        row = self._row("SELECT value, used FROM entries WHERE key = ?", key)
        if row is None:
            return None
        value, used = row
        now = time.time()
        if now - used > _USED_RESOLUTION_S:
            # Only if nobody else is writing: an entry that seems unused for a day more does no harm.
            with contextlib.suppress(OSError, sqlite3.Error), self._writing(timeout=0) as connection:
                connection.execute("UPDATE entries SET used = ? WHERE key = ?", (now, key))
        return bytes(value)

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Keep entries, in one transaction."""
        now = time.time()
        rows = [(key, value, now, now) for key, value in entries.items()]
        with self._writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", rows)
            if self._used_bytes(connection) > self.max_bytes:
                self._evict(connection)

    def clear(self) -> int:
        """Remove everything; the number of entries that were there."""
        if not self.path.exists():
            return 0
        with self._writing() as connection:
            count = connection.execute("DELETE FROM entries").rowcount
        with self._locked(), self._reader:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    def size(self) -> tuple[int, int]:
        """Entries, and the bytes of their values."""
        row = self._row("SELECT COUNT(*), COALESCE(SUM(LENGTH(value)), 0) FROM entries") or (0, 0)
        return int(row[0]), int(row[1])

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            # The last to close writes the log into the file, under the lock; who may only read has no log.
            with contextlib.nullcontext() if self._read_only else self._locked(), self._reader:
                self._disconnect()

    def __del__(self) -> None:
        """Close what nobody closed, under the lock like every close."""
        with contextlib.suppress(OSError, sqlite3.Error):
            self.close()

    def before_fork(self) -> None:
        """Close the connection and hold the locks: a child must inherit neither an open database nor a held lock."""
        self._writer.acquire()
        self._reader.acquire()
        self._disconnect()
        self._file_lock = None

    def after_fork(self) -> None:
        """Release the locks; the next use opens the file again."""
        self._reader.release()
        self._writer.release()

    def _row(self, query: str, *parameters: str) -> tuple[Any, ...] | None:
        """The first row; None also where there is no file yet: reading makes none."""
        with self._mending(), self._reader:
            connection = self._connected() if self.path.exists() else None
            if connection is None:
                return None
            row: tuple[Any, ...] | None = connection.execute(query, parameters).fetchone()
            return row

    @contextlib.contextmanager
    def _writing(self, timeout: float = _LOCK_TIMEOUT_S) -> Iterator[sqlite3.Connection]:
        with self._mending(), self._locked(timeout), self._reader:
            connection = self._connected() or self._begun()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # some errors have rolled it back already
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _mending(self) -> Iterator[None]:
        """Set a file aside that turns out to be damaged; the next use begins a new one."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "malformed" not in str(error) and "not a database" not in str(error):
                raise
            broken = self.path.with_name(f"{self.path.name}.broken")
            with self._locked(), self._reader:
                self._disconnect()
                self.path.replace(broken)
                for suffix in ("-wal", "-shm"):
                    Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            raise sqlite3.DatabaseError(
                f"{self.path} is damaged ({error}): kept as {broken.name}, begun anew"
            ) from error

    @contextlib.contextmanager
    def _locked(self, timeout: float = _LOCK_TIMEOUT_S) -> Iterator[None]:
        """Hold the advisory lock beside the file."""
        from filelock import FileLock

        if not self._writer.acquire(timeout=timeout):
            raise TimeoutError(f"another thread has been writing to {self.path} for {timeout:g} s")
        try:
            self._make_folder()
            if self._file_lock is None:
                self._file_lock = FileLock(f"{self.path}.lock", mode=0o600)
            with self._file_lock.acquire(timeout=timeout):
                yield
        finally:
            self._writer.release()

    def _make_folder(self) -> None:
        if not self.path.parent.exists():
            self.path.parent.mkdir(parents=True, mode=0o700)

    def _connected(self) -> sqlite3.Connection | None:
        """The connection to the file that is there now: somebody may have removed it. None if nothing is in it yet."""
        if self._connection is not None and self._identity() == self._opened:
            return self._connection
        self._disconnect()
        connection = self._connect()
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except BaseException:
            connection.close()
            raise
        if version == _USER_VERSION:
            connection.execute("PRAGMA synchronous = NORMAL")
            self._connection, self._opened = connection, self._identity()
            return connection
        connection.close()
        if version != 0:
            raise sqlite3.DatabaseError(f"{self.path} was written by another version of samplemind (format {version})")
        return None

    def _begun(self) -> sqlite3.Connection:
        """The connection to a file that was empty. Called under the lock."""
        self._connection = self._connect()
        self._opened = self._identity()
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        return self._connection

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection:
        target, options = str(self.path), ""
        self._read_only = self.path.exists() and not os.access(self.path.parent, os.W_OK)
        if self._read_only:
            # Reading a log needs a file beside it. Where none can be made and none is there, nobody writes either.
            target, options = self.path.absolute().as_uri(), "?mode=ro&immutable=1"
        elif not self.path.exists():
            self._make_folder()
            self.path.touch(mode=0o600)
        return sqlite3.connect(
            target + options, uri=bool(options), timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )

    def _used_bytes(self, connection: sqlite3.Connection) -> int:
        """Bytes of the file that hold something: known without looking at any entry."""
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _evict(self, connection: sqlite3.Connection) -> None:
        oldest = "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries ORDER BY used LIMIT ?)"
        while self._used_bytes(connection) > self.max_bytes * _EVICT_TO:
            if not connection.execute(oldest, (_EVICT_STEP,)).rowcount:
                return


@atexit.register
def _close_all() -> None:
    """Close what nobody closed: the last close writes the log into the file, under the lock."""
    for tier in list(_living):
        with contextlib.suppress(OSError, sqlite3.Error):
            tier.close()
