"""What a scan found out about files, into the tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.orm import Session

from samplemind.audio import StatKey, settled
from samplemind.errors import AnalysisError
from samplemind.features.levels import AnalysisLevel
from samplemind.library import entries, folders
from samplemind.library.folders import Place
from samplemind.library.model import Analysis, Audio, CollectionItem, Correction, File, Tag
from samplemind.library.stamps import failed_stamp, stamp
from samplemind.result import AudioFeatures


@dataclass(frozen=True)
class Bytes:
    """What is known of a file's content from another file of the same bytes."""

    audio_id: int
    digest: str
    container: str | None
    codec: str | None
    bit_depth: int | None


@dataclass(frozen=True)
class Found:
    """A file and what came of it.

    Attributes:
        stat: what the file system knew of it before it was read; its absolute path among that.
        answer: its features, or why it has none, or that its bytes were known.
        moved_from: the id of the row of a file that is gone, which this one is unless its path has a row.
    """

    stat: StatKey
    answer: AudioFeatures | AnalysisError | Bytes
    moved_from: int | None = None


def record(
    session: Session,
    found: Sequence[Found],
    *,
    level: AnalysisLevel,
    fingerprint: str,
    conditions: str,
    now: float,
    now_ns: int,
) -> None:
    """Write what came of some files, at most `entries.AT_ONCE` of them.

    Args:
        session: one that writes.
        found: the files, each once. Those whose folder was taken out of the library meanwhile are left out.
        level: at which they were analysed.
        fingerprint: of that level, today.
        conditions: under which files have no answer.
        now: seconds since 1970.
        now_ns: the time before the first of them was looked at: a file touched less than 2 s before that may have
            changed without a sign, and is read again by the next scan.
    """
    places = folders.places(session, [each.stat.path for each in found])
    found = [each for each in found if each.stat.path in places]
    rows = _rows(session, places.values(), [each.moved_from for each in found if each.moved_from is not None])
    documents = {
        each.answer.audio_digest: entries.document_of(each.answer)
        for each in found
        if isinstance(each.answer, AudioFeatures)
    }
    measured = {digest: entries.measured(document) for digest, document in documents.items()}
    audio, made = _audio(session, measured, now)
    _keep(session, {audio[digest]: document for digest, document in documents.items()}, level, fingerprint, now)
    new, changed = [], []
    touched = set(audio.values())
    for each in found:
        place = places[each.stat.path]
        row: dict[str, Any] = {"root_id": place.root_id, "path": place.path, "size": each.stat.size}
        row |= folders.told_by_name(place.path) | _of_content(each.answer, audio) | {"missing_since": None}
        if settled(each.stat, now_ns):
            failed = isinstance(each.answer, AnalysisError)
            row["stamp"] = failed_stamp(each.stat, conditions) if failed else stamp(each.stat)
        else:
            row["stamp"] = None
        before = rows.get((place.root_id, place.path)) or rows.get(each.moved_from)
        if before is None:
            new.append(row | {"found_at": now})
        else:
            changed.append(row | {"id": before.id})
            touched.add(before.audio_id)
        touched.add(row["audio_id"])
    moved_on = _moved_on(session, {row["digest"]: row["audio_id"] for row in (*new, *changed) if row["audio_id"]})
    if new:
        session.execute(insert(File), new)
    if changed:
        session.execute(update(File), changed)
    for old, other in moved_on:
        _carry_over(session, old, other)
    touched.discard(None)
    entries.refresh(session, touched, latest={audio[digest]: measured[digest] for digest in made})


def _of_content(answer: AudioFeatures | AnalysisError | Bytes, audio: Mapping[str, int]) -> dict[str, Any]:
    """Columns of a file that its content gives."""
    columns: dict[str, Any] = dict.fromkeys(
        ("audio_id", "digest", "container", "codec", "bit_depth", "error", "reason")
    )
    match answer:
        case AnalysisError():
            columns |= {"error": type(answer).__name__, "reason": answer.reason}
        case Bytes():
            columns |= dataclasses.asdict(answer)
        case AudioFeatures():
            columns |= {"audio_id": audio[answer.audio_digest], "digest": answer.file_digest}
            columns |= {name: getattr(answer, name) for name in ("container", "codec", "bit_depth")}
    return columns


def _rows(session: Session, places: Iterable[Place], ids: Sequence[int]) -> dict[Any, Any]:
    """Rows of files that are there already, by root and path, and those of given ids, by id."""
    columns = select(File.id, File.root_id, File.path, File.audio_id, File.digest)
    paths: dict[int, list[str]] = {}
    for place in places:
        paths.setdefault(place.root_id, []).append(place.path)
    rows: dict[Any, Any] = {}
    for root_id, some in paths.items():
        for row in session.execute(columns.where(File.root_id == root_id, File.path.in_(some))):
            rows[root_id, row.path] = row
    if ids:
        rows |= {row.id: row for row in session.execute(columns.where(File.id.in_(ids)))}
    return rows


def _audio(
    session: Session, measured: Mapping[str, Mapping[str, Any]], now: float
) -> tuple[dict[str, int], Collection[str]]:
    """Numbers of entries by digest; new ones are made where there are none, and which these are."""
    if not measured:
        return {}, ()
    there = select(Audio.digest, Audio.id).where(Audio.digest.in_(measured))
    audio = {row.digest: row.id for row in session.execute(there)}
    new = [
        {"digest": digest, "added_at": now, "name": "", "files_present": 0, **columns}
        for digest, columns in measured.items()
        if digest not in audio
    ]
    if new:
        session.execute(insert(Audio), new)
        audio = {row.digest: row.id for row in session.execute(there)}
    return audio, [row["digest"] for row in new]


def _keep(
    session: Session, documents: Mapping[int, dict[str, Any]], level: AnalysisLevel, fingerprint: str, now: float
) -> None:
    """Keep analyses, by number of their entry, in place of earlier ones of the same level."""
    if documents:
        # The latest counts, also where a clock went wrong once.
        last = session.scalar(select(func.max(Analysis.analyzed_at)).where(Analysis.audio_id.in_(documents)))
        now = max(now, last or now)
        session.execute(delete(Analysis).where(Analysis.audio_id.in_(documents), Analysis.level == str(level)))
        same = {"level": str(level), "fingerprint": fingerprint, "analyzed_at": now}
        session.execute(
            insert(Analysis),
            [{"audio_id": audio_id, "document": document, **same} for audio_id, document in documents.items()],
        )


def _moved_on(session: Session, audio: Mapping[str, int]) -> list[tuple[int, int]]:
    """Of entries by the digests of their files' bytes: what entries these bytes had before, also under other paths."""
    if not audio:
        return []
    before: Select[*tuple[Any, ...]] = select(File.digest, File.audio_id).where(
        File.digest.in_(audio), File.audio_id.is_not(None)
    )
    return [(old, audio[digest]) for digest, old in session.execute(before.distinct()).all() if old != audio[digest]]


def _carry_over(session: Session, old: int, new: int) -> None:
    """Give the entry of a file what its user said of the one before: another decoder decodes it to other samples."""
    for table in (Tag, Correction, CollectionItem):
        key = [column for column in table.__table__.primary_key if column.name != "audio_id"]
        there = session.execute(select(*key).where(table.audio_id == new)).all()
        for row in session.execute(select(table.__table__).where(table.audio_id == old)).all():
            if tuple(getattr(row, column.name) for column in key) not in there:
                session.execute(insert(table).values({**row._mapping, "audio_id": new}))
