"""How much is in the library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func, select, text
from sqlalchemy.orm import Session

from samplemind.library.model import Audio, Collection, Correction, File, Root, Tag


@dataclass(frozen=True)
class RootFacts:
    """A scanned folder.

    Attributes:
        path: of the folder.
        files: how many of its files are there.
        missing: how many are gone.
        failed: how many of those that are there have no answer.
        scanned_at: when a scan of all of it last ended, in seconds since 1970; None if none has.
        missing_since: since when the folder itself is gone; None if it is there.
    """

    path: str
    files: int
    missing: int
    failed: int
    scanned_at: float | None
    missing_since: float | None


@dataclass(frozen=True)
class LibraryFacts:
    """What is in a library.

    Attributes:
        sounds: with a file that is there.
        sounds_missing: without one.
        corrections: corrected values.
        tags: different tags.
        collections: how many.
        size_bytes: room that the database takes.
        roots: the scanned folders, in the order of their paths.
    """

    sounds: int
    sounds_missing: int
    corrections: int
    tags: int
    collections: int
    size_bytes: int
    roots: tuple[RootFacts, ...]


def library_facts(session: Session) -> LibraryFacts:
    """Count everything. The number of statements is constant."""
    present, every = session.execute(select(_sum(Audio.files_present > 0), func.count()).select_from(Audio)).one()
    return LibraryFacts(
        sounds=int(present),
        sounds_missing=every - int(present),
        corrections=_number(session, func.count(Correction.audio_id)),
        tags=_number(session, func.count(Tag.name.distinct())),
        collections=_number(session, func.count(Collection.id)),
        size_bytes=_size(session),
        roots=tuple(_roots(session)),
    )


def _roots(session: Session) -> list[RootFacts]:
    there = File.missing_since.is_(None)
    counts = (
        _sum((File.id.is_not(None)) & there),
        _sum(File.missing_since.is_not(None)),
        _sum((File.id.is_not(None)) & there & File.audio_id.is_(None)),
    )
    rows = session.execute(
        select(Root.path, Root.scanned_at, Root.missing_since, *counts)
        .outerjoin(File, File.root_id == Root.id)
        .group_by(Root.id, Root.path, Root.scanned_at, Root.missing_since)
        .order_by(Root.path)
    )
    return [
        RootFacts(path, int(files), int(missing), int(failed), scanned_at, missing_since)
        for path, scanned_at, missing_since, files, missing, failed in rows
    ]


def _sum(condition: ColumnElement[bool]) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _number(session: Session, count: Any) -> int:
    return int(session.scalar(select(count)) or 0)


def _size(session: Session) -> int:
    if session.get_bind().dialect.name == "postgresql":
        return _number(session, text("pg_database_size(current_database())"))
    pages = session.scalar(text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"))
    return int(pages or 0)
