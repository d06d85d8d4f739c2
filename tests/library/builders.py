"""Entries of the library made by hand, with the values that a test wants to find."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from samplemind.library import entries
from samplemind.library.keys import parse_key
from samplemind.library.model import Analysis, Audio, File, Root

NOW: Final = 1_760_000_000.0
ROOT: Final = "/sounds"
_DOCUMENT: Final = {"level": "standard", "duration_s": 2.0, "sample_rate_hz": 44_100, "channels": 2}


def digest(text: str) -> str:
    """Something with the form of a digest, another for each text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def document(**measured: Any) -> dict[str, Any]:
    """What an analysis found; `key` as Am."""
    key = parse_key(measured.pop("key")) if measured.get("key") else None
    tonality = {} if key is None else {"key": key.name.split()[0], "mode": key.mode}
    return {**_DOCUMENT, **tonality, **measured}


def make_root(session: Session, path: str | Path = ROOT) -> Root:
    """A scanned folder, made if it is missing."""
    root = session.scalar(select(Root).where(Root.path == str(path)))
    if root is None:
        root = Root(path=str(path), added_at=NOW, scanned_at=NOW)
        session.add(root)
        session.flush()
    return root


def make_sound(
    session: Session, *paths: str, sound: str | None = None, root: str | Path = ROOT, **measured: Any
) -> int:
    """An entry with files at these paths below a root, and one analysis that measured so.

    Args:
        session: one that writes.
        *paths: of its files.
        sound: stands for what it sounds like; by default the first path.
        root: the scanned folder.
        **measured: fields of its document.

    Returns:
        Its id.
    """
    sound = paths[0] if sound is None else sound
    folder = make_root(session, root)
    columns = entries.measured(document(**measured))
    audio = Audio(digest=digest(sound), added_at=NOW, name="", files_present=0, **columns)
    session.add(audio)
    session.flush()
    session.add(
        Analysis(audio_id=audio.id, level="standard", fingerprint="1", analyzed_at=NOW, document=document(**measured))
    )
    audio_id = audio.id
    for path in paths:
        add_file(session, audio_id, path, folder)
    entries.refresh(session, [audio_id])
    return audio_id


def add_file(session: Session, audio_id: int | None, path: str, root: Root, **columns: Any) -> File:
    """A file of an entry, or of none; its name and bytes say nothing unless told."""
    values = {"size": 1000, "digest": digest(f"bytes of {path}"), "found_at": NOW} | columns
    file = File(root_id=root.id, audio_id=audio_id, path=path, **values)
    session.add(file)
    session.flush()
    if audio_id is not None:
        entries.refresh(session, [audio_id])
    return file
