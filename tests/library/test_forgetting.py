"""Taking files out of the records."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from samplemind.errors import NotInLibraryError
from samplemind.library import collections
from samplemind.library.corrections import correct
from samplemind.library.database import Database
from samplemind.library.facts import LibraryFacts, RootFacts, library_facts
from samplemind.library.forgetting import Forgotten, forget_missing, forget_root
from samplemind.library.model import Analysis, Audio, File, Root, Word
from samplemind.library.tags import add_tags
from tests.library.builders import NOW, add_file, make_root, make_sound
from tests.library.conftest import Statements

DRIVE = "/mnt/drive"


@pytest.fixture
def entries(database: Database) -> dict[str, int]:
    """Sounds with files that are there and files that are gone, below two folders, one of them not mounted."""
    with database.writing() as session:
        here, drive = make_root(session), make_root(session, DRIVE)
        drive.missing_since = NOW
        names = ("there", "both", "gone", "tagged", "corrected", "collected", "drive", "drive tagged")
        ids = {name: make_sound(session, sound=name) for name in names}
        add_file(session, ids["there"], "there.wav", here)
        add_file(session, ids["both"], "both.wav", here)
        add_file(session, ids["both"], "old/twin.wav", here, missing_since=NOW)
        for name in ("gone", "tagged", "corrected", "collected"):
            add_file(session, ids[name], f"{name}.wav", here, missing_since=NOW)
        add_file(session, None, "broken.wav", here, error="DecodeError", reason="damaged")
        for name in ("drive", "drive tagged", "there"):
            add_file(session, ids[name], f"{name}.wav", drive, missing_since=NOW)
        from samplemind.library.entries import refresh

        refresh(session, list(ids.values()))
        add_tags(session, [ids["tagged"], ids["drive tagged"]], ["used"])
        correct(session, [ids["corrected"]], {"tempo": "140"}, NOW)
        collections.save(session, "mine", None, NOW)
        collections.add_items(session, "mine", [ids["collected"]], NOW)
    return ids


def left(database: Database) -> tuple[set[int], list[str]]:
    with database.reading() as session:
        return set(session.scalars(select(Audio.id))), list(session.scalars(select(File.path).order_by(File.path)))


def test_missing_files_are_forgotten_but_not_what_was_said(database: Database, entries: dict[str, int]) -> None:
    expected = Forgotten(files=5, sounds=1, kept=3, skipped=(DRIVE,))
    before = left(database)
    with database.reading() as session:
        assert forget_missing(session, really=False) == expected
    assert left(database) == before
    with database.writing() as session:
        assert forget_missing(session, really=True) == expected
    ids, paths = left(database)
    assert ids == set(entries.values()) - {entries["gone"]}
    assert paths == ["both.wav", "broken.wav", "drive tagged.wav", "drive.wav", "there.wav", "there.wav"]
    with database.writing() as session:
        assert forget_missing(session, really=True) == Forgotten(0, 0, 0, (DRIVE,))
        assert entries["gone"] not in session.scalars(select(Analysis.audio_id)).all()
        words = session.execute(select(Word.audio_id, Word.word)).all()
        assert (entries["both"], "both") in words
        assert (entries["both"], "twin") not in words


def test_a_drive_that_is_not_mounted_is_forgotten_only_by_name(database: Database, entries: dict[str, int]) -> None:
    with database.writing() as session:
        assert forget_missing(session, DRIVE, really=True) == Forgotten(3, 1, 1)
    ids, paths = left(database)
    assert ids == set(entries.values()) - {entries["drive"]}
    assert len(paths) == 8


def test_the_place_of_a_drive_is_there_without_it(database: Database, entries: dict[str, int]) -> None:
    """An empty folder stands where it was mounted: so all its files are missing, but the folder is not."""
    with database.writing() as session:
        make_root(session, DRIVE).missing_since = None
        make_root(session, "/empty")
    with database.writing() as session:
        assert forget_missing(session, really=True).skipped == (DRIVE,)
    assert entries["drive"] in left(database)[0]


def test_a_folder_is_forgotten_with_all_its_files(database: Database, entries: dict[str, int]) -> None:
    with database.reading() as session:
        expected = forget_root(session, "/sounds", really=False)
    with database.writing() as session:
        assert forget_root(session, "/sounds", really=True) == expected == Forgotten(8, 2, 3)
        assert session.scalars(select(Root.path)).all() == [DRIVE]
    ids, paths = left(database)
    assert ids == set(entries.values()) - {entries["gone"], entries["both"]}
    assert paths == ["drive tagged.wav", "drive.wav", "there.wav"]
    with database.reading() as session:
        assert session.get_one(Audio, entries["there"]).files_present == 0


def test_sounds_that_lost_their_files_before_go_too(database: Database) -> None:
    """As when a file is written over: the sound that it was has no file any more."""
    with database.writing() as session:
        make_sound(session, sound="orphan")
        kept = make_sound(session, sound="tagged orphan")
        add_tags(session, [kept], ["used"])
        assert forget_missing(session, really=True) == Forgotten(0, 1, 0)
    assert left(database)[0] == {kept}


def test_a_folder_that_was_never_scanned(database: Database, entries: dict[str, int]) -> None:
    with database.reading() as session:
        for refused in (
            lambda: forget_root(session, "/x", really=False),
            lambda: forget_missing(session, "/x", really=False),
        ):
            with pytest.raises(
                NotInLibraryError, match="/x is no folder that was scanned: those are /mnt/drive, /sounds"
            ):
                refused()


def test_facts_count_it(database: Database, entries: dict[str, int], statements: Statements) -> None:
    with database.reading() as session, statements(database) as sent:
        facts = library_facts(session)
    assert len(sent) == 6
    assert facts == LibraryFacts(
        sounds=2,
        sounds_missing=6,
        corrections=1,
        tags=1,
        collections=1,
        size_bytes=facts.size_bytes,
        roots=(RootFacts(DRIVE, 0, 3, 0, NOW, NOW), RootFacts("/sounds", 3, 5, 1, NOW, None)),
    )
    assert facts.size_bytes > 10_000


def test_facts_of_an_empty_library(database: Database) -> None:
    with database.reading() as session:
        facts = library_facts(session)
    assert (facts.sounds, facts.sounds_missing, facts.tags, facts.roots) == (0, 0, 0, ())
