"""A disk tier's file whose tables are damaged: found out, and begun anew with what can still be read of it.

Damage inside a value is the seal's to find, and costs one entry. This is about all else: an index that does not agree
with its table finds nothing, and a row that is no entry any more can be neither read nor removed by its key.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from samplemind.cache import tables
from samplemind.cache.disk import DiskTier
from samplemind.cache.seal import unsealed
from samplemind.cache.writing import WriteLock

_TIMEOUT_S: Final = 10.0
"""How long to wait for other writers."""
_BATCH_BYTES: Final = 2**22
_UNLIMITED: Final = 2**62


def fault(path: Path) -> str | None:
    """What is wrong with the tables of a file, or None if nothing is, or there is no file.

    Raises:
        sqlite3.Error: the file can't be read.
    """
    if not path.is_file():
        return None  # what else stands there is told by whoever uses it
    try:
        with _opened(path) as connection:
            if tables.version(connection) != tables.VERSION:
                return None
            if _schema(connection) != _schema_of_new_files():
                return "its schema is another one"
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                return str(found)
            rows = connection.execute(
                "SELECT typeof(key) = 'text' AND typeof(value) = 'blob' AND typeof(created) = 'real'"
                " AND typeof(used) = 'real', CAST(key AS BLOB) FROM entries"
            )
            return None if all(is_entry and _is_text(key) for is_entry, key in rows) else "rows are no entries"
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if not _is_damage(error):
            raise
        return str(error)


def begin_anew(path: Path) -> Path:
    """Put a new file in the place of a damaged one, with the entries that can still be read.

    Others wait meanwhile, and then go on with the new file. When entries were used, and counts, are forgotten.

    Returns:
        Where the damaged file is now.

    Raises:
        sqlite3.Error, OSError: nothing could be read, or written; the file is as it was.
    """
    broken = Path(f"{path}.broken")
    with WriteLock(path).held(_TIMEOUT_S), tempfile.TemporaryDirectory(prefix=".mending-", dir=path.parent) as folder:
        fresh = Path(folder) / path.name
        with contextlib.closing(DiskTier(fresh, _UNLIMITED)) as tier:
            for batch in _readable(path):
                tier.put(batch)
        path.replace(broken)
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        if fresh.exists():  # it does not where nothing could be read
            fresh.replace(path)
    return broken


def _readable(path: Path) -> Iterator[dict[str, bytes]]:
    """The whole entries of a file, some at a time; a later one of the same key is the newer one."""
    batch: dict[str, bytes] = {}
    size = 0
    try:
        with _opened(path) as connection:
            # Whatever types damage gave them, and without the indexes, which may lack rows.
            rows = connection.execute(
                "SELECT CAST(key AS TEXT), CAST(value AS BLOB) FROM entries NOT INDEXED"
                " WHERE key NOT NULL AND value NOT NULL ORDER BY id"
            )
            for key, value in rows:
                if unsealed(key, value) is not None:
                    batch[key] = value
                    size += len(value)
                if size > _BATCH_BYTES:
                    yield batch
                    batch, size = {}, 0
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if not _is_damage(error):
            raise
    if batch:
        yield batch


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _schema(connection: sqlite3.Connection) -> list[tuple[str, str, bytes]]:
    return connection.execute("SELECT name, type, CAST(sql AS BLOB) FROM sqlite_master ORDER BY name").fetchall()


def _schema_of_new_files() -> list[tuple[str, str, bytes]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        tables.create(connection)
        return _schema(connection)


def _is_damage(error: Exception) -> bool:
    """Whether an error tells of damage; one that quotes a damaged schema can't even be decoded."""
    reasons = ("malformed", "not a database", "no such")
    return isinstance(error, UnicodeDecodeError) or any(reason in str(error) for reason in reasons)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    # Where no log can be made beside the file, nobody writes either.
    mode = "ro" if os.access(path.parent, os.W_OK) else "ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_TIMEOUT_S)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")  # a damaged key is told by the seal
    with contextlib.closing(connection):
        yield connection
