"""What the library knows of a file's bytes, whichever of its files holds them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from samplemind.features.levels import AnalysisLevel
from samplemind.library import entries, folders, freshness
from samplemind.library.groups import groups
from samplemind.library.model import Analysis, File, Root
from samplemind.result import AudioFeatures
from samplemind.service.audio import printable
from samplemind.service.homes import Elsewhere


@dataclass(frozen=True)
class Candidate:
    """A file that held some bytes when the library saw it last. `error` and `stamp` are as in its row."""

    id: int
    root: str
    path: str
    stamp: str | None
    error: str | None
    reason: str | None


def known(session: Session, digest: str, level: AnalysisLevel) -> dict[str, Any] | None:
    """The document of a file's bytes, as `AudioFeatures.to_dict` gives it.

    Args:
        session: any.
        digest: of the bytes.
        level: how much is wanted. A higher level's document answers too, if there is none of this one.

    Returns:
        None if they must be analysed: they never were, or what was found would come out otherwise today.
    """
    today = freshness.fingerprints(level)
    files = select(File).where(File.digest == digest)
    for audio_id in session.scalars(
        select(File.audio_id).where(File.digest == digest, File.audio_id.is_not(None)).distinct()
    ).all():
        found = session.execute(select(Analysis.level, Analysis.fingerprint).where(Analysis.audio_id == audio_id))
        fresh = {AnalysisLevel(row.level) for row in found if today.get(AnalysisLevel(row.level)) == row.fingerprint}
        best = next((each for each in today if each in fresh), None)
        if best is None:
            continue
        kept = select(Analysis.document).where(Analysis.audio_id == audio_id, Analysis.level == str(best))
        of_sound = files.where(File.audio_id == audio_id).order_by(File.missing_since.is_not(None), File.id)
        file = session.scalars(of_sound.limit(1)).one()
        of_the_file = {
            "path": printable(file.path.rpartition("/")[2]),
            "file_digest": digest,
            "file_size_bytes": file.size,
            "container": file.container,
            "codec": file.codec,
            "bit_depth": file.bit_depth,
        }
        return AudioFeatures.from_dict({**session.scalars(kept).one(), **of_the_file}).to_dict()
    return None


def analyzed(session: Session, digests: Iterable[str], level: AnalysisLevel) -> set[str]:
    """Those of some bytes that `known` has a document of."""
    rows = [
        row
        for some in groups(digests)
        for row in session.execute(
            select(File.digest, File.audio_id).where(File.digest.in_(some), File.audio_id.is_not(None))
        )
    ]
    fresh = freshness.fresh(session, {row.audio_id for row in rows}, freshness.fingerprints(level))
    return {row.digest for row in rows if row.audio_id in fresh}


def candidates(session: Session, digests: Collection[str], home: str) -> dict[str, list[Candidate]]:
    """The files that held some bytes, those first that were there, and then those that came first.

    Not those that only another service than `home` keeps.
    """
    elsewhere = Elsewhere(session, home)
    found: dict[str, list[Candidate]] = {digest: [] for digest in digests}
    columns = (File.id, File.path, File.stamp, File.error, File.reason, File.digest, Root.path.label("root"))
    query = select(*columns).join(Root, Root.id == File.root_id).where(File.digest.in_(digests))
    for row in session.execute(query.order_by(File.missing_since.is_not(None), File.id)):
        path = folders.absolute(row.root, row.path)
        if path not in elsewhere:
            found[row.digest].append(Candidate(row.id, row.root, path, row.stamp, row.error, row.reason))
    return found


def kept_elsewhere(session: Session, digests: Collection[str], home: str) -> set[str]:
    """Those of some bytes that the library knows to be in files, but in none that a service may look at."""
    elsewhere = Elsewhere(session, home)
    if not elsewhere:
        return set()
    there: dict[str, set[bool]] = {}
    query = select(File.digest, File.path, Root.path.label("root")).join(Root, Root.id == File.root_id)
    for some in groups(digests):
        for row in session.execute(query.where(File.digest.in_(some))):
            there.setdefault(row.digest, set()).add(folders.absolute(row.root, row.path) in elsewhere)
    return {digest for digest, places in there.items() if places == {True}}


def share(session: Session, digest: str) -> None:
    """Have all files of the same bytes be of the sound that one of them is of."""
    one = select(File.audio_id, File.container, File.codec, File.bit_depth)
    row = session.execute(one.where(File.digest == digest, File.audio_id.is_not(None)).limit(1)).first()
    if row is None:
        return
    others = update(File).where(File.digest == digest, File.audio_id.is_(None))
    changed = session.execute(others.values(**row._mapping, error=None, reason=None).returning(File.id)).first()
    if changed is not None:
        entries.refresh(session, [row.audio_id])
