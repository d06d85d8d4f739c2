"""Tags: a user's words for sounds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import case, delete, func, insert, select
from sqlalchemy.orm import Session

from samplemind.errors import NotInLibraryError
from samplemind.library.groups import groups
from samplemind.library.labels import label, suggestion
from samplemind.library.model import Audio, Tag


@dataclass(frozen=True)
class TagCount:
    """A tag, and how many sounds have it: with a file that is there, and without one."""

    name: str
    sounds: int
    missing: int


def add_tags(session: Session, audio_ids: Iterable[int], names: Iterable[str]) -> int:
    """Give sounds tags; those that have one already keep it.

    Returns:
        How many sounds have a tag now that they had not.

    Raises:
        LibraryValueError: a name that can't be one.
    """
    wanted = sorted({label(name) for name in names})
    tagged: set[int] = set()
    for some in groups(audio_ids):
        there = select(Tag.audio_id, Tag.name).where(Tag.audio_id.in_(some), Tag.name.in_(wanted))
        taken = set(session.execute(there))
        new = [(audio_id, name) for audio_id in dict.fromkeys(some) for name in wanted]
        rows = [{"audio_id": audio_id, "name": name} for audio_id, name in new if (audio_id, name) not in taken]
        if rows:
            session.execute(insert(Tag), rows)
        tagged |= {audio_id for audio_id, name in new if (audio_id, name) not in taken}
    return len(tagged)


def remove_tags(session: Session, audio_ids: Iterable[int], names: Collection[str]) -> int:
    """Take tags from sounds.

    Returns:
        How many sounds had one of them.

    Raises:
        LibraryValueError: a name that can't be one.
        NotInLibraryError: no sound at all has one of the tags.
    """
    unwanted = sorted({label(name) for name in names})
    _require_known(session, unwanted)
    removed: set[int] = set()
    for some in groups(audio_ids):
        those = Tag.audio_id.in_(some), Tag.name.in_(unwanted)
        removed |= set(session.scalars(select(Tag.audio_id).where(*those)))
        session.execute(delete(Tag).where(*those))
    return len(removed)


def tag_counts(session: Session) -> Iterator[TagCount]:
    """All tags in the order of their names. One statement."""
    there = func.sum(case((Audio.files_present > 0, 1), else_=0))
    counted = select(Tag.name, there, func.count()).join(Audio, Tag.audio_id == Audio.id).group_by(Tag.name)
    for name, sounds, count in session.execute(counted.order_by(Tag.name)):
        yield TagCount(name, int(sounds), count - int(sounds))


def _require_known(session: Session, names: Collection[str]) -> None:
    known = set(session.scalars(select(Tag.name).where(Tag.name.in_(names)).distinct()))
    for name in names:
        if name not in known:
            every = session.scalars(select(Tag.name).distinct()).all()
            raise NotInLibraryError(f"no sound has the tag {name}{suggestion(name, every)}")
