"""Sound files as the service shows them: by the digest of their bytes, and never by where they are on the server."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session, aliased

from samplemind.errors import CursorError, NotInLibraryError
from samplemind.library import folders
from samplemind.library.found import Entry, entries_of
from samplemind.library.groups import groups
from samplemind.library.model import Audio, File, Root
from samplemind.library.search import Page
from samplemind.service.homes import Elsewhere
from samplemind.service.problems import slug, without_paths

UPLOADS: Final = "uploads"
"""What the folder of the uploads is called."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Stored:
    """A file of the library, and the folder that it is below. `elsewhere`: only another service keeps it."""

    row: File
    root: str
    elsewhere: bool = False

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(folders.absolute(self.root, self.row.path))

    @property
    def name(self) -> str:
        """What it is called."""
        return self.row.path.rpartition("/")[2]


def stored(session: Session, audio_id: str, home: str) -> Stored:
    """The file of an id: of several with the same bytes one that this service may look at, is there, and came first.

    Args:
        session: any.
        audio_id: the digest of a file's bytes, or of a sound's samples.
        home: this service.

    Raises:
        NotInLibraryError: there is none.
    """
    if _DIGEST.fullmatch(audio_id):
        files = select(File, Root.path).join(Root, Root.id == File.root_id)
        files = files.where(File.digest.is_not(None)).order_by(File.missing_since.is_not(None), File.id)
        of_sound = files.join(Audio, Audio.id == File.audio_id).where(Audio.digest == audio_id)
        elsewhere = Elsewhere(session, home)
        for query in (files.where(File.digest == audio_id), of_sound):
            away = None
            for row in session.execute(query if elsewhere else query.limit(1)):
                found = Stored(row.File, row.path)
                if str(found.path) not in elsewhere:
                    return found
                away = away or dataclasses.replace(found, elsewhere=True)
            if away is not None:
                return away
    raise NotInLibraryError("there is no audio of this id")


def digests(session: Session, ids: Sequence[str], home: str) -> list[str]:
    """The digests of the bytes of many files, named as for `stored`.

    Raises:
        NotInLibraryError: one of them is not there.
    """
    known: dict[str, str] = {}
    for some in groups(each for each in ids if _DIGEST.fullmatch(each)):
        known |= {each: each for each in session.scalars(select(File.digest).where(File.digest.in_(some))) if each}
    return [known.get(each) or stored(session, each, home).row.digest or "" for each in ids]


def shown(session: Session, found: Sequence[Stored], uploads: Path) -> list[dict[str, Any]]:
    """Files in the form of `AudioOut`. The number of statements is the same, however many they are."""
    ids = list(dict.fromkeys(each.row.audio_id for each in found if each.row.audio_id is not None))
    entries = dict(zip(_there(session, ids), entries_of(session, ids), strict=True))
    return [_shown(each, entries.get(each.row.audio_id or 0), uploads) for each in found]


def shown_page(session: Session, page: Page, uploads: Path) -> dict[str, Any]:
    """What a search found, in the form of `AudioPage`."""
    digests = [entry.id for entry in page.entries]
    rows: dict[str, Stored] = {}
    if digests:
        files = select(Audio.digest, File, Root.path).join(Audio, Audio.id == File.audio_id)
        files = files.join(Root, Root.id == File.root_id).where(Audio.digest.in_(digests))
        for digest, file, root in session.execute(files.order_by(File.missing_since.is_not(None), File.id)):
            if file.digest is not None:
                rows.setdefault(digest, Stored(file, root))
    items = [_shown(rows[entry.id], entry, uploads) for entry in page.entries if entry.id in rows]
    return {"items": items, "cursor": page.cursor}


def listed(session: Session, limit: int, cursor: str | None, uploads: Path) -> dict[str, Any]:
    """All files, analysed or not, the latest first; of those with the same bytes the first one only."""
    before = aliased(File)
    same = select(before.id).where(before.digest == File.digest, before.id < File.id, before.missing_since.is_(None))
    files: Select[*tuple[Any, ...]] = select(File, Root.path).join(Root, Root.id == File.root_id)
    files = files.where(File.digest.is_not(None), File.missing_since.is_(None), ~same.exists())
    if cursor is not None:
        files = files.where(File.id < _number(cursor))
    rows: Sequence[Row[Any]] = session.execute(files.order_by(File.id.desc()).limit(limit + 1)).all()
    items = shown(session, [Stored(row.File, row.path) for row in rows[:limit]], uploads)
    return {"items": items, "cursor": _cursor(rows[limit - 1].File.id) if len(rows) > limit else None}


def _there(session: Session, ids: Sequence[int]) -> list[int]:
    """Those of some entries that are there, in the same order."""
    there = set(session.scalars(select(Audio.id).where(Audio.id.in_(ids)))) if ids else set()
    return [each for each in ids if each in there]


def _shown(file: Stored, entry: Entry | None, uploads: Path) -> dict[str, Any]:
    row = file.row
    return {
        "id": row.digest,
        "name": printable(file.name),
        "size_bytes": row.size,
        "added_at": row.found_at,
        "audio_digest": None if entry is None else entry.id,
        "error": None if row.error is None else slug(row.error),
        "reason": None if row.reason is None else without_paths(printable(row.reason)),
        "files": [_place(file.root, file.row.path, row.missing_since is not None, uploads)]
        if entry is None
        else [_place(each.root, folders.relative(each.path, each.root), each.missing, uploads) for each in entry.files],
        "sound": None if entry is None else _sound(entry),
    }


def _sound(entry: Entry) -> dict[str, Any]:
    plain = entry.to_dict()
    return {name: value for name, value in plain.items() if name not in ("id", "name", "added_at", "files")}


def _place(root: str, path: str, missing: bool, uploads: Path) -> dict[str, Any]:
    """Where a file is, as far as it is a client's business."""
    if root == str(uploads):
        return {"folder": UPLOADS, "path": printable(path.rpartition("/")[2]), "missing": missing}
    return {"folder": printable(Path(root).name), "path": printable(path), "missing": missing}


def printable(text: str) -> str:
    """A text that JSON and UTF-8 can say: bytes of a name that are no text are shown as U+FFFD."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(b"f%d" % number).rstrip(b"=").decode()


def _number(cursor: str) -> int:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not re.fullmatch(rb"f[0-9]{1,18}", data):
        raise CursorError("the cursor is damaged, or of another list")
    return int(data[1:])
