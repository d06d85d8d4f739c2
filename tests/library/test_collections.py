"""Named sets of sounds."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from samplemind.errors import LibraryValueError, NotInLibraryError, QueryError
from samplemind.library import collections
from samplemind.library.collections import CollectionCount
from samplemind.library.database import Database
from samplemind.library.model import Audio, CollectionItem
from tests.library.builders import NOW, make_sound
from tests.library.conftest import Statements


def test_a_life(database: Database) -> None:
    with database.writing() as session:
        kick, snare, pad = (make_sound(session, name) for name in ("kick.wav", "snare.wav", "pad.wav"))
        assert collections.save(session, "Deep  House", "tempo:118..124", NOW)
        assert collections.add_items(session, "deep house", [kick, snare, kick], NOW) == 2
        assert collections.add_items(session, "DEEP HOUSE", [snare, pad], NOW + 1) == 1
        assert collections.remove_items(session, "deep house", [kick]) == 1
        assert collections.remove_items(session, "deep house", [kick]) == 0
        assert not collections.save(session, "deep house", None, NOW + 2)
        assert list(collections.collection_counts(session)) == [CollectionCount("deep house", 2, None, NOW)]
        collections.rename(session, "deep house", "House")
        assert collections.collection_named(session, "house") == CollectionCount("house", 2, None, NOW)
        collections.remove(session, "house")
        assert list(collections.collection_counts(session)) == []
        assert session.scalars(select(CollectionItem)).all() == []
        assert len(session.scalars(select(Audio)).all()) == 3


def test_they_are_listed_by_name(database: Database, statements: Statements) -> None:
    with database.writing() as session:
        kick = make_sound(session, "kick.wav")
        for name in ("b", "a", "é", "10"):
            collections.save(session, name, None, NOW)
        collections.add_items(session, "a", [kick], NOW)
    with database.reading() as session, statements(database) as sent:
        found = [(each.name, each.items) for each in collections.collection_counts(session)]
    assert found == [("10", 0), ("a", 1), ("b", 0), ("é", 0)]
    assert len(sent) == 1


def test_the_number_of_statements_does_not_grow(database: Database, statements: Statements) -> None:
    with database.writing() as session:
        ids = [make_sound(session, f"{number}.wav") for number in range(30)]
        collections.save(session, "c", None, NOW)
    sent = []
    for some in (ids[:2], ids):
        with statements(database) as all_, database.writing() as session:
            collections.remove_items(session, "c", some)
            assert collections.add_items(session, "c", some, NOW) == len(some)
        sent.append(len(all_))
    assert sent[0] == sent[1]


class TestWhatIsRefused:
    def test_a_query_that_can_not_be_understood(self, database: Database) -> None:
        with database.writing() as session, pytest.raises(QueryError):
            collections.save(session, "x", "tempoo:120", NOW)

    @pytest.mark.parametrize("query", ["collection:loops", "-collection:LOOPS", 'kick collection:other,"Loops"'])
    def test_a_collection_that_is_part_of_itself(self, database: Database, query: str) -> None:
        with database.writing() as session:
            collections.save(session, "other", None, NOW)
            with pytest.raises(LibraryValueError, match="part of itself: loops → loops"):
                collections.save(session, "loops", query, NOW)

    def test_a_circle(self, database: Database) -> None:
        with database.writing() as session:
            collections.save(session, "a", "kind:loop", NOW)
            collections.save(session, "b", "collection:a", NOW)
            collections.save(session, "c", "-collection:b", NOW)
            with pytest.raises(LibraryValueError, match="a → c → b → a"):
                collections.save(session, "a", "collection:c", NOW)
            assert collections.collection_named(session, "a").query == "kind:loop"

    def test_two_ways_to_one_collection_are_no_circle(self, database: Database) -> None:
        with database.writing() as session:
            for name, query in (("a", None), ("b", "collection:a"), ("c", "collection:a"), ("d", "collection:b,c")):
                collections.save(session, name, query, NOW)

    def test_a_query_that_names_no_collection(self, database: Database) -> None:
        with database.writing() as session:
            collections.save(session, "loops", None, NOW)
            with pytest.raises(NotInLibraryError, match="names loop, which is no collection: did you mean loops"):
                collections.save(session, "a", "collection:loop", NOW)
            collections.save(session, "b", "collection:?", NOW)

    def test_a_collection_that_another_one_needs_stays_as_it_is(self, database: Database) -> None:
        with database.writing() as session:
            collections.save(session, "a", None, NOW)
            collections.save(session, "b", "collection:a", NOW)
            with pytest.raises(LibraryValueError, match="query of the collection b names a"):
                collections.remove(session, "a")
            with pytest.raises(LibraryValueError, match="query of the collection b names a"):
                collections.rename(session, "a", "c")
            collections.rename(session, "a", "A")
            collections.rename(session, "b", "c")
            collections.remove(session, "c")
            collections.remove(session, "a")

    def test_names_that_are_taken_or_can_not_be(self, database: Database) -> None:
        with database.writing() as session:
            collections.save(session, "a", None, NOW)
            collections.save(session, "b", None, NOW)
            with pytest.raises(LibraryValueError, match="already"):
                collections.rename(session, "a", "B")
            with pytest.raises(LibraryValueError, match="can't be a name"):
                collections.rename(session, "a", "x,y")
            with pytest.raises(LibraryValueError, match="can't be a name"):
                collections.save(session, "-", None, NOW)

    def test_a_collection_that_is_not_there(self, database: Database) -> None:
        with database.writing() as session:
            collections.save(session, "favourites", None, NOW)
            for refused in (
                lambda: collections.add_items(session, "favorites", [], NOW),
                lambda: collections.remove_items(session, "favorites", []),
                lambda: collections.remove(session, "favorites"),
                lambda: collections.rename(session, "favorites", "x"),
                lambda: collections.collection_named(session, "favorites"),
            ):
                with pytest.raises(NotInLibraryError, match="no collection: did you mean favourites"):
                    refused()
