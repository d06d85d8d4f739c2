"""What names say, against what was measured."""

from __future__ import annotations

import pytest

from samplemind.library.audit import Contradiction, contradictions
from samplemind.library.corrections import correct
from samplemind.library.database import Database
from tests.library.builders import NOW, add_file, digest, make_root, make_sound
from tests.library.conftest import Statements


def test_contradictions_are_listed_and_nothing_else(database: Database) -> None:
    with database.writing() as session:
        root = make_root(session)
        loop = make_sound(session, sound="loop", tempo_bpm=70.0, tempo_confidence=0.75, key="Am", key_confidence=0.5)
        add_file(session, loop, "Loops/140 C.wav", root, named_tempo_bpm=140.0, named_key="C")
        add_file(session, loop, "70 Am.wav", root, named_tempo_bpm=70.5, named_key="Am")
        add_file(session, loop, "loop.wav", root)
        add_file(session, loop, "gone 99.wav", root, named_tempo_bpm=99.0, missing_since=NOW)
        add_file(session, loop, "A minor.wav", root, named_key="A")
        silent = make_sound(session, sound="silent")
        add_file(session, silent, "120 Em.wav", root, named_tempo_bpm=120.0, named_key="Em")
        add_file(session, None, "broken 120.wav", root, named_tempo_bpm=120.0, error="DecodeError", reason="damaged")
    tempo = Contradiction(
        path="/sounds/Loops/140 C.wav",
        audio_id=loop,
        digest=digest("loop"),
        field="tempo",
        named=140.0,
        measured=70.0,
        relation="half",
        confidence=0.75,
        corrected=None,
    )
    relative = Contradiction("/sounds/Loops/140 C.wav", loop, digest("loop"), "key", "C", "Am", "relative", 0.5, None)
    parallel = Contradiction("/sounds/A minor.wav", loop, digest("loop"), "key", "A", "Am", "parallel", 0.5, None)
    with database.reading() as session:
        assert list(contradictions(session)) == [tempo, relative, parallel]
        assert list(contradictions(session, fields=["tempo"])) == [tempo]
        assert list(contradictions(session, fields=["key"])) == [relative, parallel]


def test_what_was_corrected_is_settled(database: Database) -> None:
    with database.writing() as session:
        root = make_root(session)
        loop = make_sound(session, sound="loop", tempo_bpm=70.0, tempo_confidence=0.75, key="Am")
        add_file(session, loop, "140 C.wav", root, named_tempo_bpm=140.0, named_key="C")
        correct(session, [loop], {"tempo": "150"}, NOW)
    with database.reading() as session:
        assert [each.field for each in contradictions(session)] == ["key"]
        every = [
            (each.field, each.named, each.measured, each.corrected) for each in contradictions(session, settled=True)
        ]
        assert every == [("tempo", 140.0, 70.0, "150"), ("key", "C", "Am", None)]


@pytest.mark.parametrize("settled", [False, True])
def test_the_number_of_statements_does_not_grow(database: Database, statements: Statements, settled: bool) -> None:
    sent = []
    for count in (1, 30):
        with database.writing() as session:
            root = make_root(session)
            for number in range(count):
                path = f"{count} {number} 140.wav"
                sound = make_sound(session, sound=path, tempo_bpm=100.0, key="C")
                add_file(session, sound, path, root, named_tempo_bpm=140.0, named_key="Am")
                correct(session, [sound], {"key": "E"}, NOW)
        with database.reading() as session, statements(database) as all_:
            found = len(list(contradictions(session, settled=settled)))
        sent.append((found, len(all_)))
    found_of_each = 2 if settled else 1
    assert [found for found, _ in sent] == [found_of_each, 31 * found_of_each]
    assert sent[0][1] == sent[1][1]


def test_a_large_library_is_read_in_pieces(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samplemind.library.audit.AT_ONCE", 3)
    with database.writing() as session:
        sound = make_sound(session, sound="loop", tempo_bpm=70.0)
        for number in range(10):
            add_file(session, sound, f"{number}.wav", make_root(session), named_tempo_bpm=100.0 + number)
    with database.reading() as session:
        assert [each.named for each in contradictions(session)] == [100.0 + number for number in range(10)]
