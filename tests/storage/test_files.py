"""Files of SQLite, where this user may do less than others."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from samplemind.storage import files

pytestmark = pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may do everything")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A database whose folder may not be written, of one number, 1."""
    path = tmp_path / "folder" / "numbers.db"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE numbers (number)")
        connection.execute("INSERT INTO numbers VALUES (1)")
    path.parent.chmod(0o500)
    yield path
    path.parent.chmod(0o700)


def numbers(path: Path) -> list[int]:
    with contextlib.closing(files.connect(path, "ro", timeout=1.0)) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM numbers")]


def test_a_log_that_can_not_be_made_is_not_needed(path: Path) -> None:
    assert numbers(path) == [1]
    path.chmod(0o400)
    assert numbers(path) == [1]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_log_that_is_there_is_read(path: Path) -> None:
    path.parent.chmod(0o700)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO numbers VALUES (2)")
        path.parent.chmod(0o500)
        assert numbers(path) == [1, 2]
        writer.execute("INSERT INTO numbers VALUES (3)")
        assert numbers(path) == [1, 2, 3]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_nothing_is_written(path: Path, what: str) -> None:
    if what == "file":
        path.parent.chmod(0o700)
        path.chmod(0o400)
    assert not files.is_writable(path)
    with (
        contextlib.closing(files.connect(path, "rw", timeout=1.0)) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("INSERT INTO numbers VALUES (2)")
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_file_in_a_folder_of_ones_own_is_writable(path: Path) -> None:
    path.parent.chmod(0o700)
    assert files.is_writable(path)
