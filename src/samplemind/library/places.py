"""Which sounds of the library a command line means: by path, by what a file holds, or by digest."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samplemind.audio import StatKey, file_digest, stat_key
from samplemind.errors import FileAccessError, NotInLibraryError
from samplemind.library import folders
from samplemind.library.database import Database
from samplemind.library.folders import Place
from samplemind.library.groups import groups
from samplemind.library.model import Audio, File
from samplemind.library.stamps import stamp

_DIGEST: Final = re.compile(r"[0-9a-f]{4,64}")


@contextlib.contextmanager
def changing(database: Database, arguments: Iterable[str]) -> Iterator[tuple[Session, list[int]]]:
    """A session that writes, and the ids of the sounds that are meant, as of `audio_ids`.

    Files may have to be read to find them, and so they are found before, while others can write.

    Raises:
        NotInLibraryError: as `audio_ids`; or others took one of the sounds out of the library meanwhile.
    """
    with database.reading() as session:
        ids = audio_ids(session, arguments)
    with database.writing() as session:
        there = sum(
            session.scalar(select(func.count()).select_from(Audio).where(Audio.id.in_(some))) or 0
            for some in groups(ids)
        )
        if there < len(ids):
            raise NotInLibraryError("a sound was taken out of the library just now; nothing was changed, try again")
        yield session, ids


def audio_at(session: Session, argument: str) -> int:
    """The id of the one sound that is meant. As for `audio_ids`, but a folder is refused."""
    if os.path.isdir(argument):
        raise NotInLibraryError(f"{argument} is a folder: name one sound")
    ids = audio_ids(session, [argument])
    if len(ids) > 1:
        raise NotInLibraryError(f"{argument} is a folder: name one sound")
    return ids[0]


def audio_ids(session: Session, arguments: Iterable[str]) -> list[int]:
    """The ids of the sounds that are meant, each once. Files are looked up together, however many they are.

    Args:
        session: one that reads.
        arguments: each the path of a file, which the library has at this path or has the bytes of; or of a folder, for
            all below it that are there, or were if it is gone itself; or the beginning of a sound's digest.

    Raises:
        NotInLibraryError: one of them is nothing that the library has.
        FileAccessError: a file that is not as the library has it can't be read.
    """
    named = list(dict.fromkeys(arguments))
    places = _places(session, named)
    rows = _rows(session, [place for some in places.values() for place in some])
    found: dict[str, Sequence[int]] = {}
    read: dict[str, tuple[str, File | None]] = {}
    for argument in named:
        row = next((rows[place] for place in places[argument] if place in rows), None)
        stat = _stat(argument)
        if row is not None and (stat is None or _unchanged(row, stat)):
            if row.audio_id is None:
                raise _not_here(argument, row)
            found[argument] = [row.audio_id]
        elif stat is not None:
            read[argument] = file_digest(argument), row
        else:
            found[argument] = _below(session, argument, places[argument]) or _by_digest(session, argument)
    known = sounds_of_bytes(session, {digest for digest, _ in read.values()})
    for argument, (digest, row) in read.items():
        if digest not in known:
            raise _not_here(argument, row)
        found[argument] = [known[digest]]
    return list(dict.fromkeys(audio_id for argument in named for audio_id in found[argument]))


def _places(session: Session, arguments: Iterable[str]) -> dict[str, list[Place]]:
    """Where each of them is below a root: as it is written, and with links followed."""
    paths = {
        argument: list(dict.fromkeys([os.path.abspath(argument), os.path.realpath(argument)])) if argument else []
        for argument in arguments
    }
    found = folders.places(session, itertools.chain.from_iterable(paths.values()))
    return {argument: [found[path] for path in some if path in found] for argument, some in paths.items()}


def _rows(session: Session, places: Iterable[Place]) -> dict[Place, File]:
    by_root: dict[int, dict[str, Place]] = {}
    for place in places:
        by_root.setdefault(place.root_id, {})[place.path] = place
    return {
        some[file.path]: file
        for root_id, some in by_root.items()
        for paths in groups(some)
        for file in session.scalars(select(File).where(File.root_id == root_id, File.path.in_(paths)))
    }


def _stat(path: str) -> StatKey | None:
    """None for what is no file."""
    try:
        return stat_key(path)
    except FileAccessError:
        return None


def _unchanged(row: File, stat: StatKey) -> bool:
    return row.size == stat.size and row.stamp is not None and row.stamp.partition("@")[0] == stamp(stat)


def _not_here(argument: str, row: File | None) -> NotInLibraryError:
    """The error for a file without a sound, of which there may be a record all the same."""
    if row is not None and row.audio_id is None:
        return NotInLibraryError(f"{argument} is in the library without an answer: {row.reason}")
    return NotInLibraryError(f"{argument} is not in the library: scan its folder first")


def _below(session: Session, argument: str, places: Iterable[Place]) -> Sequence[int]:
    """The sounds below a folder, in the order of their paths."""
    folder = os.path.isdir(argument)
    for place in places:
        query = select(File.audio_id).where(place.below(), File.audio_id.is_not(None)).order_by(File.path)
        there = query.where(File.missing_since.is_(None)) if folder else query
        ids = [audio_id for audio_id in session.scalars(there) if audio_id is not None]
        if ids:
            return ids
    if folder:
        raise NotInLibraryError(f"nothing in {argument} is in the library: scan it first")
    return []


def _by_digest(session: Session, argument: str) -> list[int]:
    prefix = argument.lower()
    if not _DIGEST.fullmatch(prefix):
        raise NotInLibraryError(f"{argument} is no file, and none that the library has")
    # No digest goes on with anything beyond f.
    ids = list(session.scalars(select(Audio.id).where(Audio.digest >= prefix, Audio.digest < f"{prefix}g").limit(2)))
    if not ids:
        raise NotInLibraryError(f"{argument} is no file, and no sound of the library has a digest that begins so")
    if len(ids) > 1:
        raise NotInLibraryError(f"{argument} begins the digests of several sounds: give more of it")
    return ids


def sounds_of_bytes(session: Session, digests: Iterable[str]) -> dict[str, int]:
    """Sounds by the digest of a file that holds them; of several, the one of a file that is there."""
    known: dict[str, int] = {}
    for some in groups(sorted(digests)):
        files = select(File.digest, File.audio_id, File.missing_since).where(File.digest.in_(some))
        rows = session.execute(files.order_by(File.id)).all()
        for digest, audio_id, _ in sorted(rows, key=lambda row: row[2] is None):
            if digest is not None and audio_id is not None:
                known[digest] = audio_id
    return known
