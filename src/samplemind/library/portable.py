"""What the user said of sounds (corrections, tags, collections), carried to another library in a file.

The file is JSON Lines (https://jsonlines.org), all ASCII:

    {"format": "samplemind library", "version": 1}
    {"type": "collection", "name": "favourites", "query": "kind:loop", "created_at": 1760000000.0}
    {"type": "sound", "digest": "5d0a…", "name": "kick.wav", "files": ["90c1…"], "corrections":
     {"tempo": {"value": "140", "set_at": 1760000000.0}}, "tags": ["used"], "collections": {"favourites": 1760000000.0}}
    …
    {"type": "end", "collections": 1, "sounds": 12}

A sound is told by its decoded samples. Where those are not known, as when another decoder makes others of an MP3, it is
told by the bytes of one of its files; never by its name, which is there for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, Final, NoReturn

import msgspec
from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session, selectinload

from samplemind.errors import ExportedFileError, LibraryValueError, QueryError
from samplemind.library.corrections import field_named, written
from samplemind.library.entries import AT_ONCE
from samplemind.library.labels import label
from samplemind.library.model import Audio, Collection, CollectionItem, Correction, Tag
from samplemind.library.query import parse

FORMAT: Final = "samplemind library"
VERSION: Final = 1
"""Raised when the layout of the file changes; files of a higher version are refused."""
_LONGEST_LINE: Final = 2**24
"""Bytes: no sound comes near it, and a file without line ends must not fill the memory."""
_LONGEST_HEAD: Final = 2**10
_MOST_FILES: Final = 100
"""Of one sound: any of them is enough to find it again."""
SAID: Final = or_(*(exists().where(table.audio_id == Audio.id) for table in (Correction, Tag, CollectionItem)))
"""Of sounds: the user said something of it."""

_Time = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
"""Seconds since 1970, for some thousand years."""
_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class SavedCollection(msgspec.Struct, tag_field="type", tag="collection", forbid_unknown_fields=True):
    """A collection."""

    name: str
    query: str | None
    created_at: _Time


class SavedCorrection(msgspec.Struct, forbid_unknown_fields=True):
    """A correction of one field."""

    value: str
    set_at: _Time


class SavedSound(msgspec.Struct, tag_field="type", tag="sound", forbid_unknown_fields=True):
    """What was said of a sound; its files by the digests of their bytes."""

    digest: _Digest
    name: str
    files: list[_Digest]
    corrections: dict[str, SavedCorrection]
    tags: list[str]
    collections: dict[str, _Time]


class End(msgspec.Struct, tag_field="type", tag="end", forbid_unknown_fields=True):
    """The last line: how many there were before it."""

    collections: int
    sounds: int


Line = SavedCollection | SavedSound | End


@dataclass(frozen=True)
class Exported:
    """How many collections were written, and sounds that the user said something of."""

    collections: int
    sounds: int


def export_said(session: Session, file: BinaryIO) -> Exported:
    """Write all that the user said.

    Takes memory for `AT_ONCE` sounds, and as many statements for these as for one.
    """
    _write(file, {"format": FORMAT, "version": VERSION})
    names: dict[int, str] = {}
    for row in session.scalars(select(Collection).order_by(Collection.name)):
        names[row.id] = row.name
        _write(file, SavedCollection(row.name, row.query, row.created_at))
    sounds = 0
    for sound in _said(session, names):
        _write(file, sound)
        sounds += 1
    _write(file, End(len(names), sounds))
    return Exported(len(names), sounds)


def _said(session: Session, collection_names: Mapping[int, str]) -> Iterator[SavedSound]:
    after = 0
    while True:
        some = session.scalars(
            select(Audio)
            .where(SAID, Audio.id > after)
            .options(selectinload(Audio.corrections), selectinload(Audio.tags), selectinload(Audio.files))
            .order_by(Audio.id)
            .limit(AT_ONCE)
        ).all()
        if not some:
            return
        after = some[-1].id
        items: dict[int, dict[str, float]] = {}
        for item in session.scalars(
            select(CollectionItem).where(CollectionItem.audio_id.in_([audio.id for audio in some]))
        ):
            if item.collection_id in collection_names:  # not one that was made meanwhile
                items.setdefault(item.audio_id, {})[collection_names[item.collection_id]] = item.added_at
        for audio in some:
            digests = dict.fromkeys(each.digest for each in audio.files if each.digest is not None)
            yield SavedSound(
                digest=audio.digest,
                name=audio.name,
                files=list(digests)[:_MOST_FILES],
                corrections={each.field: SavedCorrection(each.value, each.set_at) for each in audio.corrections},
                tags=[tag.name for tag in audio.tags],
                collections=items.get(audio.id, {}),
            )


def check_head(file: BinaryIO) -> None:
    """Read the first line of an exported file.

    Raises:
        ExportedFileError: it is none, or of a newer version.
    """
    head = _parsed(file.readline(_LONGEST_HEAD))
    version = head.get("version") if isinstance(head, dict) and head.get("format") == FORMAT else None
    if not isinstance(version, int) or version < 1:
        raise ExportedFileError("not a file that samplemind library export wrote")
    if version > VERSION:
        raise ExportedFileError(f"written by a newer samplemind (format {version}; this one knows {VERSION})")


def _write(file: BinaryIO, line: Any) -> None:
    file.write(json.dumps(msgspec.to_builtins(line)).encode("ascii") + b"\n")


def _parsed(line: bytes) -> Any:
    """What a line holds, or None if it is damaged."""
    try:
        return json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def lines(file: BinaryIO, path: str) -> Iterator[Line]:
    """The lines after the first, with names and values in the form that a library keeps them in.

    Raises:
        ExportedFileError: one is damaged; names the file and the line.
    """
    try:
        check_head(file)
    except ExportedFileError as error:
        raise ExportedFileError(f"{path}: {error}") from None
    number = 1
    while text := file.readline(_LONGEST_LINE):
        number += 1
        try:
            line: Line = msgspec.convert(_parsed(text), Line)
            yield _in_form(line)
        except (msgspec.ValidationError, LibraryValueError, QueryError) as error:
            raise ExportedFileError(f"{path}: line {number}: damaged: {error}") from None


def _in_form(line: Line) -> Line:
    match line:
        case SavedCollection():
            if line.query is not None:
                parse(line.query)
            line.name = label(line.name)
        case SavedSound():
            line.corrections = {
                field_named(name): SavedCorrection(written(field_named(name), each.value), each.set_at)
                for name, each in line.corrections.items()
            }
            line.tags = [label(name) for name in line.tags]
            line.collections = {label(name): added_at for name, added_at in line.collections.items()}
    return line


def checked(file: BinaryIO, path: str) -> list[SavedCollection]:
    """Read a whole file.

    Returns:
        The collections in it.

    Raises:
        ExportedFileError: something in it is damaged, or missing.
    """
    found: list[SavedCollection] = []
    sounds = 0
    end: End | None = None
    named: set[str] = set()
    for line in lines(file, path):
        if end is not None:
            raise ExportedFileError(f"{path}: damaged: it goes on after its end")
        match line:
            case SavedCollection():
                found.append(line)
            case SavedSound():
                sounds += 1
                named |= line.collections.keys()
            case End():
                end = line
    if end != End(len(found), sounds):
        raise ExportedFileError(f"{path}: cut off or damaged: it does not hold what was exported")
    if not named <= {each.name for each in found}:
        raise ExportedFileError(f"{path}: damaged: a sound is in a collection that is not in the file")
    return found
