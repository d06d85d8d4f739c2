"""The library's database: reads that don't wait for writes, and one writer at a time.

In SQLite, whoever writes, writes the log back or closes a connection that could do so holds the advisory lock beside
the file; what only reads is open all the time, in read-only mode. In PostgreSQL a transaction that writes holds an
advisory lock of the server. So nothing changes between what a writer reads and what it writes.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, create_engine, event, exc, make_url, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from samplemind.errors import LibraryError
from samplemind.library import versions
from samplemind.storage import files
from samplemind.storage.filesystem import refuse_network
from samplemind.storage.forking import rests_at_fork
from samplemind.storage.writing import WriteLock

FILE_NAME: Final = "library.db"
WRITE_TIMEOUT_S: Final = 30.0
"""How long a writer waits for other ones: longer than any step of a scan takes."""
_CLOSE_TIMEOUT_S: Final = 0.1
"""How long closing does. Without the lock, the log stays for the next one who writes."""
_BUSY_TIMEOUT_S: Final = 5.0
"""How long SQLite waits for programs that don't know our lock."""
_REMEDY: Final = (
    "set SAMPLEMIND_DATA_DIR to a folder of this machine, or SAMPLEMIND_LIBRARY_URL to share a library in PostgreSQL"
)
_FORK_S: Final = 1.0
"""How long a thread that begins lets a fork go first. Not for ever: what that waits for may wait for this thread."""
_READERS: Final = 8
"""Connections that are kept for those who read."""
_POSTGRES_LOCK: Final = 0x73616D706C65  # "sample"
"""The number of the advisory lock that writers hold."""
_MEANINGS: Final[dict[int | str | None, str]] = {
    sqlite3.SQLITE_FULL: "has no room to write: the disk is full; nothing of this step was kept",
    sqlite3.SQLITE_IOERR: "can't be written or read: the disk is full or failing; nothing of this step was kept",
    sqlite3.SQLITE_READONLY: "may not be written by this user",
    sqlite3.SQLITE_BUSY: "is locked by another program; nothing was changed, try again",
    sqlite3.SQLITE_LOCKED: "is locked by another program; nothing was changed, try again",
    sqlite3.SQLITE_CORRUPT: "is damaged: bring back a copy that samplemind library backup made",
    sqlite3.SQLITE_NOTADB: "is no database: bring back a copy that samplemind library backup made",
    # PostgreSQL's, by SQLSTATE.
    "25006": "may not be written by this user",
    "53100": "has no room to write: the server's disk is full; nothing of this step was kept",
    "55P03": "is busy: another process is writing; nothing was changed, try again",
}
"""What errors mean for the user, by the driver's code. No text of the driver counts: names of files may be in it."""


class Database:
    """A database of the library, made when it is first written.

    Args:
        place: path of an SQLite file, or address of a PostgreSQL database.
        write_timeout_s: how long a write waits for other writers; and whoever uses PostgreSQL, for a free connection.

    Processes may fork while it is open: a fork waits for what other threads are doing with it, and the child opens
    connections of its own; not so where the thread that forks has a session itself. While it has a session, no thread
    may wait for one that forks, nor for a cache.

    All methods raise `LibraryError` when the database can't be used; nothing of the transaction was kept then.
    """

    def __init__(self, place: Path | str, *, write_timeout_s: float = WRITE_TIMEOUT_S) -> None:
        self.path = place.absolute() if isinstance(place, Path) else None
        self.write_timeout_s = write_timeout_s
        self._lock = WriteLock(self.path) if self.path is not None else None
        self._checked = False
        self._opening = threading.Lock()
        self._users: Counter[int] = Counter()  # by thread: how many sessions it has open
        self._resting = threading.Condition(threading.Lock())
        self._forking = False
        if self.path is not None:
            self.name = str(self.path)
            # Named, for SQLAlchemy takes an address without a path for a database in memory: then a thread had but one
            # connection, and those of a thread too many were closed under others' hands. Nobody waits for a reader.
            self._reader = create_engine(
                "sqlite://",
                creator=self._connect_to_read,
                poolclass=QueuePool,
                pool_size=_READERS,
                max_overflow=-1,
            )
            self._writer = create_engine("sqlite://", creator=self._connect_to_write, poolclass=NullPool)
            event.listen(self._reader, "begin", _begin)
            event.listen(self._reader, "checkin", self._let_go)
            event.listen(self._writer, "begin", _begin_to_write)
        else:
            url = _postgres_url(str(place))
            self.name = url.render_as_string(hide_password=True)
            try:
                self._writer = create_engine(
                    url.set(drivername="postgresql+psycopg"),
                    pool_timeout=write_timeout_s,
                    connect_args={"client_encoding": "utf8"},
                )
                event.listen(self._writer, "connect", self._require_utf8)
                # A session reads what is there at one moment, as in SQLite; a writer what is there when it is its turn.
                self._reader = self._writer.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            except ImportError:
                raise LibraryError(
                    f"{self.name} needs the package psycopg: pip install 'samplemind[postgres]'"
                ) from None
        rests_at_fork(self)

    def exists(self) -> bool:
        """Whether there is one; of PostgreSQL it is taken for granted."""
        try:
            return self.path is None or self.path.exists()
        except OSError as error:
            raise LibraryError(f"the library {self.name} can't be read: {error.strerror}") from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees the database as it is now, and writes nothing."""
        with self._used():
            self._open()
            with Session(self._reader, autoflush=False) as session:
                yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are kept together when the block ends, and not at all if it raises."""
        with self._used():
            self._open()
            with self._alone(), Session(self._writer, expire_on_commit=False) as session, session.begin():
                _keep_others_out(session.connection(), self.write_timeout_s)
                yield session

    def close(self) -> None:
        """Close the connections, and write SQLite's log into the file if nobody else is writing."""
        with self._used():
            if self._lock is not None and self._checked and self.path is not None and files.is_writable(self.path):
                with (
                    contextlib.suppress(TimeoutError, OSError, exc.DatabaseError),
                    self._lock.held(_CLOSE_TIMEOUT_S),
                    self._writer.connect() as last,
                ):
                    last.exec_driver_sql("SELECT COUNT(*) FROM roots").all()  # opens the log
                    self._reader.dispose()
            self._dispose()

    @contextlib.contextmanager
    def reader(self) -> Iterator[Connection]:
        """A connection that reads whatever is there, of this version or not."""
        with self._used(), self._reader.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def alone(self) -> Iterator[Connection]:
        """A connection that may change whatever is there, in a transaction, as the only writer.

        SQLite changes a table by making another one in its place. Of the one that it removes, nothing that refers to it
        may be removed as well, and so references are looked at in the end only.
        """
        with self._used(), self._alone(), self._writer.connect() as connection:
            sqlite = connection.connection.driver_connection if self.path is not None else None
            if sqlite is not None:
                sqlite.execute("PRAGMA foreign_keys = OFF")  # it has no effect within a transaction
            with connection.begin():
                _keep_others_out(connection, self.write_timeout_s)
                yield connection
                if sqlite is not None and sqlite.execute("PRAGMA foreign_key_check").fetchone() is not None:
                    raise LibraryError(f"the library {self.name} would lose what belongs together; nothing was changed")

    def before_fork(self) -> None:
        """Wait until no other thread uses a connection, and close them: none must go over to a child."""
        self._resting.acquire()
        self._forking = True
        self._resting.wait_for(lambda: self._users.keys() <= {threading.get_ident()})
        if not self._users:  # a thread that forks in the midst of a session of its own goes on with it
            self._dispose()

    def after_fork(self) -> None:
        """Let threads use connections again; they are opened anew."""
        self._forking = False
        self._resting.notify_all()
        self._resting.release()

    def _dispose(self) -> None:
        """Close the connections that nobody uses."""
        self._reader.dispose()
        self._writer.dispose()

    def _open(self) -> None:
        """Make the database if there is none, and bring an older one up to date."""
        if self._checked:
            return
        with self._opening:
            if not self._checked:
                if self.path is not None:
                    try:
                        refuse_network(self.path.parent, _REMEDY)
                    except OSError as error:
                        raise LibraryError(f"the library can't be there: {error}") from error
                versions.prepare(self)
                self._checked = True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """As the only writer."""
        with contextlib.ExitStack() as ends:
            if self._lock is not None:
                try:
                    ends.enter_context(self._lock.held(self.write_timeout_s))
                except TimeoutError as error:
                    raise LibraryError(f"the library is busy: {error}; nothing was changed, try again") from error
                except OSError as error:
                    raise LibraryError(f"the library {self.name} can't be written: {error.strerror}") from error
                # One that reads is open beside: with the last one to be closed, SQLite writes the log back.
                if self.path is not None and self.path.exists():
                    ends.enter_context(self._reader.connect())
            yield

    def _require_utf8(self, connection: Any, record: ConnectionPoolEntry) -> None:
        """Refuse a database of PostgreSQL that can't keep every name, or would not know what it keeps."""
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise LibraryError(f"the library {self.name} is encoded in {encoding}: it must be made with ENCODING UTF8")

    def _connect_to_read(self) -> sqlite3.Connection:
        if self.path is None:
            raise AssertionError("only for SQLite")
        return _prepared(files.connect(self.path, "ro", timeout=_BUSY_TIMEOUT_S))

    def _connect_to_write(self) -> sqlite3.Connection:
        if self.path is None:
            raise AssertionError("only for SQLite")
        try:
            with contextlib.suppress(FileExistsError):  # what is there keeps its times: closing writes nothing, mostly
                self.path.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise sqlite3.OperationalError(f"it can't be made: {error.strerror}") from error
        connection = _prepared(files.connect(self.path, "rw", timeout=_BUSY_TIMEOUT_S))
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.Error:
            connection.close()  # here, where the lock is held, and not when the error is forgotten
            raise
        return connection

    def _let_go(self, _: object, entry: ConnectionPoolEntry) -> None:
        """Keep no connection to what this user may only read: it could miss what others write."""
        if self.path is not None and not files.is_writable(self.path):
            entry.invalidate()

    @contextlib.contextmanager
    def _used(self) -> Iterator[None]:
        """Have forks wait for this thread; in errors, name the database and say what to do."""
        thread = threading.get_ident()
        with self._resting:
            if not self._users[thread]:
                self._resting.wait_for(lambda: not self._forking, _FORK_S)
            self._users[thread] += 1
        try:
            yield
        except exc.DBAPIError as error:
            raise LibraryError(f"the library {self.name} {_in_words(error)}") from error
        except exc.TimeoutError as error:
            raise LibraryError(f"the library {self.name} is busy: all connections are in use; try again") from error
        finally:
            with self._resting:
                self._users[thread] -= 1
                if not self._users[thread]:
                    del self._users[thread]
                    self._resting.notify_all()


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # what a user says must outlive a power cut
    connection.execute("PRAGMA cache_size = -32768")
    return connection


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_to_write(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgres_url(address: str) -> URL:
    try:
        url: URL | None = make_url(address)
    except exc.ArgumentError:
        url = None
    if url is None or url.get_backend_name() != "postgresql":
        raise LibraryError("library_url must be like postgresql://user:password@host:port/database")
    return url


def _keep_others_out(connection: Connection, timeout_s: float) -> None:
    """Wait until no other transaction writes; others wait until this one ends. The file has a lock of its own."""
    if connection.dialect.name == "postgresql":
        patience = text("SELECT set_config('lock_timeout', :milliseconds, true)")
        connection.execute(patience, {"milliseconds": str(max(1, round(1000 * timeout_s)))})
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _POSTGRES_LOCK})
        connection.execute(patience, {"milliseconds": "0"})


def _in_words(error: exc.DBAPIError) -> str:
    """What a driver's error means for the user."""
    said = str(error.orig).strip()
    if isinstance(error, exc.IntegrityError):
        return f"can't take this in beside what it has: {said}; nothing was changed"
    code = getattr(error.orig, "sqlite_errorcode", None)
    kind = getattr(error.orig, "sqlstate", None) if code is None else code & 0xFF  # the rest tells the kinds apart
    return _MEANINGS.get(kind, f"can't be used: {said}")
