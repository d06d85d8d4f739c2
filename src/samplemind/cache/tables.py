"""The tables of the disk tier's file: entries and counts, as functions of an open connection.

An entry is found by 64 bits of its key's digest, so that the key stands in the file once: two keys that share them
push each other out, as if there were no room for both. Entries lie in the order in which they came.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from blake3 import blake3

VERSION: Final = 2
"""SQLite's user_version of the file."""
STEP: Final = 4000
"""Entries removed, or pages given back, by one call."""

_SCHEMA: Final = f"""
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    hash INTEGER NOT NULL UNIQUE,
    key TEXT NOT NULL,
    created REAL NOT NULL,
    used REAL NOT NULL,
    value BLOB NOT NULL
);
CREATE INDEX entries_used ON entries (used);
CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""
_OVERHEAD: Final = 150
"""Bytes that an entry takes beside its value: key, times and places in two indexes."""
_BATCH_BYTES: Final = 2**20
"""Values that are read at once when all are asked for."""
_CACHE_BYTES: Final = 8 * 2**20
"""Pages that SQLite keeps in memory: the upper part of the indexes."""
_LOG_BYTES: Final = 4 * 2**20
"""What is left of a log that grew beyond it."""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # space is given back in steps, without a second copy
    connection.executescript(_SCHEMA)
    connection.execute("PRAGMA journal_mode = WAL")


def prepare(connection: sqlite3.Connection) -> None:
    """Set what holds for a connection, not for the file."""
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = {-_CACHE_BYTES // 1024}")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")


def version(connection: sqlite3.Connection) -> int:
    """The format of the file; 0 if nothing is in it."""
    return _pragma(connection, "user_version")


def is_ours(connection: sqlite3.Connection) -> bool:
    """Whether nothing is in the file but what an older version wrote."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")} <= {
        "entries"
    }


def find(connection: sqlite3.Connection, key: str) -> tuple[bytes, float] | None:
    """An entry's value, and when it was used. The casts are for files whose types of columns were damaged."""
    row: tuple[bytes, float] | None = connection.execute(
        "SELECT CAST(value AS BLOB), CAST(used AS REAL) FROM entries WHERE hash = ? AND key = ?", (_hash(key), key)
    ).fetchone()
    return row


def find_many(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, bytes]:
    """The values of the entries that are there, of at most some thousand keys."""
    by_hash = {_hash(key): key for key in keys}
    rows = connection.execute(
        "SELECT hash, CAST(key AS TEXT), CAST(value AS BLOB) FROM entries"
        " WHERE hash IN (SELECT value FROM json_each(?))",
        [json.dumps(list(by_hash))],
    )
    return {key: value for number, key, value in rows if by_hash[number] == key}


def put(connection: sqlite3.Connection, entries: Mapping[str, bytes], now: float) -> None:
    """Add entries, or give them another value."""
    connection.executemany(
        "INSERT INTO entries (hash, key, created, used, value) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (hash) DO UPDATE SET key = excluded.key, used = excluded.used, value = excluded.value",
        [(_hash(key), key, now, now, value) for key, value in entries.items()],
    )


def note_use(connection: sqlite3.Connection, key: str, now: float) -> None:
    """Note when an entry was used."""
    connection.execute("UPDATE entries SET used = ? WHERE hash = ? AND key = ?", (now, _hash(key), key))


def remove(connection: sqlite3.Connection, keys: Iterable[str]) -> int:
    """Remove entries; how many of them were there."""
    names = [(_hash(key), key) for key in keys]
    return connection.executemany("DELETE FROM entries WHERE hash = ? AND key = ?", names).rowcount


def last_id(connection: sqlite3.Connection) -> int:
    """The place of the entry that came last; 0 if there is none."""
    return int(connection.execute("SELECT COALESCE(MAX(id), 0) FROM entries").fetchone()[0])


def batch(connection: sqlite3.Connection, after: int, last: int) -> tuple[list[tuple[str, bytes]], int]:
    """Keys and values of some entries after a place, up to another; and the place of the last of them."""
    found: list[tuple[str, bytes]] = []
    size = 0
    rows = connection.execute(
        "SELECT id, CAST(key AS TEXT), CAST(value AS BLOB) FROM entries WHERE id > ? AND id <= ? ORDER BY id",
        (after, last),
    )
    while size < _BATCH_BYTES and (row := rows.fetchone()):
        after, key, value = row
        found.append((key, value))
        size += len(key) + len(value)
    rows.close()  # ends the transaction
    return found, after


def count(connection: sqlite3.Connection) -> int:
    """How many entries there are."""
    return int(connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0])


def oldest(connection: sqlite3.Connection) -> tuple[float, float] | None:
    """When the oldest entry came, and when the one unused for longest was used; None if there is none."""
    row = connection.execute(
        "SELECT CAST(created AS REAL), (SELECT CAST(MIN(used) AS REAL) FROM entries) FROM entries ORDER BY id LIMIT 1"
    ).fetchone()
    return row and (row[0], row[1])


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something: known without looking at any entry."""
    pages = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
    return pages * _pragma(connection, "page_size")


def drop_unused(connection: sqlite3.Connection, until: float) -> int:
    """Remove a step's number of entries not used since a time; how many they were."""
    return connection.execute(
        "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE used <= ? ORDER BY used LIMIT ?)", (until, STEP)
    ).rowcount


def drop_oldest(connection: sqlite3.Connection, max_bytes: float) -> int:
    """Remove, of the entries unused for longest, no more than are too many and one step takes; how many they were."""
    excess = used_bytes(connection) - max_bytes
    unwanted: list[tuple[int]] = []
    rows = connection.execute("SELECT id, LENGTH(value) FROM entries ORDER BY used, id LIMIT ?", (STEP,))
    while excess > 0 and (row := rows.fetchone()):
        unwanted.append((row[0],))
        excess -= row[1] + _OVERHEAD
    rows.close()
    connection.executemany("DELETE FROM entries WHERE id = ?", unwanted)
    return len(unwanted)


def give_back(connection: sqlite3.Connection) -> int:
    """Cut a step's number of unused pages off the file; how many they were."""
    pages = min(STEP, _pragma(connection, "freelist_count"))
    for _ in range(pages):
        connection.execute("PRAGMA incremental_vacuum(1)")  # of a higher number, sqlite3 runs only the first step
    return pages


def add_counts(connection: sqlite3.Connection, counts: Mapping[str, int]) -> None:
    """Add to what is counted."""
    connection.executemany(
        "INSERT INTO counts (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        list(counts.items()),
    )


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """What was counted."""
    return dict(connection.execute("SELECT name, value FROM counts").fetchall())


def _hash(key: str) -> int:
    return int.from_bytes(blake3(key.encode()).digest(length=8), "little", signed=True)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
