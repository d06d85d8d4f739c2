"""Entries as search reads them: what was corrected, else what was measured, and what the files are called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import Select, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from samplemind.library.fields import KINDS
from samplemind.library.keys import Key, parse_key
from samplemind.library.model import Analysis, Audio, Correction, File, Word
from samplemind.library.words import words

if TYPE_CHECKING:
    from samplemind.result import AudioFeatures

AT_ONCE: Final = 500
"""Entries or files that one statement names: databases limit a statement's parameters."""

SLOWEST_BPM: Final = 10
FASTEST_BPM: Final = 1000
_SAME: Final = (
    *("level", "kind", "duration_s", "sample_rate_hz", "channels", "tempo_bpm", "tempo_confidence", "key_confidence"),
    *("loudness_lufs", "loudness_range_lu", "true_peak_dbtp", "attack_s", "harmonic_ratio", "root_midi"),
)
"""Columns that are fields of the document."""
_NOT_ASKED: Final = "not asked for"
"""How the reason begins why a field is unknown that belongs to a higher level."""
_OF_THE_FILE: Final = (
    *("path", "file_digest", "file_size_bytes", "container", "codec", "bit_depth", "warnings", "series"),
)
"""Fields of the document that another file of the same sound need not share."""


def document_of(features: AudioFeatures) -> dict[str, Any]:
    """What is kept of an analysis: the document, without what belongs to the file."""
    document: dict[str, Any] = msgspec.to_builtins(features, enc_hook=lambda series: None)
    return {name: value for name, value in document.items() if name not in _OF_THE_FILE}


def measured(document: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `Audio` that a document answers."""
    columns = {name: document.get(name) for name in _SAME}
    centroid = document.get("spectral_centroid_hz")
    tonic, mode = document.get("key"), document.get("mode")
    key = parse_key(f"{tonic} {mode}") if tonic and mode else None
    return {
        **columns,
        "key": None if key is None else key_number(key),
        "spectral_centroid_hz": centroid["mean"] if centroid else None,
    }


def key_number(key: Key) -> int:
    """A key as a number: twice the tonic, one more for minor."""
    return 2 * key.tonic + key.minor


def key_of(number: int) -> Key:
    """The key of a number."""
    return Key(number // 2, bool(number % 2))


def _tempo(text: str) -> dict[str, Any]:
    bpm = float(text)
    if not SLOWEST_BPM <= bpm <= FASTEST_BPM:
        raise ValueError(f"{text} is no tempo: it is from {SLOWEST_BPM} to {FASTEST_BPM} BPM")
    return {"tempo_bpm": bpm}


def _key(text: str) -> dict[str, Any]:
    key = parse_key(text)
    if key is None:
        raise ValueError(f"{text} is no key")
    return {"key": key_number(key)}


def _kind(text: str) -> dict[str, Any]:
    if text not in KINDS:
        raise ValueError(f"{text} is none of {', '.join(KINDS)}")
    return {"kind": text}


CORRECTABLE: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {"tempo": _tempo, "key": _key, "kind": _kind}
"""What can be corrected, and how a value becomes a column. Each raises `ValueError` for what is no value."""


def refresh(
    session: Session, audio_ids: Collection[int], *, latest: Mapping[int, Mapping[str, Any]] | None = None
) -> None:
    """Bring entries up to date, after their files, analyses or corrections changed.

    The number of statements does not depend on how many they are, up to `AT_ONCE`.

    Args:
        session: one that writes.
        audio_ids: the entries.
        latest: what is `measured` of those whose analyses need not be read for it.
    """
    session.flush()
    ordered = sorted(audio_ids)
    for start in range(0, len(ordered), AT_ONCE):
        _refresh(session, ordered[start : start + AT_ONCE], latest or {})
    session.expire_all()  # who holds such an entry reads it anew


def _refresh(session: Session, audio_ids: list[int], latest: Mapping[int, Mapping[str, Any]]) -> None:
    files = _by_audio(session, select(File.audio_id, File.path, File.missing_since).order_by(File.id), audio_ids)
    corrections = _by_audio(session, select(Correction.audio_id, Correction.field, Correction.value), audio_ids)
    unread = [audio_id for audio_id in audio_ids if audio_id not in latest]
    analyses = _by_audio(session, select(Analysis.audio_id, Analysis.analyzed_at, Analysis.document), unread)
    rows = []
    wanted: set[tuple[str, int]] = set()
    for audio_id in audio_ids:
        paths = [file.path for file in files[audio_id]]
        present = [file.path for file in files[audio_id] if file.missing_since is None]
        row = {"id": audio_id, **(latest.get(audio_id) or effective(analyses[audio_id], ()))}
        row |= corrected(corrections[audio_id])
        row["files_present"] = len(present)
        if paths:
            row["name"] = (present or paths)[0].rpartition("/")[2]
        rows.append(row)
        wanted |= {(word, audio_id) for path in paths for word in words(path)}
    for columns in {frozenset(row) for row in rows}:  # an entry without files keeps its name
        session.execute(update(Audio), [row for row in rows if frozenset(row) == columns])
    kept = {
        (word, audio_id)
        for audio_id, found in _by_audio(session, select(Word.audio_id, Word.word), audio_ids).items()
        for _, word in found
    }
    if kept - wanted:
        gone = [{"a_word": word, "an_audio_id": audio_id} for word, audio_id in kept - wanted]
        session.connection().execute(
            delete(Word).where(Word.word == bindparam("a_word"), Word.audio_id == bindparam("an_audio_id")), gone
        )
    if wanted - kept:
        new = [{"word": word, "audio_id": audio_id} for word, audio_id in sorted(wanted - kept)]
        session.connection().execute(insert(Word), new)


def _by_audio(
    session: Session, statement: Select[*tuple[Any, ...]], audio_ids: Sequence[int]
) -> defaultdict[int, list[Any]]:
    """The rows of a statement, whose first column is the entry's number, of some entries."""
    found: defaultdict[int, list[Any]] = defaultdict(list)
    number = statement.selected_columns[0]
    for row in session.execute(statement.where(number.in_(audio_ids))) if audio_ids else ():
        found[row[0]].append(row)
    return found


def effective(analyses: Collection[Any], corrections: Collection[Any]) -> dict[str, Any]:
    """The columns that search reads: of the latest analysis, but for what was corrected.

    What its level does not answer is of the one before it.

    Args:
        analyses: rows of `Analysis`, or what has the same attributes.
        corrections: rows of `Correction`, likewise.
    """
    columns: dict[str, Any] = {}
    for analysis in sorted(analyses, key=lambda analysis: analysis.analyzed_at):
        unknown = analysis.document.get("unknown", {})
        columns |= {
            name: value
            for name, value in measured(analysis.document).items()
            if name not in columns or not unknown.get(name, "").startswith(_NOT_ASKED)
        }
    return columns | corrected(corrections)


def corrected(corrections: Iterable[Any]) -> dict[str, Any]:
    """The columns that were corrected."""
    columns: dict[str, Any] = {}
    for correction in corrections:
        columns |= CORRECTABLE[correction.field](correction.value)
    return columns
