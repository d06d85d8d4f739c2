"""Entries as users see them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from samplemind.library.entries import effective, key_of
from samplemind.library.folders import absolute
from samplemind.library.model import Analysis, Audio, Correction, File, Root, Tag

_SHOWN: Final = {"tempo": ("tempo_bpm",), "key": ("key", "camelot"), "kind": ("kind",)}
"""Fields of an entry that a correction changes."""


@dataclass(frozen=True)
class FoundFile:
    """A file of an entry.

    Attributes:
        path: where it is, or was.
        root: the folder that was scanned.
        missing: it was gone when the folder was last scanned.
        named_tempo_bpm, named_key, named_sound: what its name and folders say; the key as Am or F#.
    """

    path: str
    root: str
    missing: bool
    named_tempo_bpm: float | None
    named_key: str | None
    named_sound: str | None


@dataclass(frozen=True)
class Entry:
    """A sound of the library.

    Attributes:
        id: BLAKE3 of its decoded samples, hexadecimal.
        name: of the file that stands for it.
        level: of its latest analysis.
        key: as ``A minor``; `camelot` is its code.
        added_at: when it came into the library, in seconds since 1970.
        corrected: what was measured, by field, where the user has corrected it.
        tags: in order.
        files: those that are there first.

    The others are as in `AudioFeatures`, but for `spectral_centroid_hz`, which is the mean. None is unknown.
    """

    id: str
    name: str
    level: str
    kind: str | None
    duration_s: float
    sample_rate_hz: int
    channels: int
    tempo_bpm: float | None
    tempo_confidence: float | None
    key: str | None
    camelot: str | None
    key_confidence: float | None
    loudness_lufs: float | None
    loudness_range_lu: float | None
    true_peak_dbtp: float | None
    spectral_centroid_hz: float | None
    attack_s: float | None
    harmonic_ratio: float | None
    root_midi: int | None
    added_at: float
    corrected: Mapping[str, Any]
    tags: tuple[str, ...]
    files: tuple[FoundFile, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data: what JSON can say, under the names of the attributes."""
        plain = {name: getattr(self, name) for name in _FIELDS}
        files = [{name: getattr(file, name) for name in _FILE_FIELDS} for file in self.files]
        return {**plain, "corrected": dict(self.corrected), "tags": list(self.tags), "files": files}


_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Entry))
_FILE_FIELDS: Final = tuple(field.name for field in dataclasses.fields(FoundFile))
_COLUMNS: Final = tuple(column for column in Audio.__table__.columns if column.name != "files_present")


def entries_of(session: Session, audio_ids: Sequence[int]) -> list[Entry]:
    """Entries in the order of their ids in the table. However many they are, the number of statements is the same.

    Args:
        session: one that reads.
        audio_ids: no more than one statement can name.
    """
    if not audio_ids:
        return []
    rows = {row.id: row for row in session.execute(select(*_COLUMNS).where(Audio.id.in_(audio_ids)))}
    files: dict[int, list[FoundFile]] = {}
    listed = (
        select(
            *(File.audio_id, Root.path.label("root"), File.path, File.missing_since),
            *(File.named_tempo_bpm, File.named_key, File.named_sound),
        )
        .join(Root, Root.id == File.root_id)
        .where(File.audio_id.in_(audio_ids))
        .order_by(File.missing_since.is_not(None), File.id)
    )
    for row in session.execute(listed):
        named = row.named_tempo_bpm, row.named_key, row.named_sound
        file = FoundFile(absolute(row.root, row.path), row.root, row.missing_since is not None, *named)
        files.setdefault(row.audio_id, []).append(file)
    tags: dict[int, list[str]] = {}
    for audio_id, name in session.execute(
        select(Tag.audio_id, Tag.name).where(Tag.audio_id.in_(audio_ids)).order_by(Tag.name)
    ):
        tags.setdefault(audio_id, []).append(name)
    corrected = _corrected(session, audio_ids)
    return [
        Entry(
            **_shown(rows[each]._asdict()),
            corrected=corrected.get(each, {}),
            tags=tuple(tags.get(each, ())),
            files=tuple(files.get(each, ())),
        )
        for each in audio_ids
        if each in rows
    ]


def _shown(columns: Mapping[str, Any]) -> dict[str, Any]:
    """An entry's fields from the table's columns."""
    key = None if columns["key"] is None else key_of(columns["key"])
    names = {"key": key and key.name, "camelot": key and key.camelot, "id": columns["digest"]}
    return {name: columns[name] for name in _FIELDS if name in columns} | names


def _corrected(session: Session, audio_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What was measured of the fields that are corrected, by entry."""
    named: dict[int, list[str]] = {}
    corrections = select(Correction.audio_id, Correction.field).where(Correction.audio_id.in_(audio_ids))
    for audio_id, field in session.execute(corrections.order_by(Correction.field)):
        named.setdefault(audio_id, []).append(field)
    analyses: dict[int, list[Analysis]] = {audio_id: [] for audio_id in named}
    if named:
        for analysis in session.scalars(select(Analysis).where(Analysis.audio_id.in_(named))):
            analyses[analysis.audio_id].append(analysis)
    measured: dict[int, dict[str, Any]] = {}
    for audio_id, fields in named.items():
        columns = {"digest": None, "tempo_bpm": None, "key": None, "kind": None, **effective(analyses[audio_id], [])}
        shown = _shown(columns)
        measured[audio_id] = {name: shown[name] for field in fields for name in _SHOWN[field]}
    return measured
