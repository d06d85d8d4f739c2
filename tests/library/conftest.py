"""Databases for the library's tests: each test that asks for one runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlalchemy import Connection, Engine, event

from samplemind.library.database import Database
from tests.servers import PostgresServer, running_postgres

Kind = Literal["sqlite", "postgresql"]
Statements = Callable[[Database], contextlib.AbstractContextManager[list[str]]]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for all tests of this process; skips, or fails, where none is installed."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> Kind:
    """Which database a test runs on."""
    kind: Kind = request.param
    if kind == "postgresql":
        request.getfixturevalue("postgres_server")
    return kind


@pytest.fixture
def place(database_kind: Kind, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """A place for a database where there is none: a path, or the address of an empty PostgreSQL database."""
    if database_kind == "sqlite":
        yield tmp_path / "library" / "library.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.new_database()
    yield url
    server.drop(url)


@pytest.fixture(scope="session")
def _model_database(
    database_kind: Kind, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path | str:
    """An empty database with its tables, of which all others are copies: that is faster than making them anew."""
    place: Path | str = tmp_path_factory.mktemp("library") / "library.db"
    if database_kind == "postgresql":
        place = request.getfixturevalue("postgres_server").new_database()
    database = Database(place)
    with database.reading():
        pass
    database.close()
    return place


@pytest.fixture
def database(
    database_kind: Kind, _model_database: Path | str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Database]:
    """An empty database, open."""
    server: PostgresServer | None = None
    place: Path | str
    if isinstance(_model_database, Path):
        place = tmp_path / "library" / "library.db"
        place.parent.mkdir()
        shutil.copy(_model_database, place)
    else:
        server = request.getfixturevalue("postgres_server")
        assert server is not None
        place = server.new_database(like=_model_database)
    database = Database(place)
    with database.reading():
        pass
    yield database
    database.close()
    if server is not None:
        server.drop(str(place))


@pytest.fixture
def statements() -> Statements:
    """List the SQL statements that a database is sent while a block runs: ``with statements(database) as sent: …``.

    What begins and ends a transaction is left out.
    """

    @contextlib.contextmanager
    def listening(database: Database) -> Iterator[list[str]]:
        sent: list[str] = []

        def note(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
            if connection.engine in (database._reader, database._writer) and not statement.startswith("BEGIN"):
                sent.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            yield sent
        finally:
            event.remove(Engine, "before_cursor_execute", note)

    return listening
