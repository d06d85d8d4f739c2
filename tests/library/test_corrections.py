"""Values that a user knows better."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from samplemind.errors import LibraryValueError
from samplemind.library import entries
from samplemind.library.corrections import Corrected, correct, corrected
from samplemind.library.database import Database
from samplemind.library.model import Analysis, Audio, Correction
from tests.library.builders import NOW, add_file, digest, document, make_root, make_sound
from tests.library.conftest import Statements

A_MINOR = 2 * 9 + 1
F_SHARP_MINOR = 2 * 6 + 1


def searched(session: Session, audio_id: int) -> tuple[Any, ...]:
    """Tempo, key and kind as a search sees them."""
    return tuple(session.execute(select(Audio.tempo_bpm, Audio.key, Audio.kind).where(Audio.id == audio_id)).one())


def test_search_sees_the_corrected_values(database: Database) -> None:
    with database.writing() as session:
        pad, other = (
            make_sound(session, name, tempo_bpm=70.0, key="Am", kind="track") for name in ("pad.wav", "other.wav")
        )
        correct(session, [pad], {"tempo": "140", "key": "F#m", "kind": "loop"}, NOW)
    with database.reading() as session:
        assert searched(session, pad) == (140.0, F_SHARP_MINOR, "loop")
        assert searched(session, other) == (70.0, A_MINOR, "track")


def test_they_hold_against_a_later_analysis(database: Database) -> None:
    with database.writing() as session:
        pad = make_sound(session, "pad.wav", tempo_bpm=70.0, key="Am")
        correct(session, [pad], {"tempo": "140"}, NOW)
    with database.writing() as session:
        again = document(level="detailed", tempo_bpm=71.5, key="C", kind="loop")
        session.add(Analysis(audio_id=pad, level="detailed", fingerprint="2", analyzed_at=NOW + 1, document=again))
        entries.refresh(session, [pad])
    with database.reading() as session:
        assert searched(session, pad) == (140.0, 0, "loop")
        assert [(each.value, each.measured) for each in corrected(session)] == [("140", "71.5")]


def test_an_empty_value_gives_the_measured_one_back(database: Database) -> None:
    with database.writing() as session:
        pad = make_sound(session, "pad.wav", tempo_bpm=70.0, key="Am")
        correct(session, [pad], {"tempo": "140", "key": "C"}, NOW)
        correct(session, [pad], {"key": ""}, NOW)
        assert searched(session, pad) == (140.0, A_MINOR, None)
        correct(session, [pad], {"tempo": " ", "key": ""}, NOW)
        assert searched(session, pad) == (70.0, A_MINOR, None)
        assert list(corrected(session)) == []


def test_what_was_measured_stays_visible(database: Database) -> None:
    with database.writing() as session:
        root = make_root(session)
        pad = make_sound(session, sound="pad", tempo_bpm=70.0)
        add_file(session, pad, "gone.wav", root, missing_since=NOW)
        add_file(session, pad, "Pads/pad.wav", root)
        hit = make_sound(session, "hit.wav", key="Am")
        correct(session, [hit], {"tempo": "100"}, NOW)
        correct(session, [pad, hit], {"tempo": "140.50", "key": "8A"}, NOW + 5)
        assert list(corrected(session)) == [
            Corrected(pad, digest("pad"), "/sounds/Pads/pad.wav", "key", "Am", None, NOW + 5),
            Corrected(pad, digest("pad"), "/sounds/Pads/pad.wav", "tempo", "140.5", "70", NOW + 5),
            Corrected(hit, digest("hit.wav"), "/sounds/hit.wav", "key", "Am", "Am", NOW + 5),
            Corrected(hit, digest("hit.wav"), "/sounds/hit.wav", "tempo", "140.5", None, NOW + 5),
        ]


@pytest.mark.parametrize(
    ("field", "text", "kept"),
    [
        ("tempo", "140", "140"),
        (" Tempo ", "087.50", "87.5"),
        ("tempo", "133.3333", "133.3333"),
        ("key", "f#m", "F#m"),
        ("key", "Bb minor", "A#m"),
        ("KEY", "8B", "C"),
        ("kind", "one-shot", "one-shot"),
    ],
)
def test_values_are_kept_in_one_form(database: Database, field: str, text: str, kept: str) -> None:
    with database.writing() as session:
        correct(session, [make_sound(session, "pad.wav")], {field: text}, NOW)
        assert session.execute(select(Correction.field, Correction.value)).one() == (field.strip().lower(), kept)


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("temp", "140", "did you mean tempo"),
        ("loudness", "-14", "possible are tempo, key, kind"),
        ("", "140", "possible are"),
        ("tempo", "fast", "beats per minute"),
        ("tempo", "0", "beats per minute"),
        ("tempo", "-120", "beats per minute"),
        ("tempo", "nan", "beats per minute"),
        ("tempo", "1e999", "beats per minute"),
        ("key", "H", "as Am, F#"),
        ("kind", "song", "one-shot, loop, track"),
    ],
)
def test_what_makes_no_sense_changes_nothing(database: Database, field: str, text: str, reason: str) -> None:
    with database.writing() as session:
        pad = make_sound(session, "pad.wav", tempo_bpm=70.0)
        correct(session, [pad], {"tempo": "140"}, NOW)
    with pytest.raises(LibraryValueError, match=reason), database.writing() as session:
        correct(session, [pad], {"tempo": "150", field: text}, NOW)
    with database.reading() as session:
        assert [(each.field, each.value) for each in corrected(session)] == [("tempo", "140")]


def test_the_number_of_statements_does_not_grow(database: Database, statements: Statements) -> None:
    with database.writing() as session:
        ids = [make_sound(session, f"{number}.wav", tempo_bpm=70.0) for number in range(30)]
    sent = []
    for some in (ids[:2], ids):
        with statements(database) as written, database.writing() as session:
            correct(session, some, {"tempo": "140", "key": "Am"}, NOW)
        with statements(database) as read, database.reading() as session:
            assert len(list(corrected(session))) == 2 * len(some)
        sent.append((len(written), len(read)))
    assert sent[0] == sent[1]
