"""Folders that were scanned: which one a path belongs to, and what lies below it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from samplemind.library import entries
from samplemind.library.model import File, Root
from samplemind.library.names import named


@dataclass(frozen=True)
class Place:
    """A path as the library has it: a folder that was scanned, and the path below it, with slashes; "" for itself."""

    root_id: int
    root: str
    path: str

    def below(self) -> ColumnElement[bool]:
        """The files there: the one of this path, or all below it."""
        if not self.path:
            return File.root_id == self.root_id
        inside = (File.path > f"{self.path}/") & (File.path < f"{self.path}0")  # 0 is what comes after a slash
        return (File.root_id == self.root_id) & or_(File.path == self.path, inside)


def places(session: Session, paths: Iterable[str]) -> dict[str, Place]:
    """Where absolute paths are in the library, but for those that are below no folder that was scanned."""
    roots = [(row.id, row.path, _inside(row.path)) for row in session.execute(select(Root.id, Root.path))]
    roots.sort(key=lambda root: len(root[1]), reverse=True)  # the innermost first
    found = {}
    for path in paths:
        for root_id, root, inside in roots:
            if path == root or path.startswith(inside):
                found[path] = Place(root_id, root, path[len(inside) :].replace(os.sep, "/"))
                break
    return found


def place_of(session: Session, path: str) -> Place | None:
    """Where an absolute path is in the library, or None if it is below no folder that was scanned."""
    return places(session, [path]).get(path)


def added(session: Session, folder: str, now: float) -> Place:
    """The place of an absolute folder, which becomes a root unless it is below one. It takes in roots below it."""
    place = place_of(session, folder)
    if place is not None:
        return place
    root = Root(path=folder, added_at=now)
    session.add(root)
    session.flush()
    for other in session.scalars(select(Root).where(Root.id != root.id)).all():
        if is_below(other.path, folder):
            before = relative(other.path, folder)
            session.execute(
                update(File).where(File.root_id == other.id).values(root_id=root.id, path=before + "/" + File.path)
            )
            session.delete(other)
    session.flush()
    _name_anew(session, root.id)
    return Place(root.id, folder, "")


def _name_anew(session: Session, root_id: int) -> None:
    """The files of a root are below more folders now, whose names tell something too."""
    after = 0
    while True:
        columns = select(File.id, File.path, File.audio_id).where(File.root_id == root_id, File.id > after)
        some = session.execute(columns.order_by(File.id).limit(entries.AT_ONCE)).all()
        if not some:
            return
        after = some[-1].id
        session.execute(update(File), [{"id": file.id, **told_by_name(file.path)} for file in some])
        entries.refresh(session, {file.audio_id for file in some if file.audio_id is not None})


def told_by_name(path: str) -> dict[str, Any]:
    """Columns of a file that its path below the root gives."""
    says = named(path)
    return {
        "named_tempo_bpm": says.tempo_bpm,
        "named_key": None if says.key is None else says.key.short,
        "named_sound": says.sound,
    }


def whole(path: str) -> str:
    """A path as the library has it: absolute, and only one way to write it."""
    absolute = os.path.abspath(path)
    return absolute[1:] if os.sep == "/" and absolute.startswith("//") else absolute


def around(path: str) -> Iterator[str]:
    """The folders that an absolute path is in."""
    while (folder := os.path.dirname(path)) != path:
        yield folder
        path = folder


def is_below(path: str, folder: str) -> bool:
    """Whether an absolute path is a folder's, or below it."""
    return path == folder or path.startswith(_inside(folder))


def _inside(folder: str) -> str:
    """How the paths of all begin that is in a folder."""
    return folder.rstrip(os.sep) + os.sep


def relative(path: str, folder: str) -> str:
    """A path below a folder as the library has it."""
    return path[len(_inside(folder)) :].replace(os.sep, "/")


def absolute(root: str, path: str) -> str:
    """The path of a file that the library has."""
    return os.path.join(root, *path.split("/")) if path else root
