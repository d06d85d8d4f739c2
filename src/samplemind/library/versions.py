"""Versions of the database: an older one is brought up to date, after a copy was made; a newer one is refused."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from samplemind.errors import LibraryVersionError
from samplemind.library.backup import backup

if TYPE_CHECKING:
    from alembic.config import Config

    from samplemind.library.database import Database

HEAD: Final = "0003"
"""The revision that this version of samplemind reads and writes."""
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def prepare(database: Database) -> None:
    """Make what is missing, or bring it up to date. PostgreSQL is upgraded only on request: others may be using it.

    Raises:
        LibraryVersionError: the database was written by a newer version, or is to be upgraded first.
        LibraryError: it can't be read, or made.
    """
    if database.exists():
        with database.reader() as connection:
            found = revision(connection)
        if found == HEAD:
            return
        if found is not None and database.path is None:
            _require_known(found)
            raise LibraryVersionError(f"{database.name} is of version {found}: run samplemind library upgrade")
    migrate(database)


def migrate(database: Database, target: str = HEAD) -> Path | None:
    """Bring a database to a revision, in one transaction, after a copy was made of what is in it.

    Args:
        database: which.
        target: a revision, or "base" for none at all.

    Returns:
        The copy, if one was needed. PostgreSQL has means of its own for copies.

    Raises:
        LibraryVersionError: the database, or the target, is of a version that is not known here.
    """
    with database.alone() as connection:
        found = revision(connection)
        if found == target:
            return None
        for each in (found, target):
            _require_known(each)
        copy = None
        if found is not None and database.path is not None:
            copy = _free(database.path.with_name(f"{database.path.stem}-{found}-{time.strftime('%Y%m%d-%H%M%S')}.db"))
            backup(database, copy)
        _run(connection, target, down=target == "base" or (found is not None and found > target))
        return copy


def revision(connection: Connection) -> str | None:
    """The revision of a database; None if nothing of the library is in it."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _free(path: Path) -> Path:
    """A path, or one like it where nothing is."""
    others = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], others) if not each.exists())


def _require_known(found: str | None) -> None:
    if found in (None, "base", HEAD):
        return
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found not in known:
        raise LibraryVersionError(
            f"version {found} of the library is not known to this samplemind, which has {', '.join(sorted(known))}: "
            "a newer one wrote it"
        )


def _run(connection: Connection, target: str, *, down: bool) -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    (command.downgrade if down else command.upgrade)(config, target)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
