"""What the user said, carried to another library."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from samplemind.errors import ExportedFileError, FileAccessError
from samplemind.library import collections
from samplemind.library.collections import CollectionCount
from samplemind.library.corrections import correct, corrected
from samplemind.library.database import Database
from samplemind.library.merging import Imported, import_said
from samplemind.library.model import Audio, Collection, CollectionItem, Tag
from samplemind.library.portable import Exported, export_said
from samplemind.library.tags import TagCount, add_tags, tag_counts
from tests.library.builders import NOW, add_file, digest, make_root, make_sound
from tests.library.conftest import Statements


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Database]:
    """Another library, without anything in it."""
    database = Database(tmp_path / "other" / "library.db")
    yield database
    database.close()


def exported(database: Database) -> bytes:
    out = io.BytesIO()
    with database.reading() as session:
        export_said(session, out)
    return out.getvalue()


def said(database: Database) -> bytes:
    """All that the user said: the export without the ends, sorted, for sounds have other numbers elsewhere."""
    return b"\n".join(sorted(exported(database).splitlines()[1:-1]))


@pytest.fixture
def written(database: Database, tmp_path: Path) -> Path:
    """An export of three sounds of which something is said, and one of which nothing is."""
    with database.writing() as session:
        kick, snare, pad, _ = (make_sound(session, name) for name in ("kick.wav", "snare.wav", "pad.wav", "x.wav"))
        correct(session, [kick], {"tempo": "140", "key": "F#m"}, NOW)
        add_tags(session, [kick, snare], ["used", "deep house"])
        collections.save(session, "z", "kind:loop", NOW)
        collections.save(session, "a", "tempo:120 collection:z", NOW + 1)
        collections.save(session, "empty", None, NOW + 2)
        collections.add_items(session, "z", [pad], NOW + 3)
    path = tmp_path / "said.jsonl"
    path.write_bytes(exported(database))
    return path


def test_the_file_says_what_was_said(database: Database, written: Path) -> None:
    lines = [json.loads(line) for line in written.read_bytes().splitlines()]
    nothing: dict[str, Any] = {"corrections": {}, "tags": [], "collections": {}}
    assert lines == [
        {"format": "samplemind library", "version": 1},
        {"type": "collection", "name": "a", "query": "tempo:120 collection:z", "created_at": NOW + 1},
        {"type": "collection", "name": "empty", "query": None, "created_at": NOW + 2},
        {"type": "collection", "name": "z", "query": "kind:loop", "created_at": NOW},
        {
            **nothing,
            "type": "sound",
            "digest": digest("kick.wav"),
            "name": "kick.wav",
            "files": [digest("bytes of kick.wav")],
            "corrections": {"key": {"value": "F#m", "set_at": NOW}, "tempo": {"value": "140", "set_at": NOW}},
            "tags": ["deep house", "used"],
        },
        {
            **nothing,
            "type": "sound",
            "digest": digest("snare.wav"),
            "name": "snare.wav",
            "files": [digest("bytes of snare.wav")],
            "tags": ["deep house", "used"],
        },
        {
            **nothing,
            "type": "sound",
            "digest": digest("pad.wav"),
            "name": "pad.wav",
            "files": [digest("bytes of pad.wav")],
            "collections": {"z": NOW + 3},
        },
        {"type": "end", "collections": 3, "sounds": 3},
    ]


def test_another_library_knows_it_then(database: Database, other: Database, written: Path) -> None:
    with other.writing() as session:
        for name in ("pad.wav", "new.wav", "kick.wav", "snare.wav"):
            make_sound(session, f"elsewhere/{name}", sound=name, tempo_bpm=70.0)
    done = import_said(other, str(written))
    assert done == Imported(sounds=3, corrections=2, tags=4, items=1, collections=3)
    with other.reading() as session:
        kick = session.scalars(select(Audio).where(Audio.digest == digest("kick.wav"))).one()
        assert (kick.tempo_bpm, kick.key) == (140.0, 2 * 6 + 1)
        assert list(tag_counts(session)) == [TagCount("deep house", 2, 0), TagCount("used", 2, 0)]
        assert list(collections.collection_counts(session)) == [
            CollectionCount("a", 0, "tempo:120 collection:z", NOW + 1),
            CollectionCount("empty", 0, None, NOW + 2),
            CollectionCount("z", 1, "kind:loop", NOW),
        ]


@pytest.mark.parametrize("direction", ["same", "to", "from"])
def test_doing_it_again_changes_nothing(
    database: Database, other: Database, written: Path, tmp_path: Path, direction: str
) -> None:
    target = database if direction == "same" else other
    if direction != "same":
        with other.writing() as session:
            for name in ("kick.wav", "snare.wav", "pad.wav"):
                make_sound(session, name)
        import_said(other, str(written))
    if direction == "from":  # and back
        target = database
        written.write_bytes(exported(other))
    before = said(target)
    assert import_said(target, str(written)) == Imported(sounds=3)
    assert said(target) == before


def test_the_later_correction_stays(database: Database, other: Database, tmp_path: Path) -> None:
    with other.writing() as session:
        kick, pad = make_sound(session, "kick.wav"), make_sound(session, "pad.wav")
        correct(session, [kick, pad], {"tempo": "111", "key": "C"}, NOW + 10)
        correct(session, [pad], {"key": "D"}, NOW + 30)
    with database.writing() as session:
        kick, pad = make_sound(session, "kick.wav"), make_sound(session, "pad.wav")
        correct(session, [kick, pad], {"tempo": "99"}, NOW + 20)
        correct(session, [kick, pad], {"key": "E"}, NOW + 20)
        correct(session, [pad], {"tempo": "98"}, NOW + 5)
    path = tmp_path / "said.jsonl"
    path.write_bytes(exported(other))
    assert import_said(database, str(path)).corrections == 2
    with database.reading() as session:
        assert {(each.audio_id, each.field): each.value for each in corrected(session)} == {
            (kick, "tempo"): "99",
            (kick, "key"): "E",
            (pad, "tempo"): "111",
            (pad, "key"): "D",
        }
        assert session.get_one(Audio, pad).tempo_bpm == 111.0


def test_collections_that_are_there_keep_their_queries(database: Database, other: Database, written: Path) -> None:
    with other.writing() as session:
        collections.save(session, "a", "kick", NOW - 5)
        collections.save(session, "empty", "snare", NOW - 5)
        collections.save(session, "z", None, NOW - 5)
    assert import_said(other, str(written)).collections == 1
    with other.reading() as session:
        found = {each.name: (each.query, each.created_at) for each in collections.collection_counts(session)}
    assert found == {"a": ("kick", NOW - 5), "empty": ("snare", NOW - 5), "z": ("kind:loop", NOW - 5)}


def test_together_they_must_lead_in_no_circle(other: Database, written: Path) -> None:
    """There, z names a; in the file, a names z."""
    with other.writing() as session:
        make_sound(session, "kick.wav")
        session.add(Collection(name="a", query=None, created_at=NOW))
        session.add(Collection(name="z", query="collection:a", created_at=NOW))
    with pytest.raises(ExportedFileError, match="a → z → a"):
        import_said(other, str(written))
    with other.reading() as session:
        assert session.scalars(select(Tag)).all() == []
        assert len(session.scalars(select(Collection)).all()) == 2


def test_sounds_that_another_decoder_decodes_otherwise_are_told_by_their_bytes(other: Database, written: Path) -> None:
    with other.writing() as session:
        root = make_root(session)
        now = make_sound(session, sound="the kick, decoded otherwise")
        add_file(session, now, "renamed.mp3", root, digest=digest("bytes of kick.wav"))
        same_name = make_sound(session, sound="another snare")
        add_file(session, same_name, "snare.wav", root, digest=digest("other bytes"))
    done = import_said(other, str(written))
    assert (done.sounds, done.unknown, done.unknown_names) == (1, 2, ("snare.wav", "pad.wav"))
    with other.reading() as session:
        assert set(session.scalars(select(Tag.audio_id))) == {now}


def test_what_has_no_sound_here_is_counted(other: Database, written: Path) -> None:
    done = import_said(other, str(written))
    assert done == Imported(collections=3, unknown=3, unknown_names=("kick.wav", "snare.wav", "pad.wav"))


def test_two_lines_about_one_sound(database: Database, other: Database, tmp_path: Path) -> None:
    """An MP3 that two decoders made two sounds of there is one here."""
    with database.writing() as session:
        root = make_root(session)
        for name, tempo, at in (("before", "100", NOW), ("after", "101", NOW + 1), ("long before", "99", NOW - 1)):
            sound = make_sound(session, sound=name)
            add_file(session, sound, f"{name}.mp3", root, digest=digest("the bytes"))
            correct(session, [sound], {"tempo": tempo}, at)
            add_tags(session, [sound], ["all", name])
    path = tmp_path / "said.jsonl"
    path.write_bytes(exported(database))
    with other.writing() as session:
        sound = make_sound(session, sound="here")
        add_file(session, sound, "here.mp3", make_root(session), digest=digest("the bytes"))
    done = import_said(other, str(path))
    assert done == Imported(sounds=3, corrections=1, tags=4)
    with other.reading() as session:
        assert [each.value for each in corrected(session)] == ["101"]


def test_a_name_that_is_no_text(database: Database, other: Database, tmp_path: Path) -> None:
    with database.writing() as session:
        add_tags(session, [make_sound(session, "kick \udcff.wav")], ["used"])
    path = tmp_path / "said.jsonl"
    path.write_bytes(exported(database))
    assert path.read_bytes().isascii()
    assert import_said(other, str(path)).unknown_names == ("kick \udcff.wav",)


class TestDamage:
    @pytest.mark.parametrize(
        ("number", "line", "reason"),
        [
            (1, b"", "not a file that samplemind library export wrote"),
            (1, b'{"format": "samplemind cache", "version": 1}', "not a file that"),
            (1, b'{"format": "samplemind library", "version": 2}', r"newer samplemind \(format 2; this one knows 1\)"),
            (1, b'{"format": "samplemind library", "version": "1"}', "not a file that"),
            (2, b"{", "line 2: damaged"),
            (2, b"[1]", "line 2: damaged"),
            (3, b"[" * 100_000, "line 3: damaged"),
            (4, b'{"type": "collection", "name": "a,b", "query": null, "created_at": 1}', "line 4: .*no commas"),
            (4, b'{"type": "collection", "name": "z", "query": "x:1", "created_at": 1}', "line 4: .*no field"),
            (4, b'{"type": "collection", "name": "z", "created_at": 1}', "line 4: .*`query`"),
            (4, b'{"type": "collection", "name": "z", "query": null, "created_at": 1e999}', "line 4: damaged"),
            (4, b'{"type": "collection", "name": "z", "query": null, "created_at": NaN}', "line 4: damaged"),
            (4, b'{"type": "collection", "name": "y", "query": null, "created_at": 1}', "collection that is not in"),
            (5, b'{"type": "sound", "digest": "5d0a"}', "line 5: damaged"),
            (8, b'{"type": "end", "collections": 3, "sounds": 4}', "cut off or damaged"),
        ],
    )
    def test_a_damaged_line_is_named_and_nothing_is_taken(
        self, other: Database, written: Path, number: int, line: bytes, reason: str
    ) -> None:
        lines = written.read_bytes().splitlines()
        lines[number - 1] = line
        written.write_bytes(b"\n".join([*lines, b""]))
        with other.writing() as session:
            make_sound(session, "kick.wav")
        with pytest.raises(ExportedFileError, match=reason) as refused:
            import_said(other, str(written))
        assert str(written) in str(refused.value)
        with other.reading() as session:
            assert session.scalars(select(Tag)).all() == []
            assert session.scalars(select(Collection)).all() == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"corrections": {"tempo": {"value": "fast", "set_at": NOW}}},
            {"corrections": {"swing": {"value": "1", "set_at": NOW}}},
            {"corrections": {"tempo": {"value": "120"}}},
            {"tags": ["-"]},
            {"tags": "used"},
            {"collections": {"z": "now"}},
            {"digest": "g" * 64},
            {"more": 1},
        ],
        ids=str,
    )
    def test_a_sound_that_can_not_be(self, other: Database, written: Path, wrong: dict[str, Any]) -> None:
        lines = written.read_bytes().splitlines()
        lines[5] = json.dumps({**json.loads(lines[5]), **wrong}).encode()
        written.write_bytes(b"\n".join(lines))
        with pytest.raises(ExportedFileError, match="line 6: damaged"):
            import_said(other, str(written))

    def test_a_file_that_is_cut_off(self, other: Database, written: Path) -> None:
        whole = written.read_bytes()
        for length in range(0, len(whole) - 2, 7):
            written.write_bytes(whole[:length])
            with pytest.raises(ExportedFileError):
                import_said(other, str(written))
        written.write_bytes(whole + whole.splitlines()[5])
        with pytest.raises(ExportedFileError, match="after its end"):
            import_said(other, str(written))

    def test_what_is_no_file(self, other: Database, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "missing"):
            with pytest.raises(FileAccessError):
                import_said(other, str(path))


def test_large_libraries_go_in_pieces(
    database: Database, other: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samplemind.library.portable.AT_ONCE", 3)
    monkeypatch.setattr("samplemind.library.merging.AT_ONCE", 4)
    names = [f"{number}.wav" for number in range(11)]
    for target in (database, other):
        with target.writing() as session:
            ids = [make_sound(session, name) for name in names]
    with database.writing() as session:
        collections.save(session, "c", None, NOW)
        add_tags(session, ids, ["used"])
        collections.add_items(session, "c", ids, NOW)
    path = tmp_path / "said.jsonl"
    with database.reading() as session, path.open("wb") as file:
        assert export_said(session, file) == Exported(collections=1, sounds=11)
    assert import_said(other, str(path)) == Imported(sounds=11, tags=11, items=11, collections=1)
    with other.reading() as session:
        assert len(session.scalars(select(CollectionItem)).all()) == 11


def test_the_number_of_statements_does_not_grow(database: Database, statements: Statements, tmp_path: Path) -> None:
    sent = []
    for count in (2, 25):
        with database.writing() as session:
            ids = [make_sound(session, f"{count} {number}.wav") for number in range(count)]
            add_tags(session, ids, ["used"])
            correct(session, ids, {"tempo": "120"}, NOW)
        path = tmp_path / "said.jsonl"
        with statements(database) as out:
            path.write_bytes(exported(database))
        with database.writing() as session:
            correct(session, ids, {"tempo": "121"}, NOW - 1)
            for tag in session.scalars(select(Tag)):
                session.delete(tag)
        with statements(database) as back:
            assert import_said(database, str(path)).tags >= count
        sent.append((len(out), len(back)))
    assert sent[0] == sent[1]
