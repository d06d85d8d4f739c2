"""Files that are gone: they are marked as missing, and never deleted."""

from __future__ import annotations

import os
import stat as file_status
from collections.abc import Container, Iterable, Iterator

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from samplemind.library import entries, folders
from samplemind.library.database import Database
from samplemind.library.folders import Place
from samplemind.library.groups import groups
from samplemind.library.model import File, Root

_Row = tuple[int, str, str]
"""A file's number, its root and its path below that."""


def is_gone(root: str, path: str) -> bool:
    """Whether no file is there any more. One that can't be asked for is not said to be gone."""
    try:
        return not file_status.S_ISREG(os.stat(folders.absolute(root, path)).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def mark_missing(database: Database, paths: Iterable[str], seen: Container[int], now: float) -> Iterator[int | str]:
    """Mark what the library has of some paths, and is not there any more.

    Args:
        database: the library.
        paths: absolute, of folders and files.
        seen: numbers of files that were met just now.
        now: seconds since 1970.

    Yields:
        How many files were marked, now and then; and paths that are not there, and of which the library has nothing.
    """
    for some in groups(paths):
        with database.reading() as session:
            places = folders.places(session, some)
            alone = [place for path, place in places.items() if place.path and not os.path.isdir(path)]
            files = list(_of_paths(session, alone))
        yield _mark(database, [number for number, root, path in files if is_gone(root, path)], now)
        known = {folders.absolute(root, path) for _, root, path in files}
        for path in some:
            place = places.get(path)
            if place is not None and (os.path.isdir(path) or not place.path):
                yield from _of_folder(database, place, seen, now)
                if not place.path:
                    _note_root(database, place, now)
            elif path not in known and not os.path.lexists(path):
                marked = sum(_of_folder(database, place, seen, now)) if place is not None else 0
                yield marked if place is not None and _has_files(database, place) else path


def _of_paths(session: Session, places: Iterable[Place]) -> Iterator[_Row]:
    """The files of exactly these paths."""
    by_root: dict[int, list[Place]] = {}
    for place in places:
        by_root.setdefault(place.root_id, []).append(place)
    for root_id, some in by_root.items():
        rows = session.execute(
            select(File.id, File.path).where(File.root_id == root_id, File.path.in_([place.path for place in some]))
        )
        yield from ((row.id, some[0].root, row.path) for row in rows)


def _of_folder(database: Database, place: Place, seen: Container[int], now: float) -> Iterator[int]:
    """Mark files of a folder, some at a time; how many each time."""
    after = 0
    while there := _batch(database, _present(place).where(File.id > after)):
        after = there[-1][0]
        gone = [number for number, path in there if number not in seen and is_gone(place.root, path)]
        yield _mark(database, gone, now)


def _has_files(database: Database, place: Place) -> bool:
    """Whether the library has files of a folder, be they missing."""
    with database.reading() as session:
        return bool(session.scalar(select(select(File.id).where(place.below()).exists())))


def _present(place: Place) -> Select[int, str]:
    return (
        select(File.id, File.path)
        .where(place.below(), File.missing_since.is_(None))
        .order_by(File.id)
        .limit(entries.AT_ONCE)
    )


def _batch(database: Database, statement: Select[int, str]) -> list[tuple[int, str]]:
    with database.reading() as session:
        return [(row.id, row.path) for row in session.execute(statement)]


def _mark(database: Database, gone: list[int], now: float) -> int:
    """Mark files that are not marked yet; how many."""
    if not gone:
        return 0
    with database.writing() as session:
        those = select(File.id, File.audio_id).where(File.id.in_(gone), File.missing_since.is_(None))
        rows = session.execute(those).all()
        session.execute(update(File).where(File.id.in_([row.id for row in rows])).values(missing_since=now))
        entries.refresh(session, {row.audio_id for row in rows if row.audio_id is not None})
        return len(rows)


def _note_root(database: Database, place: Place, now: float) -> None:
    """Note that all of a root was scanned; or that nothing is there any more, as of a drive that was unplugged."""
    with database.writing() as session:
        root = session.get(Root, place.root_id)
        if root is None:  # it became part of another one, or was forgotten
            return
        files = select(File.id).where(File.root_id == root.id)
        is_empty = session.scalar(select(~files.where(File.missing_since.is_(None)).exists()))
        was_empty = session.scalar(select(~files.exists()))
        if not os.path.isdir(root.path) or (is_empty and not was_empty):
            root.missing_since = root.missing_since or now
        else:
            root.missing_since, root.scanned_at = None, now
