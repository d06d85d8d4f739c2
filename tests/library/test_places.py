"""Which sounds of the library an argument means."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from samplemind.audio import file_digest, stat_key
from samplemind.errors import NotInLibraryError
from samplemind.library.database import Database
from samplemind.library.forgetting import forget_root
from samplemind.library.model import File, Tag
from samplemind.library.places import audio_at, audio_ids, changing
from samplemind.library.stamps import stamp
from samplemind.library.tags import add_tags, remove_tags
from tests.library.builders import NOW, add_file, digest, make_root, make_sound
from tests.library.conftest import Statements


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three files, which need not be audio to be found."""
    folder = tmp_path / "packs"
    (folder / "Drums").mkdir(parents=True)
    for name in ("Drums/kick.wav", "Drums/snare.wav", "pad.wav"):
        (folder / name).write_bytes(name.encode() * 10)
    return folder


@pytest.fixture
def scanned(database: Database, folder: Path) -> dict[str, int]:
    """The ids of their entries, as a scan would have left them."""
    with database.writing() as session:
        root = make_root(session, folder)
        ids = {}
        for name in ("Drums/kick.wav", "Drums/snare.wav", "pad.wav"):
            ids[name] = make_sound(session, sound=name)
            stat = stat_key(folder / name)
            facts = {"size": stat.size, "stamp": stamp(stat), "digest": file_digest(folder / name)}
            add_file(session, ids[name], name, root, **facts)
    return ids


@pytest.fixture
def place_of_it(database: Database) -> Path | str:
    """Where the database is, for another one that opens it too."""
    return database.path or database._writer.url.render_as_string(hide_password=False)


class TestOneSound:
    def test_by_path_absolute_relative_and_through_a_link(
        self, database: Database, folder: Path, scanned: dict[str, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(folder / "Drums")
        link = folder.parent / "link"
        link.symlink_to(folder)
        paths = [folder / "Drums/kick.wav", "kick.wav", "../Drums/./kick.wav", link / "Drums" / "kick.wav"]
        with database.reading() as session:
            assert {audio_at(session, str(path)) for path in paths} == {scanned["Drums/kick.wav"]}

    def test_a_file_that_is_gone_is_found_where_it_was(
        self, database: Database, folder: Path, scanned: dict[str, int]
    ) -> None:
        (folder / "pad.wav").unlink()
        with database.reading() as session:
            assert audio_at(session, str(folder / "pad.wav")) == scanned["pad.wav"]

    def test_a_copy_elsewhere_is_found_by_its_bytes(
        self, database: Database, folder: Path, scanned: dict[str, int], tmp_path: Path
    ) -> None:
        copy = tmp_path / "download"
        copy.write_bytes((folder / "Drums/snare.wav").read_bytes())
        with database.reading() as session:
            assert audio_at(session, str(copy)) == scanned["Drums/snare.wav"]

    def test_a_file_written_over_is_not_what_it_was(
        self, database: Database, folder: Path, scanned: dict[str, int]
    ) -> None:
        """A correction of what is there now must not go to what was there before."""
        path = folder / "pad.wav"
        path.write_bytes((folder / "Drums/kick.wav").read_bytes())
        with database.reading() as session:
            assert audio_at(session, str(path)) == scanned["Drums/kick.wav"]
            path.write_bytes(b"new")
            with pytest.raises(NotInLibraryError, match="scan its folder first"):
                audio_at(session, str(path))

    def test_a_file_that_was_only_touched_is_what_it_was(
        self, database: Database, folder: Path, scanned: dict[str, int]
    ) -> None:
        os.utime(folder / "pad.wav", (1, 1))
        with database.reading() as session:
            assert audio_at(session, str(folder / "pad.wav")) == scanned["pad.wav"]

    def test_by_the_beginning_of_a_digest(self, database: Database) -> None:
        with database.writing() as session:
            first, second = (make_sound(session, f"{name}.wav", sound=name) for name in ("one", "two"))
            assert digest("one")[:4] != digest("two")[:4]
            assert audio_at(session, digest("one")[:4]) == first
            assert audio_at(session, digest("two").upper()) == second

    def test_a_beginning_of_several_digests(self, database: Database) -> None:
        names: dict[str, str] = {}
        twins = next(
            (names[prefix], str(number))
            for number in range(10_000)
            if names.setdefault(prefix := digest(str(number))[:4], str(number)) != str(number)
        )
        with database.writing() as session:
            for name in twins:
                make_sound(session, f"{name}.wav", sound=name)
            with pytest.raises(NotInLibraryError, match="several sounds"):
                audio_at(session, digest(twins[0])[:4])

    def test_a_name_that_is_no_text(self, database: Database) -> None:
        name = os.fsdecode(b"/sounds/kick \xff.wav")
        with database.writing() as session:
            made = make_sound(session, name.removeprefix("/sounds/"))
            assert audio_at(session, name) == made


class TestNoSound:
    @pytest.mark.parametrize(
        ("argument", "reason"),
        [
            ("", "is no file"),
            ("nothing.wav", "is no file, and none that the library has"),
            ("abc", "is no file, and none"),
            ("abcd", "no sound of the library has a digest that begins so"),
            ("f" * 65, "is no file, and none"),
        ],
    )
    def test_what_is_nothing(self, database: Database, argument: str, reason: str) -> None:
        with database.reading() as session, pytest.raises(NotInLibraryError, match=reason):
            audio_at(session, argument)

    def test_a_file_outside(self, database: Database, tmp_path: Path) -> None:
        path = tmp_path / "new.wav"
        path.write_bytes(b"new")
        with database.reading() as session, pytest.raises(NotInLibraryError, match="scan its folder first"):
            audio_at(session, str(path))

    def test_a_file_without_an_answer(self, database: Database) -> None:
        with database.writing() as session:
            add_file(
                session, None, "broken.wav", make_root(session), reason="not audio", error="UnsupportedFormatError"
            )
            with pytest.raises(NotInLibraryError, match="without an answer: not audio"):
                audio_at(session, "/sounds/broken.wav")

    def test_a_folder(self, database: Database, folder: Path, scanned: dict[str, int]) -> None:
        with database.reading() as session, pytest.raises(NotInLibraryError, match="is a folder"):
            audio_at(session, str(folder))


class TestFolders:
    def test_all_that_are_there_below_it(self, database: Database, folder: Path, scanned: dict[str, int]) -> None:
        with database.writing() as session:
            gone = make_sound(session, sound="gone")
            add_file(session, gone, "Drums/gone.wav", make_root(session, folder), missing_since=NOW)
            (folder / "Drums-2").mkdir()
        with database.reading() as session:
            drums = [scanned["Drums/kick.wav"], scanned["Drums/snare.wav"]]
            assert audio_ids(session, [str(folder / "Drums")]) == drums
            assert audio_ids(session, [f"{folder}/Drums/"]) == drums
            assert audio_ids(session, [str(folder)]) == [*drums, scanned["pad.wav"]]
            pad = str(folder / "pad.wav")
            assert audio_ids(session, [pad, str(folder), pad]) == [scanned["pad.wav"], *drums]
            with pytest.raises(NotInLibraryError, match="scan it first"):
                audio_ids(session, [str(folder / "Drums-2")])

    def test_a_drive_that_is_not_mounted(self, database: Database) -> None:
        """Nothing below it is there, and all of it is meant."""
        with database.writing() as session:
            kick = make_sound(session, sound="kick")
            add_file(session, kick, "Drums/kick.wav", make_root(session, "/mnt/usb stick"), missing_since=NOW)
            assert audio_ids(session, ["/mnt/usb stick/Drums"]) == [kick]

    def test_one_sound_that_is_not_there_gives_an_error(self, database: Database) -> None:
        with database.writing() as session:
            make_sound(session, "kick.wav")
            with pytest.raises(NotInLibraryError, match=r"snare\.wav"):
                audio_ids(session, ["/sounds/kick.wav", "/sounds/snare.wav"])


def test_a_file_that_is_there_comes_before_one_that_is_gone(database: Database, tmp_path: Path) -> None:
    """Another decoder made another sound of the same bytes: they stand for what they are now."""
    path = tmp_path / "copy.mp3"
    path.write_bytes(b"bytes")
    with database.writing() as session:
        root = make_root(session)
        now, before = (make_sound(session, sound=name) for name in ("now", "before"))
        add_file(session, now, "a.mp3", root, digest=file_digest(path))
        add_file(session, before, "b.mp3", root, digest=file_digest(path), missing_since=NOW)
        assert audio_at(session, str(path)) == now


class TestChanging:
    def test_what_is_meant_is_found_before_others_are_kept_from_writing(
        self, database: Database, place_of_it: Path | str, tmp_path: Path
    ) -> None:
        """Whole files may have to be read for it."""
        path = tmp_path / "new.wav"
        path.write_bytes(b"new")
        other = Database(place_of_it, write_timeout_s=0.1)
        not_busy = pytest.raises(NotInLibraryError, match="scan its folder first")
        with database.writing(), not_busy, changing(other, [str(path)]):
            pass
        other.close()

    @pytest.mark.parametrize("change", [add_tags, remove_tags])
    def test_a_sound_that_is_forgotten_meanwhile(
        self, database: Database, place_of_it: Path | str, statements: Statements, change: Callable[..., int]
    ) -> None:
        with database.writing() as session:
            add_tags(session, [make_sound(session, "elsewhere.wav", root="/elsewhere")], ["used"])
            make_sound(session, "kick.wav")
        other = Database(place_of_it)
        with other.reading():
            pass
        errors: list[Exception] = []

        def tag() -> None:
            try:
                with changing(other, ["/elsewhere/elsewhere.wav", "/sounds/kick.wav"]) as (session, ids):
                    change(session, ids, ["used"])
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=tag)
        with statements(other) as sent, database.writing() as session:
            thread.start()
            deadline = time.monotonic() + 60
            while len(sent) < 2:  # what it reads is of the moment of the first one
                assert time.monotonic() < deadline
                time.sleep(0.01)
            forget_root(session, "/sounds", really=True)
        thread.join(60)
        other.close()
        (error,) = errors
        assert isinstance(error, NotInLibraryError)
        assert "just now; nothing was changed" in str(error)
        with database.reading() as session:
            assert len(session.scalars(select(Tag.name)).all()) == 1


def test_the_number_of_statements_does_not_grow(database: Database, statements: Statements, tmp_path: Path) -> None:
    with database.writing() as session:
        for number in range(40):
            make_sound(session, f"{number}.wav")
        for number in range(20):
            path = tmp_path / f"{number}.wav"
            path.write_bytes(str(number).encode())
            session.get_one(File, number + 1).digest = file_digest(path)
    sent = []
    for count in (2, 20):
        here = [str(tmp_path / f"{number}.wav") for number in range(count)]
        there = [f"/sounds/{number}.wav" for number in range(20, 20 + count)]
        with database.reading() as session, statements(database) as some:
            assert len(audio_ids(session, [*here, *there])) == 2 * count
        sent.append(len(some))
    assert sent[0] == sent[1] <= 4
