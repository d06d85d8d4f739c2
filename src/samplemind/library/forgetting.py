"""Taking files out of the records. Files on disk are never touched, and what the user said is never lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.orm import Session, aliased

from samplemind.errors import NotInLibraryError
from samplemind.library import entries
from samplemind.library.groups import groups
from samplemind.library.model import Audio, File, Root
from samplemind.library.portable import SAID

_Which = Callable[[type[File]], ColumnElement[bool]]
"""A condition on files, under whatever name a statement has them."""
_UNSYNCHRONIZED: Final = {"synchronize_session": False}
"""The session holds nothing of what is deleted."""


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten, or would be.

    Attributes:
        files: records of files.
        sounds: sounds of which no file is left.
        kept: sounds of which no file is left either, and that stay, for the user has said something of them.
        skipped: folders of which nothing is there, and so were left out.
    """

    files: int
    sounds: int
    kept: int
    skipped: tuple[str, ...] = ()


def forget_missing(session: Session, root: str | None = None, *, really: bool) -> Forgotten:
    """Forget the files that are missing.

    Where all files of a folder are, it may be on a drive that is not mounted: then only if the folder is named.

    Args:
        session: one that writes, if it is to be done.
        root: absolute path of one scanned folder; by default all of them.
        really: do it, and not only count.

    Raises:
        NotInLibraryError: `root` is no scanned folder.
    """
    if root is not None:
        root_id = _root(session, root).id
        return _forget(session, lambda file: (file.root_id == root_id) & file.missing_since.is_not(None), really=really)
    away = _away(session)
    forgotten = _forget(
        session,
        lambda file: file.missing_since.is_not(None) & file.root_id.not_in(away),
        orphans=True,
        really=really,
    )
    return replace(forgotten, skipped=tuple(away.values()))


def forget_root(session: Session, root: str, *, really: bool) -> Forgotten:
    """Forget a scanned folder with all its files. As for `forget_missing`."""
    root_id = _root(session, root).id
    forgotten = _forget(session, lambda file: file.root_id == root_id, really=really)
    if really:
        session.execute(delete(Root).where(Root.id == root_id))
    return forgotten


def forget_file(session: Session, file_id: int) -> Forgotten:
    """Forget one file; its sound, too, if it has no others and its user has said nothing of it."""
    return _forget(session, lambda file: file.id == file_id, really=True)


def _away(session: Session) -> dict[int, str]:
    """Folders of which nothing is left, by id: not there, or empty as the place of a drive that is not mounted."""
    files = select(File.id).where(File.root_id == Root.id)
    there = files.where(File.missing_since.is_(None))
    away = select(Root.id, Root.path).where(files.exists(), Root.missing_since.is_not(None) | ~there.exists())
    return dict(session.execute(away.order_by(Root.path)).all())


def _root(session: Session, path: str) -> Root:
    root = session.scalar(select(Root).where(Root.path == path))
    if root is None:
        known = session.scalars(select(Root.path).order_by(Root.path)).all()
        raise NotInLibraryError(f"{path} is no folder that was scanned: those are {', '.join(known) or 'none'}")
    return root


def _forget(session: Session, which: _Which, *, orphans: bool = False, really: bool) -> Forgotten:
    """Forget files, and the sounds that have no others; with `orphans`, also those that lost their files before."""
    files = session.scalar(select(func.count()).select_from(File).where(which(File))) or 0
    touched = select(File.audio_id).where(which(File), File.audio_id.is_not(None)).distinct()
    other = aliased(File)
    without = select(Audio.id).where(~exists().where(other.audio_id == Audio.id, ~which(other)))
    emptied = Audio.id.in_(touched)
    kept = session.scalars(without.where(SAID, emptied)).all()
    sounds = session.scalars(without.where(~SAID, *([] if orphans else [emptied]))).all()
    if really:
        ids = {audio_id for audio_id in session.scalars(touched) if audio_id is not None}
        session.execute(delete(File).where(which(File)), execution_options=_UNSYNCHRONIZED)
        for some in groups(sounds):
            session.execute(delete(Audio).where(Audio.id.in_(some)), execution_options=_UNSYNCHRONIZED)
        entries.refresh(session, ids.difference(sounds))
    return Forgotten(files, len(sounds), len(kept))
