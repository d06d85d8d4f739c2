"""The second tier: entries in one SQLite file, shared by all processes of this user.

Readers don't wait for writers (write-ahead log). There are two kinds of connections: one that only reads is kept open,
one that writes lives while an advisory lock beside the file is held. So every write and every checkpoint holds the
lock, and what reads can be closed at any moment: before a fork, at the end of the process, by the garbage collector.

Locks are taken in one order: the file's, the connection's. What may take long is done in steps, each under the lock for
a moment. The tables are those of `samplemind.cache.tables`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sqlite3
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from samplemind.cache import tables
from samplemind.cache.tier import REMEDY, TierState
from samplemind.storage import files
from samplemind.storage.filesystem import refuse_network
from samplemind.storage.forking import rests_at_fork
from samplemind.storage.writing import LONGEST_PAUSE_S, WriteLock

DEFAULT_MAX_BYTES: Final = 2 * 2**30
LONG_TIMEOUT_S: Final = 10.0
"""How long somebody waits for other writers who came to tend the cache."""
_WRITE_TIMEOUT_S: Final = 1.0
"""How long an analysis does, which can go on without: writes take milliseconds, so that the other one may hang."""
_CLOSE_TIMEOUT_S: Final = 0.1
"""How long the last counts wait. Without the lock they are lost, and the log stays for the next one who writes."""
_BUSY_TIMEOUT_S: Final = 1.0
"""How long SQLite waits for those that don't know our lock, or mend the log of a process that died."""
_USED_RESOLUTION_S: Final = 24 * 3600.0
"""A hit notes its time only when the noted one is older: reading should not write."""
_ASKED_AT_ONCE: Final = 1000
"""Keys in one statement: the connection is others' meanwhile."""
_EVICT_TO: Final = 0.99
"""Share of the limit that eviction leaves: it runs rarely, and is soon done when it does."""
_PAUSE_S: Final = 1.5 * LONGEST_PAUSE_S
"""Between two steps: long enough for whoever waits to get the lock."""
_EVICTIONS: Final = "evictions"

_SIGNS_OF_DAMAGE: Final = ("malformed", "not a database", "no such table", "no such column")
"""What SQLite's errors say of a file that is not what was written."""

_living: weakref.WeakSet[DiskTier] = weakref.WeakSet()


class DiskTier:
    """Bytes by key in an SQLite file. Safe to use from several threads and processes.

    Args:
        path: the file; it and its folder are made when first written, private to the user.
        max_bytes: above this size of the file the entries unused for longest are removed.
        notes_use: whether reading an entry notes when it was used, which is a write.

    Attributes:
        write_timeout_s: how long a write waits for other ones before it raises `TimeoutError`.

    Methods raise `OSError` or `sqlite3.Error` when the file can't be used; `FeatureCache` turns that into a miss.
    """

    name = "disk"
    shared = False
    _connection: sqlite3.Connection | None = None

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES, *, notes_use: bool = True) -> None:
        self.path = path.absolute()  # whatever the working folder is later
        self.notes_use = notes_use
        self.max_bytes = max_bytes
        self.write_timeout_s = _WRITE_TIMEOUT_S
        self._opened: tuple[int, int] | None = None
        self._read_only = False
        self._lock = WriteLock(self.path)
        self._reader = threading.RLock()
        self._uncounted: Counter[str] = Counter()
        self._process = os.getpid()
        rests_at_fork(self)
        _living.add(self)

    def get(self, key: str) -> bytes | None:
        """The entry, or None. Counts as a use of it, noted at most once a day."""
        with self._reading() as connection:
            found = tables.find(connection, key) if connection else None
        if found is None:
            return None
        value, used = found
        now = time.time()
        if self.notes_use and now - used > _USED_RESOLUTION_S:
            # Only if nobody else is writing: an entry that seems unused for a day more does no harm.
            with contextlib.suppress(OSError, sqlite3.OperationalError), self._writing(timeout=0) as connection:
                tables.note_use(connection, key, now)
        return value

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The entries that are there, by key. Does not count as a use."""
        found: dict[str, bytes] = {}
        for start in range(0, len(keys), _ASKED_AT_ONCE):
            with self._reading() as connection:
                found |= tables.find_many(connection, keys[start : start + _ASKED_AT_ONCE]) if connection else {}
        return found

    def put(self, entries: Mapping[str, bytes], *, used: float | None = None) -> None:
        """Keep entries, in one transaction; none of them if together they are larger than the whole tier.

        Args:
            entries: values by key.
            used: when they were used, in seconds since 1970; None for now.
        """
        if sum(map(len, entries.values())) > self.max_bytes:
            self.remove(entries)
            return
        with self._writing() as connection:
            tables.put(connection, entries, time.time() if used is None else used)
            if tables.used_bytes(connection) > self.max_bytes:
                evicted = 0
                while dropped := tables.drop_oldest(connection, self.max_bytes * _EVICT_TO):
                    evicted += dropped
                tables.add_counts(connection, {_EVICTIONS: evicted})

    def remove(self, keys: Iterable[str]) -> int:
        """Remove entries; the number of them that were there."""
        unwanted = list(keys)  # which may come from here
        if not unwanted or not self.path.exists():
            return 0
        with self._writing() as connection:
            return tables.remove(connection, unwanted)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """All entries that are there now; those that go meanwhile are left out. Does not count as a use."""
        with self._reading() as connection:
            last = tables.last_id(connection) if connection else 0
        after = 0
        while after < last:
            with self._reading() as connection:
                found, after = tables.batch(connection, after, last) if connection else ([], last)
            if not found:
                return
            yield from found

    def prune(self, *, max_bytes: int | None = None, unused_s: float | None = None) -> int:
        """Remove entries unused for `unused_s` seconds, then those unused for longest until `max_bytes` are kept.

        The space goes back to the file system, as far as can be: what is left is used again by later entries.
        """
        removed = 0
        if unused_s is not None:
            until = time.time() - unused_s
            removed += self._in_steps(lambda connection: tables.drop_unused(connection, until))
        if max_bytes is not None:
            removed += self._in_steps(lambda connection: tables.drop_oldest(connection, max_bytes))
        with contextlib.suppress(TimeoutError, sqlite3.OperationalError):  # others are writing, the disk is full
            self._in_steps(tables.give_back)
            self._write_log_back()
        return removed

    def clear(self) -> int:
        """Remove everything but counts, and damaged files; the number of entries that were there."""
        removed = self.prune(max_bytes=0)
        if files.broken(self.path).exists():
            with self._lock.held(LONG_TIMEOUT_S):
                files.remove(files.broken(self.path))
        return removed

    def state(self) -> TierState:
        """What is there now, by the sizes of the tables alone."""
        now = time.time()
        with self._reading() as connection:
            if connection is None:
                return TierState(0, 0, self.max_bytes, 0, None, None)
            entries, oldest = tables.count(connection), tables.oldest(connection)
            return TierState(
                entries=entries,
                bytes=tables.used_bytes(connection) if entries else 0,
                max_bytes=self.max_bytes,
                evictions=tables.counts(connection).get(_EVICTIONS, 0),
                oldest_s=max(0.0, now - oldest[0]) if oldest else None,  # a clock may have been set back
                unused_s=max(0.0, now - oldest[1]) if oldest else None,
            )

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add to what the file counts: now, or with the next write if somebody else is writing. Makes no file."""
        with self._reader:
            self._uncounted.update(counts)
        if self._uncounted and self.path.exists():
            with contextlib.suppress(OSError, sqlite3.OperationalError), self._writing(timeout=0):
                pass  # every write adds them

    def counts(self) -> dict[str, int]:
        """What all processes counted, and how many entries were dropped to keep within the limit."""
        with self._reading() as connection:
            return dict(self._uncounted + Counter(tables.counts(connection) if connection else {}))

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        self._close(_CLOSE_TIMEOUT_S if self._uncounted else 0.0)

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        """Close what nobody closed, but when the interpreter is half gone."""
        if self._connection is not None and not is_finalizing():
            with contextlib.suppress(OSError, sqlite3.Error):
                self._close(0.0)

    def set_aside(self) -> None:
        """Keep the file as ``.broken``; the next use begins a new one."""
        with self._lock.held(self.write_timeout_s), self._reader:
            self._disconnect()
            files.set_aside(self.path)

    def before_fork(self) -> None:
        """Close the connection and hold the locks: a child must inherit neither an open database nor a held lock."""
        self._lock.before_fork()
        self._reader.acquire()
        self._disconnect()

    def after_fork(self) -> None:
        """Release the locks; the next use opens the file again. What was counted before, the parent writes alone."""
        if os.getpid() != self._process:
            self._process = os.getpid()
            self._uncounted.clear()
        self._reader.release()
        self._lock.after_fork()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """The connection, for this thread alone; None where there is no file yet: reading makes none."""
        with self._mending(), self._reader:
            yield self._connected()

    @contextlib.contextmanager
    def _writing(self, timeout: float | None = None) -> Iterator[sqlite3.Connection]:
        """A transaction under the lock, in a file that is made if there is none."""
        if self._connection is None:
            refuse_network(self.path.parent, REMEDY)  # before a lock is made there
        patience = self.write_timeout_s if timeout is None else timeout
        with self._mending(), self._lock.held(patience), self._reader:
            # One that reads is open beside: with the last one to be closed, SQLite writes the log back.
            if self._connected() is None:
                self._begin()
            with self._writer() as connection, self._transaction(connection):
                yield connection

    @contextlib.contextmanager
    def _writer(self) -> Iterator[sqlite3.Connection]:
        """A connection that writes to the file that is there, called under the lock."""
        with contextlib.closing(files.connect(self.path, "rw", timeout=_BUSY_TIMEOUT_S)) as connection:
            tables.prepare(connection)
            yield connection

    @contextlib.contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        """A transaction, called under the lock. What was counted since the last one is written with it."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            tables.add_counts(connection, self._uncounted)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # some errors have rolled it back already
                connection.execute("ROLLBACK")
            raise
        self._uncounted.clear()

    def _close(self, timeout: float) -> None:
        """Close the connection, and write counts and log into the file if nobody else is writing."""
        try:
            if self._connection is not None and not self._read_only and self.path.exists():
                with contextlib.suppress(TimeoutError, sqlite3.OperationalError), self._lock.held(timeout):
                    self._write_last()
        finally:
            with self._reader:
                self._disconnect()

    def _write_last(self) -> None:
        with self._reader:
            if self._connected() is not None:
                with self._writer() as connection:
                    if self._uncounted:
                        with self._transaction(connection):
                            pass
                    self._disconnect()  # first: the last to be closed must be able to write the log back

    def _in_steps(self, step: Callable[[sqlite3.Connection], int]) -> int:
        """Repeat a step until it does nothing more, letting others write between; the sum of what it did."""
        total = 0
        while self.path.exists():
            with self._writing(LONG_TIMEOUT_S) as connection:
                done = step(connection)
            total += done
            if not done:
                break
            time.sleep(_PAUSE_S)
        return total

    def _write_log_back(self) -> None:
        """Write the log into the file, which gets its new size by that."""
        if self.path.exists():
            with self._mending(), self._lock.held(LONG_TIMEOUT_S), self._reader:
                if self._connected() is not None:
                    with self._writer() as connection:
                        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextlib.contextmanager
    def _mending(self) -> Iterator[None]:
        """Set a file aside that turns out to be damaged; the next use begins a new one."""
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter: a message that quotes the damage
            if isinstance(error, sqlite3.DatabaseError) and not any(sign in str(error) for sign in _SIGNS_OF_DAMAGE):
                raise
            with self._lock.held(self.write_timeout_s), self._reader:
                if files.identity(self.path) == self._opened:  # nobody else has done it
                    self._disconnect()
                    files.set_aside(self.path)
            raise sqlite3.DatabaseError(
                f"{self.path} is damaged ({error}): kept as {files.broken(self.path).name}, begun anew; "
                "samplemind cache verify takes up what can be read of it"
            ) from error

    def _connected(self) -> sqlite3.Connection | None:
        """The connection to the file that is there now: somebody may have removed it. None if nothing is in it yet."""
        identity = files.identity(self.path)
        if self._connection is not None and identity == self._opened:
            return self._connection
        self._disconnect()
        if identity is None:
            return None
        refuse_network(self.path.parent, REMEDY)
        self._opened = identity
        self._read_only = not files.is_writable(self.path)
        connection = files.connect(self.path, "ro", timeout=_BUSY_TIMEOUT_S)
        try:
            version = tables.version(connection)
            if version == tables.VERSION:
                tables.prepare(connection)
                self._connection = connection
                return connection
            if version > tables.VERSION:
                raise sqlite3.DatabaseError(f"{self.path} was written by a newer version of samplemind ({version=})")
            if not tables.is_ours(connection):
                raise sqlite3.DatabaseError(f"{self.path} was not written by samplemind")
            return None
        finally:
            if connection is not self._connection:
                connection.close()

    def _begin(self) -> None:
        """Make a new file, in place of one of an older format, and open it. Called under the lock."""
        # Made aside: whoever opens the file finds all that belongs to it.
        new = Path(f"{self.path}.new")
        files.remove(new)
        new.touch(mode=0o600)
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
            tables.create(connection)
        files.remove_logs(self.path)
        new.replace(self.path)
        if self._connected() is None:
            raise FileNotFoundError(f"{self.path} was removed as soon as it was made")

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@atexit.register
def _close_all() -> None:
    """Close what nobody closed: the last close writes the log into the file."""
    for tier in list(_living):
        with contextlib.suppress(OSError, sqlite3.Error):
            tier.close()
