"""Corrections: values that a user knows better than the analysis. They hold against every later one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session, selectinload

from samplemind.errors import LibraryValueError
from samplemind.library import entries
from samplemind.library.entries import AT_ONCE, CORRECTABLE
from samplemind.library.fields import KINDS
from samplemind.library.folders import absolute
from samplemind.library.groups import groups
from samplemind.library.labels import suggestion
from samplemind.library.model import Audio, Correction, File

_FORMS: Final[Mapping[str, tuple[str, Callable[[Any], str]]]] = {
    "tempo": ("tempo_bpm", "{:.10g}".format),
    "key": ("key", lambda number: entries.key_of(number).short),
    "kind": ("kind", str),
}
"""The column of a field, and how a value in it is written."""
_TAKES: Final = {
    "tempo": "beats per minute, as 140 or 87.5",
    "key": "a key, as Am, F#, Bb minor or 8A",
    "kind": ", ".join(KINDS),
}


@dataclass(frozen=True)
class Corrected:
    """A correction beside what it corrects.

    Attributes:
        path: of a file of the sound; None if it has none any more.
        measured: what the analysis says, written alike; None if it says nothing.
        set_at: seconds since 1970.
    """

    audio_id: int
    digest: str
    path: str | None
    field: str
    value: str
    measured: str | None
    set_at: float


def correct(session: Session, audio_ids: Iterable[int], values: Mapping[str, str], now: float) -> None:
    """Correct values of sounds. An empty value takes a correction back.

    Args:
        session: one that writes.
        audio_ids: the sounds.
        values: by name of what is corrected, as in `samplemind.library.entries.CORRECTABLE`.
        now: seconds since 1970.

    Raises:
        LibraryValueError: a field that is none, or a value that it can't have.
    """
    new = {field_named(name): text.strip() for name, text in values.items()}
    new = {field: written(field, text) if text else "" for field, text in new.items()}
    for some in groups(dict.fromkeys(audio_ids)):
        session.execute(delete(Correction).where(Correction.audio_id.in_(some), Correction.field.in_(new)))
        rows = [
            {"audio_id": audio_id, "field": field, "value": value, "set_at": now}
            for audio_id in some
            for field, value in new.items()
            if value
        ]
        if rows:
            session.execute(insert(Correction), rows)
        entries.refresh(session, some)


def field_named(name: str) -> str:
    """The field that a text names.

    Raises:
        LibraryValueError: none; with the nearest.
    """
    field = name.strip().lower()
    if field in CORRECTABLE:
        return field
    instead = suggestion(field, CORRECTABLE) or f": possible are {', '.join(CORRECTABLE)}"
    raise LibraryValueError(f"{name!a} can't be corrected{instead}")


def written(field: str, text: str) -> str:
    """A value in the form that the library keeps it in.

    Raises:
        LibraryValueError: the field can't have it.
    """
    try:
        columns = CORRECTABLE[field](text)
    except ValueError:
        raise LibraryValueError(f"{text!a} is no {field}: it takes {_TAKES[field]}") from None
    value = shown(field, columns)
    if value is None:
        raise AssertionError("what was read has a value")
    return value


def shown(field: str, columns: Mapping[str, Any]) -> str | None:
    """What columns of `Audio` say of a field, as a user would write it; None if it is unknown."""
    column, form = _FORMS[field]
    value = columns.get(column)
    return None if value is None else form(value)


def corrected(session: Session) -> Iterator[Corrected]:
    """All corrections, in the order of their sounds. The number of statements is constant for `AT_ONCE` of them."""
    after = 0
    while True:
        some = session.scalars(
            select(Audio)
            .where(Audio.id > after, Audio.id.in_(select(Correction.audio_id)))
            .options(selectinload(Audio.corrections), selectinload(Audio.analyses))
            .options(selectinload(Audio.files).joinedload(File.root))
            .order_by(Audio.id)
            .limit(AT_ONCE)
        ).all()
        if not some:
            return
        for audio in some:
            measured = entries.effective(audio.analyses, ())
            path = path_of(audio)
            for each in audio.corrections:
                before = shown(each.field, measured)
                yield Corrected(audio.id, audio.digest, path, each.field, each.value, before, each.set_at)
        after = some[-1].id


def path_of(audio: Audio) -> str | None:
    """The path of the file that stands for a sound, whose files and their roots are loaded."""
    there = [file for file in audio.files if file.missing_since is None] or audio.files
    return absolute(there[0].root.path, there[0].path) if there else None
