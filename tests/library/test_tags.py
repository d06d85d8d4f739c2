"""A user's words for sounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samplemind.errors import LibraryValueError, NotInLibraryError
from samplemind.library.database import Database
from samplemind.library.labels import label
from samplemind.library.query import parse
from samplemind.library.tags import TagCount, add_tags, remove_tags, tag_counts
from samplemind.library.values import Text
from tests.library.builders import NOW, add_file, make_root, make_sound
from tests.library.conftest import Statements


def test_sounds_have_tags_and_lose_them(database: Database) -> None:
    with database.writing() as session:
        kick, snare, pad = (make_sound(session, name) for name in ("kick.wav", "snare.wav", "pad.wav"))
        assert add_tags(session, [kick, snare], ["Drums", "used"]) == 2
        assert add_tags(session, [kick, pad, pad], ["used"]) == 1
        assert list(tag_counts(session)) == [TagCount("drums", 2, 0), TagCount("used", 3, 0)]
        assert remove_tags(session, [kick, pad], ["drums"]) == 1
        assert remove_tags(session, [pad], ["drums"]) == 0
        assert list(tag_counts(session)) == [TagCount("drums", 1, 0), TagCount("used", 3, 0)]
        assert remove_tags(session, [kick, snare, pad], ["Used", "drums"]) == 3
        assert list(tag_counts(session)) == []


def test_sounds_whose_files_are_gone_keep_their_tags(database: Database) -> None:
    with database.writing() as session:
        gone = make_sound(session, sound="gone")
        add_file(session, gone, "gone.wav", make_root(session), missing_since=NOW)
        add_tags(session, [gone, make_sound(session, "kick.wav")], ["used"])
        assert list(tag_counts(session)) == [TagCount("used", 1, 1)]


def test_a_tag_that_no_sound_has_can_not_be_taken_away(database: Database) -> None:
    with database.writing() as session:
        kick = make_sound(session, "kick.wav")
        add_tags(session, [kick], ["favourite"])
        with pytest.raises(NotInLibraryError, match="did you mean favourite"):
            remove_tags(session, [kick], ["favorite"])
        with pytest.raises(NotInLibraryError, match=r"no sound has the tag xyz$"):
            remove_tags(session, [kick], ["xyz"])


def test_the_number_of_statements_does_not_grow(database: Database, statements: Statements) -> None:
    with database.writing() as session:
        ids = [make_sound(session, f"{number}.wav") for number in range(30)]
    sent = []
    for some in (ids[:2], ids):
        with statements(database) as all_, database.writing() as session:
            add_tags(session, some, [f"tag {number}" for number in range(len(some))])
            assert len(list(tag_counts(session))) == len(some)
            remove_tags(session, some, ["tag 0", "tag 1"])
        sent.append(len(all_))
    assert sent[0] == sent[1]


class TestNames:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("used", "used"),
            ("  Deep   House ", "deep house"),
            ("ÉTÉ", "été"),
            ("e\u0301te\u0301", "été"),
            ("don't", "don't"),
            ("90s", "90s"),
            ("日本", "日本"),
            ("a:b", "a:b"),
            ("?!x", "?!x"),
        ],
    )
    def test_a_name_has_one_form(self, text: str, name: str) -> None:
        assert label(text) == name

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "letter or a digit"),
            (" ?", "letter or a digit"),
            ("-used", "begins with no -"),
            ("a,b", "no commas"),
            ('say "a"', "no double quotes"),
            ("a\x00b", "printed"),
            ("a\x1b[31m", "printed"),
            ("kick \udcff", "printed"),
            ("x" * 65, "64 characters"),
        ],
    )
    def test_what_can_be_no_name(self, text: str, reason: str) -> None:
        with pytest.raises(LibraryValueError, match=reason):
            label(text)

    @given(st.text(max_size=70))
    def test_every_name_stays_as_it_is_and_can_be_searched_for(self, text: str) -> None:
        try:
            name = label(text)
        except LibraryValueError:
            return
        assert label(name) == name
        (term,) = parse(f'tag:"{name}"').terms
        assert term.alternatives == (Text(name),)
