"""What names of files say, against what was measured. Nothing is changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, or_, select
from sqlalchemy.orm import Session

from samplemind.library import entries
from samplemind.library.conflicts import Conflict, key_conflict, tempo_conflict
from samplemind.library.entries import AT_ONCE
from samplemind.library.folders import absolute
from samplemind.library.keys import Key, parse_key
from samplemind.library.model import Analysis, Audio, Correction, File, Root

FIELDS: Final = {"tempo": File.named_tempo_bpm, "key": File.named_key}
"""What names tell that is measured too."""
_MEASURED: Final = ("tempo_bpm", "tempo_confidence", "key", "key_confidence")


@dataclass(frozen=True)
class Contradiction:
    """A file whose name says something else than was measured.

    Attributes:
        path: of the file.
        audio_id: its sound.
        digest: of that.
        field: tempo or key.
        named: what the name says: beats per minute, or a key as Am.
        measured: what the analysis says, alike.
        relation: of the two, as in `samplemind.library.conflicts.Conflict`.
        confidence: how sure the analysis is, 0 to 1.
        corrected: what a user said; None if nothing.
    """

    path: str
    audio_id: int
    digest: str
    field: str
    named: float | str
    measured: float | str
    relation: str
    confidence: float | None
    corrected: str | None


def contradictions(
    session: Session, *, fields: Collection[str] = tuple(FIELDS), settled: bool = False
) -> Iterator[Contradiction]:
    """Every file that is there and whose name contradicts its sound, in the order in which files were found.

    Takes memory for `AT_ONCE` files, and as many statements for these as for one.

    Args:
        session: one that reads.
        fields: tempo, key or both.
        settled: also where a user has corrected the value, and so said who is right.
    """
    files = (
        select(File.id, File.path, File.named_tempo_bpm, File.named_key, Root.path.label("root"))
        .add_columns(File.audio_id, Audio.digest, *(getattr(Audio, name) for name in _MEASURED))
        .join(Root, File.root_id == Root.id)
        .join(Audio, File.audio_id == Audio.id)
        .where(File.missing_since.is_(None), or_(*(FIELDS[field].is_not(None) for field in fields)))
        .order_by(File.id)
        .limit(AT_ONCE)
    )
    after = 0
    while rows := session.execute(files.where(File.id > after)).all():
        after = rows[-1].id
        corrections = _corrections(session, {row.audio_id for row in rows})
        analyses = _analyses(session, {sound for sound, _ in corrections}) if settled else {}
        for row in rows:
            measured = entries.effective(analyses.get(row.audio_id, ()), ()) or row._asdict()
            for field in fields:
                correction = corrections.get((row.audio_id, field))
                conflict = _conflict(field, row, measured)
                if conflict is not None and (settled or correction is None):
                    yield Contradiction(
                        path=absolute(row.root, row.path),
                        audio_id=row.audio_id,
                        digest=row.digest,
                        field=field,
                        named=_plain(conflict.named),
                        measured=_plain(conflict.measured),
                        relation=conflict.relation,
                        confidence=measured[f"{field}_confidence"],
                        corrected=correction,
                    )


def _conflict(field: str, row: Row[Any], measured: Mapping[str, Any]) -> Conflict | None:
    if field == "tempo":
        return tempo_conflict(row.named_tempo_bpm, measured["tempo_bpm"])
    number = measured["key"]
    named = None if row.named_key is None else parse_key(row.named_key)
    return key_conflict(named, None if number is None else entries.key_of(number))


def _corrections(session: Session, audio_ids: Collection[int]) -> dict[tuple[int, str], str]:
    columns = select(Correction.audio_id, Correction.field, Correction.value)
    rows = session.execute(columns.where(Correction.audio_id.in_(audio_ids), Correction.field.in_(FIELDS)))
    return {(audio_id, field): value for audio_id, field, value in rows}


def _analyses(session: Session, audio_ids: Collection[int]) -> dict[int, list[Analysis]]:
    found: dict[int, list[Analysis]] = {}
    for analysis in session.scalars(select(Analysis).where(Analysis.audio_id.in_(audio_ids))):
        found.setdefault(analysis.audio_id, []).append(analysis)
    return found


def _plain(value: float | Key) -> float | str:
    return value.short if isinstance(value, Key) else value
