"""A disk tier's file whose tables are damaged: found out, set aside, and what can still be read of it taken up.

Damage inside a value is the seal's to find, and costs one entry. This is about all else: an index that does not agree
with its table finds nothing, and a row that is no entry any more can be neither read nor removed by its key.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

from samplemind.cache import tables
from samplemind.cache.disk import LONG_TIMEOUT_S, DiskTier
from samplemind.cache.seal import unsealed
from samplemind.storage import files

_BATCH_BYTES: Final = 2**22
"""So much is put into a tier at once: others wait for a write."""
_BATCH_SHARE: Final = 0.1
"""Of the tier's limit, no more at once: it refuses what would push out all else."""

_OLDEST_FIRST: Final = (
    "SELECT CAST(key AS TEXT), CAST(value AS BLOB) FROM entries NOT INDEXED"
    " WHERE key NOT NULL AND value NOT NULL ORDER BY id"
)
"""All rows, whatever types damage gave them, and without the indexes, which may lack some."""
_NEWEST_FIRST: Final = f"{_OLDEST_FIRST} DESC"


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


def take_up(tier: DiskTier) -> bool:
    """Put into a tier what can be read of a file that was set aside; then remove that file, if anything could be read.

    Entries that the tier has stay as they are. When the others were used, and counts, are forgotten: they count as used
    when the file was last written. Others may use the tier meanwhile; cut short, it goes on where it is called again.

    Returns:
        Whether there was something that could be read.

    Raises:
        sqlite3.Error, OSError: it could not be read, or not be written; the damaged file is still there.
    """
    broken = files.broken(tier.path)
    if not broken.is_file():
        return False
    used = broken.stat().st_mtime
    readable = False
    for batch in _readable(broken, min(_BATCH_BYTES, tier.max_bytes * _BATCH_SHARE)):
        here = {key for key, data in tier.get_many(list(batch)).items() if unsealed(key, data) is not None}
        new = {key: data for key, data in batch.items() if key not in here}
        if new:
            tier.put(new, used=used)
        readable = True
    if readable:
        files.remove(broken)
    else:
        files.remove_logs(broken)  # which reading may make
    return readable


def _readable(path: Path, batch_bytes: float) -> Iterator[dict[str, bytes]]:
    """The whole entries of a file, some at a time; of two with the same key the newer one comes first."""
    try:
        with _opened(path) as connection:
            # From both ends: reading does not get past damage.
            for query in (_NEWEST_FIRST, _OLDEST_FIRST):
                whole = yield from _rows(connection, query, batch_bytes)
                if whole:
                    return
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if not _is_damage(error):
            raise


def _rows(connection: sqlite3.Connection, query: str, batch_bytes: float) -> Generator[dict[str, bytes], None, bool]:
    """The whole entries up to the first damage; whether there was none."""
    batch: dict[str, bytes] = {}
    size = 0
    whole = True
    try:
        for key, value in connection.execute(query):
            if unsealed(key, value) is not None and key not in batch:
                batch[key] = value
                size += len(value)
            if size > batch_bytes:
                yield batch
                batch, size = {}, 0
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if not _is_damage(error):
            raise
        whole = False
    if batch:
        yield batch
    return whole


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
    with contextlib.closing(files.connect(path.absolute(), "ro", timeout=LONG_TIMEOUT_S)) as connection:
        connection.text_factory = lambda text: text.decode("utf-8", "replace")  # a damaged key is told by the seal
        yield connection
