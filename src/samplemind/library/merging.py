"""What the user said of sounds, taken from a file that another library exported."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from samplemind.audio.files import open_regular
from samplemind.errors import ExportedFileError, LibraryValueError, NotInLibraryError
from samplemind.library import collections, entries, model
from samplemind.library.database import Database
from samplemind.library.entries import AT_ONCE
from samplemind.library.groups import groups
from samplemind.library.model import Audio, CollectionItem, Correction, Tag
from samplemind.library.places import sounds_of_bytes
from samplemind.library.portable import SavedCollection, SavedCorrection, SavedSound, checked, lines

_MOST_NAMES: Final = 20
"""Of sounds that are not in the library: what a person reads of them."""


_Known = Mapping[int, Sequence[SavedSound]]
"""What was said, by id of the sound."""


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        sounds: sounds of the file that are in this library.
        corrections: how many corrections are new or newer than what was there.
        tags: how many tags sounds have that they had not.
        items: how many sounds are in a collection where they were not.
        collections: how many collections, or queries of collections that had none, are new.
        unknown: sounds of the file that are not in this library.
        unknown_names: of the first of these.
    """

    sounds: int = 0
    corrections: int = 0
    tags: int = 0
    items: int = 0
    collections: int = 0
    unknown: int = 0
    unknown_names: tuple[str, ...] = ()


def import_said(database: Database, path: str) -> Imported:
    """Add what a file says to what is there. Doing it again changes nothing.

    Of two corrections of one value the one that was made later stays; a collection keeps the query that it has. The
    whole file is checked first. Then it is taken some hundred sounds at a time, so that others can write meanwhile; cut
    short, it can be done again.

    Args:
        database: the library.
        path: of a file that `export_said` wrote.

    Raises:
        ExportedFileError: the file is damaged, or no export, or of a newer version. Nothing of it was taken.
        FileAccessError: it can't be read.
    """
    with open_regular(path) as file:
        wanted = checked(file, path)
        with database.writing() as session:
            done = Imported(collections=_merge_collections(session, wanted, path))
        file.seek(0)
        for some in groups((line for line in lines(file, path) if isinstance(line, SavedSound)), AT_ONCE):
            with database.writing() as session:
                done = _merge_sounds(session, some, done)
    return done


def _merge_collections(session: Session, wanted: Sequence[SavedCollection], path: str) -> int:
    """Add collections and queries that are missing; how many there were."""
    rows = {row.name: row for row in session.scalars(select(model.Collection))}
    new = [each for each in wanted if each.name not in rows or (rows[each.name].query is None and each.query)]
    queries = {name: row.query for name, row in rows.items()} | {each.name: each.query for each in new}
    try:
        collections.require_sound(queries, [each.name for each in new])
    except (LibraryValueError, NotInLibraryError) as error:
        raise ExportedFileError(f"{path}: {error}; nothing was taken") from None
    for each in new:
        if each.name in rows:
            rows[each.name].query = each.query
        else:
            session.add(model.Collection(name=each.name, query=each.query, created_at=each.created_at))
    return len(new)


def _merge_sounds(session: Session, some: Sequence[SavedSound], before: Imported) -> Imported:
    """Add what was said of some sounds, as many as one statement may name."""
    there = select(Audio.digest, Audio.id).where(Audio.digest.in_([sound.digest for sound in some]))
    ids = dict(session.execute(there).all())
    others = sounds_of_bytes(session, {each for sound in some if sound.digest not in ids for each in sound.files})
    known: dict[int, list[SavedSound]] = {}
    unknown: list[str] = []
    for sound in some:
        by_bytes = (others[each] for each in sound.files if each in others)
        audio_id = ids.get(sound.digest) or next(by_bytes, None)
        if audio_id is None:
            unknown.append(sound.name)
        else:
            known.setdefault(audio_id, []).append(sound)
    return replace(
        before,
        sounds=before.sounds + len(some) - len(unknown),
        corrections=before.corrections + _merge_corrections(session, known),
        tags=before.tags + _merge_tags(session, known),
        items=before.items + _merge_items(session, known),
        unknown=before.unknown + len(unknown),
        unknown_names=(*before.unknown_names, *unknown)[:_MOST_NAMES],
    )


def _merge_corrections(session: Session, known: _Known) -> int:
    wanted: dict[tuple[int, str], SavedCorrection] = {}
    for audio_id, sounds in known.items():
        for name, each in ((name, each) for sound in sounds for name, each in sound.corrections.items()):
            if (audio_id, name) not in wanted or each.set_at > wanted[audio_id, name].set_at:
                wanted[audio_id, name] = each
    there = select(Correction.audio_id, Correction.field, Correction.set_at).where(Correction.audio_id.in_(known))
    set_at = {(audio_id, name): at for audio_id, name, at in session.execute(there)}
    new = {key: each for key, each in wanted.items() if key not in set_at}
    newer = {key: each for key, each in wanted.items() if key in set_at and each.set_at > set_at[key]}
    for statement, some in ((insert(Correction), new), (update(Correction), newer)):
        if some:
            rows = [
                {"audio_id": audio_id, "field": name, "value": each.value, "set_at": each.set_at}
                for (audio_id, name), each in some.items()
            ]
            session.execute(statement, rows)
    entries.refresh(session, {audio_id for audio_id, _ in (*new, *newer)})
    return len(new) + len(newer)


def _merge_tags(session: Session, known: _Known) -> int:
    wanted = {(audio_id, name) for audio_id, sounds in known.items() for sound in sounds for name in sound.tags}
    there = select(Tag.audio_id, Tag.name).where(Tag.audio_id.in_(known))
    new = sorted(wanted - set(session.execute(there)))
    return _insert(session, Tag, [{"audio_id": audio_id, "name": name} for audio_id, name in new])


def _merge_items(session: Session, known: _Known) -> int:
    ids = dict(session.execute(select(model.Collection.name, model.Collection.id)).all())
    wanted = {
        (ids[name], audio_id): added_at
        for audio_id, sounds in known.items()
        for sound in sounds
        for name, added_at in sound.collections.items()
        if name in ids
    }
    there = select(CollectionItem.collection_id, CollectionItem.audio_id).where(CollectionItem.audio_id.in_(known))
    taken = set(session.execute(there))
    new = [
        {"collection_id": key[0], "audio_id": key[1], "added_at": added_at}
        for key, added_at in wanted.items()
        if key not in taken
    ]
    return _insert(session, CollectionItem, new)


def _insert(session: Session, table: type[Any], rows: Collection[dict[str, Any]]) -> int:
    if rows:
        session.execute(insert(table), list(rows))
    return len(rows)
