"""Search: what each term finds, in which order, page by page, whichever way the entries are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, event, select, update
from sqlalchemy.orm import Session

from samplemind.errors import CursorError, NotInLibraryError, QueryError
from samplemind.library import collections, corrections, entries, tags
from samplemind.library import search as searching
from samplemind.library.database import Database
from samplemind.library.model import Audio, Collection, File
from samplemind.library.query import parse
from samplemind.library.search import MOST, Page, search
from tests.library.builders import NOW, add_file, digest, make_root, make_sound
from tests.library.conftest import Statements

DAY = 86_400.0


def found(database: Database, text: str, **options: Any) -> Page:
    with database.reading() as session:
        return search(session, parse(text), now=NOW, **options)


def names(database: Database, text: str, **options: Any) -> list[str]:
    return [entry.name for entry in found(database, text, **options).entries]


def all_pages(database: Database, text: str, limit: int, between: Callable[[], None] = lambda: None) -> list[str]:
    """The names on all pages, one after the other."""
    page = found(database, text, limit=limit)
    names = [entry.name for entry in page.entries]
    while page.cursor is not None:
        assert len(page.entries) == limit
        between()
        page = found(database, text, limit=limit, cursor=page.cursor)
        names += [entry.name for entry in page.entries]
    return names


def set_file(session: Session, path: str, **columns: Any) -> None:
    session.execute(update(File).where(File.path == path).values(**columns))


def added(session: Session, audio_id: int, moment: datetime) -> None:
    session.execute(update(Audio).where(Audio.id == audio_id).values(added_at=moment.timestamp()))


def values(**measured: Any) -> dict[str, Any]:
    return measured


@pytest.fixture
def sounds(database: Database) -> Database:
    """Some sounds that differ in everything that can be searched for. Their names begin with a letter each."""
    with database.writing() as session:
        a = make_sound(
            session,
            *("Drums/Kicks/a_HardKick_01.wav", "Copies/a copy.wav"),
            **values(kind="one-shot", loudness_lufs=-8.0, true_peak_dbtp=0.5, attack_s=0.002, duration_s=0.4),
            **values(harmonic_ratio=0.1, root_midi=36, channels=1, spectral_centroid_hz={"mean": 900.0}),
        )
        b = make_sound(
            session,
            "Loops/b_Deep House_124_Am.wav",
            **values(kind="loop", tempo_bpm=124.0, tempo_confidence=0.9, key="Am", key_confidence=0.5),
            **values(loudness_lufs=-14.0, loudness_range_lu=3.0, true_peak_dbtp=-1.0, duration_s=8.0),
        )
        c = make_sound(
            session,
            "Loops/c_House deep kick.flac",
            **values(kind="loop", tempo_bpm=62.5, key="C", duration_s=16.0, sample_rate_hz=48_000),
        )
        d = make_sound(session, "Tracks/d_50%_Track.mp3", kind="track", tempo_bpm=174.0, key="F#", duration_s=200.0)
        e = make_sound(session, "e_nothing known.wav", duration_s=2.0)
        f = make_sound(session, "Drums/Kicks/f_gone Kick.wav", kind="one-shot", duration_s=0.5)
        for path, sound, container, codec, bits in (
            ("Drums/Kicks/a_HardKick_01.wav", "kick", "wav", "pcm_s24le", 24),
            ("Copies/a copy.wav", None, "wav", "pcm_s16le", 16),
            ("Loops/b_Deep House_124_Am.wav", None, "wav", "pcm_s16le", 16),
            ("Loops/c_House deep kick.flac", "drum loop", "flac", "flac", 16),
            ("Tracks/d_50%_Track.mp3", None, "mp3", "mp3", None),
            ("e_nothing known.wav", None, "wav", "pcm_s16le", 16),
            ("Drums/Kicks/f_gone Kick.wav", "kick", "wav", "pcm_s24le", 24),
        ):
            set_file(session, path, named_sound=sound, container=container, codec=codec, bit_depth=bits)
        set_file(session, "Tracks/d_50%_Track.mp3", size=8_000_000)
        set_file(session, "Loops/b_Deep House_124_Am.wav", named_tempo_bpm=124.0, named_key="Am")
        set_file(session, "Drums/Kicks/f_gone Kick.wav", missing_since=NOW)
        entries.refresh(session, [f])
        tags.add_tags(session, [a, b], ["used"])
        tags.add_tags(session, [b, f], ["to do"])
        corrections.correct(session, [c], {"tempo": "125", "kind": "track"}, NOW)
        collections.save(session, "favourites", None, NOW)
        collections.add_items(session, "favourites", [d, f], NOW)
        collections.save(session, "house", "house kind:loop,track", NOW)
        collections.save(session, "both", "collection:house tempo:>124", NOW)
        collections.add_items(session, "both", [a], NOW)
        collections.save(session, "lost", "is:missing", NOW)
        for audio_id, moment in (
            (a, datetime(2024, 12, 31, 23, 59, 59)),
            (b, datetime(2025, 1, 1)),
            (c, datetime(2025, 1, 31, 23, 59, 59)),
            (d, datetime(2025, 2, 1)),
        ):
            added(session, audio_id, moment)
        added(session, e, datetime.fromtimestamp(NOW - 2 * DAY))
        added(session, f, datetime.fromtimestamp(NOW))
    return database


QUERIES = {
    "": "abcde",
    # words
    "kick": "ac",
    "KICK hard": "a",
    "hardkick": "a",
    "ki": "ac",
    '"ki"': "",
    '"kick"': "ac",
    '"deep house"': "bc",
    "dee hou": "bc",
    "kick,deep": "abc",
    '"house",track': "bcd",
    "-kick": "bde",
    "-kick,deep": "de",
    '-"deep kick"': "abde",
    "loops": "bc",
    # one value, several, ranges
    "kind:loop": "b",
    "kind:loop,track": "bcd",
    "kind:?": "e",
    "-kind:one-shot": "bcde",
    "tempo:124": "b",
    "tempo:120..126": "bc",
    "tempo:>124": "cd",
    "tempo:>=124": "bcd",
    "tempo:..124": "b",
    "tempo:<125": "b",
    "tempo:~62": "bc",
    "tempo:~87": "d",
    "tempo:?": "ae",
    "-tempo:?": "bcd",
    "-tempo:124": "acde",
    "-tempo:124,?": "cd",
    "tempo:124,174": "bd",
    "tempo:124,?": "abe",
    "tempo_confidence:>0.8": "b",
    "key:Am": "b",
    "key:8A,F#": "bd",
    "key:~8A": "bc",
    "key:major": "cd",
    "key:?": "ae",
    "key_confidence:50%": "b",
    "root:C2": "a",
    "root:C": "a",
    "root:D": "",
    "loudness:>-14": "a",
    "loudness:~-14": "b",
    "peak:>0": "a",
    "range:3": "b",
    "duration:<1": "a",
    "duration:2": "e",
    "duration:~8": "b",
    "brightness:<1k": "a",
    "attack:2ms": "a",
    "harmonic:10%": "a",
    "rate:48k": "c",
    "channels:mono": "a",
    "level:standard": "abcde",
    "level:basic": "",
    # files
    "sound:kick": "a",
    "sound:kick,drum_loop": "ac",
    'sound:"drum loop"': "c",
    "sound:?": "bde",
    "-sound:?": "ac",
    "-sound:kick": "bcde",
    "bits:24": "a",
    "bits:16": "abce",
    "bits:?": "d",
    "-bits:16": "d",
    "size:>1M": "d",
    "format:wav": "abe",
    "format:flac,mp3": "cd",
    "format:pcm_s16le": "abe",
    "path:Drums": "a",
    "path:Drums/Kicks/": "a",
    "path:Drums/Kick": "",
    "path:/sounds/Loops": "bc",
    "path:/sounds": "abcde",
    "path:/elsewhere": "",
    'path:"e_nothing known.wav"': "e",
    "path:*/kicks/*": "a",
    "path:l*.wav": "b",
    "path:Drums,*.flac": "ac",
    "-path:Loops": "ade",
    "name:*KICK*": "ac",
    "name:*50%*": "d",
    "name:?_*_track.mp3": "d",
    "name:*5_%*": "",
    # tags, collections, states
    "tag:used": "ab",
    'tag:Used,"to do"': "ab",
    "tag:?": "cde",
    "-tag:used": "cde",
    "-tag:?": "ab",
    "tag:never": "",
    "collection:favourites": "d",
    "-collection:favourites": "abce",
    "collection:house": "bc",
    "collection:both": "ac",
    "collection:favourites,house": "bcd",
    "collection:?": "bce",
    "collection:house -kick": "b",
    "-collection:house": "ade",
    "collection:lost": "f",
    "-collection:lost": "abcde",
    "is:missing": "f",
    "is:any": "abcdef",
    "is:any kick": "acf",
    "is:missing kick path:Drums": "f",
    "is:missing,duplicate": "af",
    "-is:missing": "abcde",
    "is:any -is:missing": "abcde",
    "is:corrected": "c",
    "-is:corrected": "abde",
    "is:duplicate": "a",
    "is:tagged": "ab",
    "is:any is:tagged": "abf",
    # when
    "added:2025-01": "bc",
    "added:2024": "a",
    "added:>2025-01": "de",
    "added:>=2025-01-31": "cde",
    "added:..2024": "a",
    "added:2025-01-31..2025-02-01": "cd",
    "added:3d": "e",
    "added:24h": "",
    # together
    "kind:loop tempo:120..126 key:Am,C loudness:>-15 -tag:never house": "b",
    "kind:one-shot tempo:120..126": "",
}


@pytest.mark.parametrize("way", ["as it is", "along the order", "from few"])
def test_terms(sounds: Database, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found does not depend on the way: forced, each finds the same."""
    if way == "along the order":
        monkeypatch.setattr(searching, "COUNTED", 0)
        monkeypatch.setattr(searching, "FEW", 100)
    elif way == "from few":  # after the order was given up
        monkeypatch.setattr(searching, "COUNTED", 0)
        monkeypatch.setattr(searching, "FEW", 0)
        monkeypatch.setattr(searching, "MANY", 0)
    wrong = {}
    for text, letters in QUERIES.items():
        for order in ("", " sort:name"):
            answer = "".join(sorted(name[0] for name in names(sounds, text + order)))
            if answer != letters:
                wrong[text + order] = answer
    assert wrong == {}


def test_an_id(sounds: Database) -> None:
    whole = digest("Loops/b_Deep House_124_Am.wav")
    assert names(sounds, f"id:{whole[:6].upper()}") == names(sounds, f"id:{whole}") == ["b_Deep House_124_Am.wav"]
    assert names(sounds, f"-id:{whole[:6]} kind:loop") == []


ORDERS = {
    "": "edcba",
    "sort:name": "abcde",
    "sort:-name": "edcba",
    "sort:tempo": "bcdae",
    "sort:-tempo": "dcbea",
    "sort:key": "cdbae",
    "sort:loudness": "bacde",
    "sort:-loudness": "abedc",
    "sort:duration": "aebcd",
    "sort:-added": "edcba",
    "sort:added": "abcde",
    "sort:tempo -kind:track": "bae",
}


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_order_and_pages(sounds: Database, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no value comes last in both directions."""
    for few in (searching.FEW, 0):
        monkeypatch.setattr(searching, "FEW", few)
        monkeypatch.setattr(searching, "COUNTED", 10_000 if few else 1)
        pages = {text: "".join(name[0] for name in all_pages(sounds, text, limit)) for text in ORDERS}
        assert pages == ORDERS


class TestPages:
    def make(self, database: Database, count: int) -> None:
        """Entries with few different tempi, some without, and a tag on every third."""
        noise = np.random.default_rng(0)
        with database.writing() as session:
            for number in range(1, count + 1):
                tempo = (None, 90.0, 120.0, 120.0, 140.5)[noise.integers(5)]
                name = f"{number:05} {('kick', 'snare')[noise.integers(2)]}.wav"
                make_sound(session, f"pack/{name}", tempo_bpm=tempo, kind="loop" if tempo else "one-shot")
            tags.add_tags(session, range(3, count + 1, 3), ["third"])

    @pytest.mark.parametrize("text", ["", "sort:tempo", "sort:-tempo", "kick sort:tempo", "tag:third sort:-tempo"])
    def test_entries_between_two_pages_move_nothing(self, database: Database, text: str) -> None:
        self.make(database, 60)
        before = all_pages(database, text, MOST)
        assert sorted(set(before)) == sorted(before)
        numbers = iter(range(100))

        def add_one() -> None:
            with database.writing() as session:
                name = f"new {next(numbers)} kick.wav"
                tags.add_tags(session, [make_sound(session, name, tempo_bpm=120.0, kind="loop")], ["third"])

        paged = all_pages(database, text, 7, add_one)
        assert [name for name in paged if not name.startswith("new")] == before
        assert len(set(paged)) == len(paged)

    def test_the_order_is_that_of_values_then_age(self, database: Database) -> None:
        self.make(database, 80)
        with database.reading() as session:
            rows = session.execute(select(Audio.name, Audio.tempo_bpm, Audio.id)).all()
        rising = sorted(rows, key=lambda row: (row[1] is None, row[1] or 0, row[2]))
        falling = sorted(rows, key=lambda row: (row[1] is None, -(row[1] or 0), -row[2]))
        for limit in (1, 9, 80, 1000):
            assert all_pages(database, "sort:tempo", limit) == [row[0] for row in rising]
            assert all_pages(database, "sort:-tempo", limit) == [row[0] for row in falling]

    def test_cursors_are_checked(self, database: Database) -> None:
        self.make(database, 10)
        cursor = found(database, "sort:tempo", limit=3).cursor
        assert cursor is not None
        found(database, "sort:tempo", limit=5, cursor=cursor)
        for text in ("sort:-tempo", "", "kind:loop sort:tempo"):
            with pytest.raises(CursorError, match="of another query"):
                found(database, text, cursor=cursor)
        for place in range(len(cursor)):
            damaged = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
            with pytest.raises(CursorError):
                found(database, "sort:tempo", cursor=damaged)
        for damaged in ("", "A", cursor[:-1], cursor + "A", "é", cursor * 2, "\0", "\udcff"):
            with pytest.raises(CursorError):
                found(database, "sort:tempo", cursor=damaged)

    def test_a_name_that_is_no_text_is_a_place_to_go_on(self, database: Database) -> None:
        files = ["a.wav", "b\udcff.wav", "b\udcff\udc80.wav", "caf\udce9.wav", "d.wav"]
        with database.writing() as session:
            for name in files:
                make_sound(session, name)
        assert sorted(all_pages(database, "sort:name", 1)) == sorted(files)
        assert all_pages(database, "sort:name", 1) == all_pages(database, "sort:name", 50)

    def test_the_number_of_entries_has_limits(self, database: Database) -> None:
        for limit in (0, -1, MOST + 1):
            with pytest.raises(ValueError, match="1 to"):
                found(database, "", limit=limit)


class TestEntries:
    def test_an_entry(self, sounds: Database) -> None:
        (entry,) = found(sounds, "deep 124").entries
        assert (entry.id, entry.name) == (digest("Loops/b_Deep House_124_Am.wav"), "b_Deep House_124_Am.wav")
        assert (entry.kind, entry.tempo_bpm, entry.key, entry.camelot) == ("loop", 124.0, "A minor", "8A")
        assert (entry.loudness_lufs, entry.duration_s, entry.channels) == (-14.0, 8.0, 2)
        assert (entry.corrected, entry.tags) == ({}, ("to do", "used"))
        (file,) = entry.files
        assert (file.path, file.root, file.missing) == ("/sounds/Loops/b_Deep House_124_Am.wav", "/sounds", False)
        assert (file.named_tempo_bpm, file.named_key, file.named_sound) == (124.0, "Am", None)

    def test_the_measured_value_stays_visible(self, sounds: Database) -> None:
        (entry,) = found(sounds, "is:corrected").entries
        assert (entry.tempo_bpm, entry.kind) == (125.0, "track")
        assert entry.corrected == {"tempo_bpm": 62.5, "kind": "loop"}

    def test_a_corrected_key(self, sounds: Database) -> None:
        with sounds.writing() as session:
            ids = session.scalars(select(Audio.id).where(Audio.name.in_(["e_nothing known.wav", "d_50%_Track.mp3"])))
            corrections.correct(session, ids.all(), {"key": "8A"}, NOW)
        e, d = found(sounds, "is:corrected key:Am").entries
        assert (e.key, e.camelot, e.corrected) == ("A minor", "8A", {"key": None, "camelot": None})
        assert (d.key, d.camelot, d.corrected) == ("A minor", "8A", {"key": "F# major", "camelot": "2B"})

    def test_files_that_are_there_come_first(self, sounds: Database) -> None:
        with sounds.writing() as session:
            set_file(session, "Drums/Kicks/a_HardKick_01.wav", missing_since=NOW)
            entries.refresh(session, [1])
        (entry,) = found(sounds, "attack:2ms").entries
        assert entry.name == "a copy.wav"
        assert [(file.path, file.missing) for file in entry.files] == [
            ("/sounds/Copies/a copy.wav", False),
            ("/sounds/Drums/Kicks/a_HardKick_01.wav", True),
        ]
        assert names(sounds, "path:Drums") == []  # it is not there any more

    def test_plain_data(self, sounds: Database) -> None:
        (entry,) = found(sounds, "is:corrected").entries
        plain = entry.to_dict()
        assert list(plain)[:4] == ["id", "name", "level", "kind"]
        assert list(plain)[-3:] == ["corrected", "tags", "files"]
        assert plain["files"] == [
            {
                "path": "/sounds/Loops/c_House deep kick.flac",
                "root": "/sounds",
                "missing": False,
                "named_tempo_bpm": None,
                "named_key": None,
                "named_sound": "drum loop",
            }
        ]
        assert plain["corrected"] == {"kind": "loop", "tempo_bpm": 62.5}


class TestStatements:
    @pytest.mark.parametrize(
        "text", ["", "kick", "kind:loop sort:-tempo", "path:pack -tag:third", "format:wav name:*kick*", "is:corrected"]
    )
    def test_their_number_is_the_same_for_any_number_of_entries(
        self, database: Database, statements: Statements, text: str
    ) -> None:
        counts = []
        for size in (1, 50):
            fill(database, size)
            with statements(database) as sent:
                page = found(database, text, limit=MOST)
            assert len(page.entries) >= size // 5
            counts.append(len(sent))
        assert counts[0] == counts[1] <= 10

    def test_queries_at_the_limits_of_the_grammar(self, sounds: Database) -> None:
        assert len(names(sounds, " ".join(["-xylophone"] * 50))) == 5
        assert len(names(sounds, f"tempo:{','.join(f'~{number}' for number in range(60, 126))}")) == 3
        assert names(sounds, ",".join(f"q{number}" for number in range(190))) == []


def fill(database: Database, size: int) -> None:
    """So many more entries: loops, kicks, corrected and tagged."""
    with database.writing() as session:
        start = (session.scalar(select(Audio.id).order_by(Audio.id.desc()).limit(1)) or 0) + 1
        ids = []
        for number in range(start, start + size):
            ids.append(make_sound(session, f"pack/{number} kick.wav", kind="loop", tempo_bpm=100.0 + number))
            set_file(session, f"pack/{number} kick.wav", container="wav")
        tags.add_tags(session, ids, ["used"])
        corrections.correct(session, ids, {"tempo": "90"}, NOW)


class TestPlans:
    """SQLite goes the way that it is told."""

    @pytest.fixture
    def library(self, tmp_path: Path) -> Iterator[Database]:
        database = Database(tmp_path / "library.db")
        fill(database, 5)
        yield database
        database.close()

    def plan(self, database: Database, text: str) -> list[str]:
        """How the page itself is found, by the last statement that finds ids."""
        sent: list[tuple[str, Any]] = []

        def note(connection: Connection, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            sent.append((statement, parameters))

        event.listen(Engine, "before_cursor_execute", note)
        try:
            found(database, text)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        finding = [each for each in sent if " AS value" in each[0]]
        with database.reader() as connection:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {finding[0][0]}", finding[0][1])
            return [row[3] for row in rows]

    TEXT = "kind:loop kick tempo:100..120 loudness:?"

    @pytest.mark.parametrize(
        ("order", "walked"),
        [
            ("", "audio"),
            ("sort:-tempo", "ix_audio_tempo_bpm"),
            ("sort:name", "ix_audio_name"),
        ],
    )
    def test_along_the_order(self, library: Database, order: str, walked: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(searching, "COUNTED", 0)
        plan = self.plan(library, f"{self.TEXT} {order}")
        assert walked in plan[0].split()
        assert any("COVERING INDEX ix_words_audio_id_word" in step for step in plan)
        assert not any("TEMP B-TREE" in step for step in plan)

    @pytest.mark.parametrize("order", ["", "sort:-tempo", "sort:name"])
    def test_from_few(self, library: Database, order: str) -> None:
        plan = self.plan(library, f"{self.TEXT} tag:used {order}")
        assert plan[0] == "SEARCH audio USING INTEGER PRIMARY KEY (rowid=?)"
        assert not any(step.startswith("SCAN") for step in plan)


class TestErrors:
    def test_a_collection_that_is_not_there(self, sounds: Database) -> None:
        with pytest.raises(NotInLibraryError, match="did you mean house"):
            found(sounds, "collection:huose")

    def test_the_query_of_a_collection_that_is_wrong(self, sounds: Database) -> None:
        with sounds.writing() as session:
            session.execute(update(Collection).where(Collection.name == "house").values(query="temppo:3"))
        with pytest.raises(QueryError, match="in the query of the collection house"):
            found(sounds, "collection:both")

    def test_a_collection_that_is_part_of_itself(self, sounds: Database) -> None:
        """None is saved; one may have been imported."""
        with sounds.writing() as session:
            session.execute(update(Collection).where(Collection.name == "house").values(query="collection:both"))
        with pytest.raises(QueryError, match="part of itself: both → house → both"):
            found(sounds, "collection:both")


def test_roots_below_each_other_and_elsewhere(database: Database) -> None:
    with database.writing() as session:
        make_sound(session, "Kicks/a.wav", root="/one")
        make_sound(session, "Kicks/b.wav", root="/two/Drums")
        make_sound(session, "c.wav", root="/two/Drums/Kicks2")
    for text, expected in {
        "path:Kicks": "ab",
        "path:/two": "bc",
        "path:/two/Drums/Kicks": "b",
        "path:/two/Drums/Kicks/b.wav": "b",
        "path:/two/Drum": "",
        "path:/one/Kicks,/two/Drums/Kicks2": "ac",
        "path:c.wav": "c",
    }.items():
        assert "".join(sorted(name[0] for name in names(database, text))) == expected, text


def test_a_file_without_an_answer_is_no_entry(database: Database) -> None:
    with database.writing() as session:
        make_sound(session, "a.wav")
        add_file(session, None, "broken.wav", make_root(session), error="DecodeError", reason="it is", container="wav")
    for text in ("", "format:wav,flac", "path:broken.wav", "size:1000", "is:any"):
        assert "broken.wav" not in names(database, text)
