"""``samplemind set``, ``tag``, ``collection``, ``audit`` and ``library``: what is told, and what is kept."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from samplemind.library.database import Database
from samplemind.library.entries import refresh
from samplemind.library.model import Audio, File, Root
from samplemind.library.versions import HEAD
from tests.cli.conftest import Invoke, command_line
from tests.cli.test_process import loaded
from tests.library.builders import NOW, add_file, digest, make_root, make_sound


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the test's own library."""
    folder = tmp_path / "data"
    monkeypatch.setenv("SAMPLEMIND_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def file(data_dir: Path) -> Path:
    """The file of the library."""
    return data_dir / "library.db"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    """The library itself, with three sounds."""
    database = Database(file)
    with database.writing() as session:
        root = make_root(session)
        make_sound(session, "Drums/kick.wav", kind="one-shot")
        make_sound(session, "Drums/snare.wav", kind="one-shot")
        pad = make_sound(session, sound="pad", tempo_bpm=70.0, tempo_confidence=0.75, key="Am", kind="loop")
        add_file(session, pad, "pad 140 C.wav", root, named_tempo_bpm=140.0, named_key="C")
    yield database
    database.close()


def listed(invoke: Invoke, *command: object) -> list[dict[str, Any]]:
    result = invoke(*command, "--format", "jsonl")
    assert result.exit_code == 0
    return [json.loads(line) for line in result.stdout.splitlines()]


def found(invoke: Invoke, *query: str) -> list[str]:
    """Names of what a search finds."""
    return sorted(each["name"] for each in listed(invoke, "search", *query))


class TestSet:
    def test_a_correction_is_found_and_shown_and_taken_back(self, invoke: Invoke, database: Database) -> None:
        pad = "/sounds/pad 140 C.wav"
        result = invoke("set", pad, "Tempo=140", "key=f#m")
        assert (result.exit_code, result.stdout) == (0, "1 sound: tempo 140, key F#m\n")
        assert found(invoke, "tempo:140 key:F#m") == ["pad 140 C.wav"]
        assert [
            (each["field"], each["value"], each["measured"], each["path"]) for each in listed(invoke, "set", "--list")
        ] == [
            ("key", "F#m", "Am", pad),
            ("tempo", "140", "70", pad),
        ]
        table = invoke("set", "--list").stdout.splitlines()
        assert table[0].split() == ["field", "value", "measured", "file"]
        assert table[1:] == [f"key         F#m         Am  {pad}", f"tempo       140      70.00  {pad}"]
        assert (
            invoke("set", digest("pad")[:10], "tempo=", "key=").stdout
            == "1 sound: tempo as measured, key as measured\n"
        )
        assert found(invoke, "tempo:70 key:Am") == ["pad 140 C.wav"]
        assert listed(invoke, "set", "--list") == []

    def test_a_folder_means_all_that_is_below_it(self, invoke: Invoke, database: Database) -> None:
        assert invoke("set", "/sounds/Drums", "kind=loop").stdout == "2 sounds: kind loop\n"

    def test_a_file_whose_name_looks_like_a_value(
        self, invoke: Invoke, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("tempo=120").write_bytes(b"bytes")
        with database.writing() as session:
            make_sound(session, "tempo=120", root=tmp_path)
            from samplemind.audio import file_digest

            session.execute(update(File).where(File.path == "tempo=120").values(digest=file_digest("tempo=120")))
        assert invoke("set", "tempo=120", "tempo=130").stdout == "1 sound: tempo 130\n"

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ([], "name sounds"),
            (["/sounds/Drums/kick.wav"], "name sounds"),
            (["tempo=140"], "name sounds"),
            (["/sounds/Drums/kick.wav", "tempo=fast"], "beats per minute"),
            (["/sounds/Drums/kick.wav", "temp=140"], "did you mean tempo?"),
            (["/sounds/Drums/kick.wav", "tempo=100", "TEMPO=2"], "given twice"),
            (["/sounds/Drums/kick.wav", "/sounds/tom.wav", "tempo=140"], "/sounds/tom.wav is no file"),
            (["--list", "/sounds/Drums/kick.wav"], "takes no files"),
        ],
    )
    def test_what_makes_no_sense_changes_nothing(
        self, invoke: Invoke, database: Database, arguments: list[str], reason: str
    ) -> None:
        result = invoke("set", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert reason in result.stderr
        assert listed(invoke, "set", "--list") == []


class TestTag:
    def test_tags_are_given_found_counted_and_taken(self, invoke: Invoke, database: Database) -> None:
        drums = ("/sounds/Drums/kick.wav", "/sounds/Drums/snare.wav")
        assert invoke("tag", "Deep House", *drums).stdout == "deep house: given to 2 sounds\n"
        assert invoke("tag", "deep house", drums[0], "/sounds/pad 140 C.wav").stdout == (
            "deep house: given to 1 sound; 1 had it already\n"
        )
        assert found(invoke, 'tag:"Deep House" kind:one-shot') == ["kick.wav", "snare.wav"]
        assert listed(invoke, "tag", "--list") == [{"name": "deep house", "sounds": 3, "missing": 0}]
        assert invoke("tag", "--list").stdout.splitlines()[1].split(maxsplit=1) == ["3", "deep house"]
        assert invoke("tag", "--remove", "deep house", *drums).stdout == "deep house: taken from 2 sounds\n"
        assert found(invoke, "tag:?") == ["kick.wav", "snare.wav"]

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["used"], "name a tag and then sounds"),
            (["a,b", "/sounds/Drums/kick.wav"], "no commas"),
            (["--remove", "used", "/sounds/Drums/kick.wav"], "no sound has the tag used"),
            (["used", "/sounds/none.wav"], "/sounds/none.wav is no file"),
            (["--list", "used"], "takes no tag"),
        ],
    )
    def test_what_makes_no_sense(self, invoke: Invoke, database: Database, arguments: list[str], reason: str) -> None:
        result = invoke("tag", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert reason in result.stderr


class TestCollection:
    def test_by_hand_by_query_and_both(self, invoke: Invoke, database: Database) -> None:
        assert invoke("collection", "save", "Loops", "kind:loop").stdout == "loops: made, finds kind:loop\n"
        assert invoke("collection", "save", "mine", "collection:loops", "-tag:used").stdout == (
            "mine: made, finds collection:loops -tag:used\n"
        )
        assert invoke("collection", "add", "mine", "/sounds/Drums/kick.wav").stdout == "mine: 1 sound put in\n"
        assert invoke("collection", "add", "mine", "/sounds/Drums/kick.wav").stdout == (
            "mine: 0 sounds put in; 1 already there\n"
        )
        shown = sorted(each["name"] for each in listed(invoke, "collection", "show", "mine"))
        assert shown == found(invoke, "collection:mine") == ["kick.wav", "pad 140 C.wav"]
        assert [(each["name"], each["items"], each["query"]) for each in listed(invoke, "collection", "list")] == [
            ("loops", 0, "kind:loop"),
            ("mine", 1, "collection:loops -tag:used"),
        ]
        table = invoke("collection", "list").stdout.splitlines()
        assert table[2].split() == ["1", "mine", "collection:loops", "-tag:used"]
        assert invoke("collection", "remove", "mine", "/sounds/Drums/kick.wav").stdout == "mine: 1 sound taken out\n"
        assert invoke("collection", "rename", "mine", "My Own").stdout == "mine: my own now\n"
        assert invoke("collection", "save", "my own").stdout == "my own: changed, without a query\n"
        assert invoke("collection", "show", "my own").stdout == ""
        assert invoke("collection", "delete", "my own").stdout == "my own: removed\n"
        assert [each["name"] for each in listed(invoke, "collection", "list")] == ["loops"]

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["save", "x", "collection:x"], "part of itself"),
            (["save", "x", "tempo:fast"], "column 7"),
            (["save", "a,b"], "no commas"),
            (["add", "x", "/sounds/Drums/kick.wav"], "x is no collection"),
            (["add", "x"], "FILE"),
            (["show", "x"], "no collection"),
            (["delete", "x"], "x is no collection"),
        ],
    )
    def test_what_makes_no_sense(self, invoke: Invoke, database: Database, arguments: list[str], reason: str) -> None:
        result = invoke("collection", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert reason in result.stderr


class TestAudit:
    def test_conflicts_in_four_forms(self, invoke: Invoke, database: Database) -> None:
        every = listed(invoke, "audit")
        assert [(each["field"], each["named"], each["measured"], each["relation"]) for each in every] == [
            ("tempo", 140.0, 70.0, "half"),
            ("key", "C", "Am", "relative"),
        ]
        assert json.loads(invoke("audit", "--format", "json").stdout) == every
        rows = list(csv.DictReader(invoke("audit", "--format", "csv").stdout.splitlines()))
        assert [(row["field"], row["path"]) for row in rows] == [
            (each, "/sounds/pad 140 C.wav") for each in ("tempo", "key")
        ]
        assert invoke("audit").stdout.splitlines() == [
            "field    named  measured   sure  relation  file",
            "tempo   140.00     70.00   75 %  half      /sounds/pad 140 C.wav",
            "key          C        Am      –  relative  /sounds/pad 140 C.wav",
        ]

    def test_only_what_is_asked_for(self, invoke: Invoke, database: Database) -> None:
        assert [each["field"] for each in listed(invoke, "audit", "--field", "key")] == ["key"]
        invoke("set", "/sounds/pad 140 C.wav", "tempo=150")
        assert [each["field"] for each in listed(invoke, "audit")] == ["key"]
        assert [each["corrected"] for each in listed(invoke, "audit", "--corrected")] == ["150", None]
        assert "150" in invoke("audit", "--corrected").stdout
        invoke("set", "/sounds/pad 140 C.wav", "key=C")
        assert invoke("audit", "--format", "json").stdout == "[]\n"
        assert invoke("audit", "--field", "loudness").exit_code == 2


class TestInfo:
    def test_in_words_and_for_programs(self, invoke: Invoke, database: Database, file: Path) -> None:
        with database.writing() as session:
            make_root(session, "/mnt/usb").missing_since = NOW
        facts = json.loads(invoke("library", "info", "--format", "json").stdout)
        assert (facts["place"], facts["version"], facts["sounds"]) == (str(file), HEAD, 3)
        assert [root["path"] for root in facts["roots"]] == ["/mnt/usb", "/sounds"]
        lines = invoke("library", "info").stdout.splitlines()
        assert lines[0] == f"library       {file}"
        assert lines[3] == "sounds        3"
        assert lines[-2].split() == ["0", "0", "0", "empty", "or", "gone", "/mnt/usb"]
        assert lines[-1].split()[:3] == ["3", "0", "0"]

    def test_looking_makes_no_library(self, invoke: Invoke, data_dir: Path) -> None:
        for command in (
            ["library", "info"],
            ["audit"],
            ["tag", "--list"],
            ["set", "x", "tempo=100"],
            ["collection", "list"],
            ["library", "backup", "x"],
        ):
            result = invoke(*command)
            assert (result.exit_code, result.stdout) == (2, "")
            assert "there is no library yet: samplemind scan FOLDER makes" in result.stderr
        assert not data_dir.exists()


class TestBackup:
    def test_a_copy_is_a_library(
        self, invoke: Invoke, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoke("tag", "used", "/sounds/Drums/kick.wav")
        copy = tmp_path / "copy" / "library.db"
        copy.parent.mkdir()
        result = invoke("library", "backup", copy)
        assert result.exit_code == 0
        assert result.stdout.startswith(f"copied to {copy}, ")
        invoke("tag", "later", "/sounds/Drums/kick.wav")
        monkeypatch.setenv("SAMPLEMIND_DATA_DIR", str(copy.parent))
        assert [each["name"] for each in listed(invoke, "tag", "--list")] == ["used"]

    def test_nothing_is_written_over(self, invoke: Invoke, database: Database, tmp_path: Path) -> None:
        precious = tmp_path / "precious"
        precious.write_text("precious")
        result = invoke("library", "backup", precious)
        assert result.exit_code != 0
        assert "is there already" in result.stderr
        assert precious.read_text() == "precious"


class TestExportAndImport:
    def test_another_library_is_told(
        self, invoke: Invoke, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoke("set", "/sounds/Drums/kick.wav", "tempo=140")
        invoke("tag", "used", "/sounds/Drums")
        invoke("collection", "save", "loops", "kind:loop")
        target = tmp_path / "said.jsonl"
        for _ in range(2):  # an earlier export is replaced
            assert invoke("library", "export", target).stdout == (
                f"1 collection, and what was said of 2 sounds, written to {target}\n"
            )
        assert "/sounds" not in target.read_text()

        monkeypatch.setenv("SAMPLEMIND_DATA_DIR", str(tmp_path / "elsewhere"))
        other = Database(tmp_path / "elsewhere" / "library.db")
        with other.writing() as session:
            make_sound(session, "there.wav", sound="Drums/kick.wav")
        other.close()
        result = invoke("library", "import", target)
        assert result.exit_code == 1
        assert result.stdout == "1 sound found; new: 1 correction, 1 tag, 0 sounds in collections, 1 collection\n"
        assert "1 sound not in this library (snare.wav): scan their folders" in result.stderr
        assert found(invoke, "tag:used tempo:140") == ["there.wav"]
        again = invoke("library", "import", target)
        assert again.stdout == "1 sound found; new: 0 corrections, 0 tags, 0 sounds in collections, 0 collections\n"

    def test_what_can_not_be_written_or_read(self, invoke: Invoke, database: Database, tmp_path: Path) -> None:
        precious = tmp_path / "precious"
        precious.write_text("precious")
        for target in (precious, tmp_path, tmp_path / "missing" / "file"):
            result = invoke("library", "export", target)
            assert (result.exit_code, result.stdout) == (2, "")
        assert precious.read_text() == "precious"
        result = invoke("library", "import", precious)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"samplemind: {precious}: not a file that samplemind library export wrote\n"
        assert invoke("library", "import", tmp_path / "missing").exit_code == 1


class TestUpgrade:
    def test_a_library_of_this_version(self, invoke: Invoke, database: Database, file: Path) -> None:
        assert invoke("library", "upgrade").stdout == f"{file} is of version {HEAD} already\n"

    def test_a_new_library(self, invoke: Invoke, file: Path) -> None:
        assert invoke("library", "upgrade").stdout == f"{file} is of version {HEAD} now\n"
        assert file.exists()

    def test_a_newer_library_is_left_alone(self, invoke: Invoke, database: Database, file: Path) -> None:
        database.close()
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        for command in ("upgrade", "info"):
            result = invoke("library", command)
            assert (result.exit_code, result.stdout) == (1, "")
            assert "a newer one wrote it" in result.stderr


class TestForget:
    @pytest.fixture
    def gone(self, database: Database) -> None:
        """Two files that are gone, one of a tagged sound."""
        with database.writing() as session:
            session.execute(update(File).where(File.path.like("Drums/%")).values(missing_since=NOW))
            refresh(session, list(session.scalars(select(Audio.id))))

    def test_missing_files(self, invoke: Invoke, database: Database, gone: None) -> None:
        invoke("tag", "used", "/sounds/Drums/kick.wav")
        said = "2 files and 1 sound; 1 sound kept without a file, for what you said of them"
        asked = invoke("library", "forget", "--missing", stdin=b"n\n")
        assert asked.exit_code == 1
        assert f"forget {said}?" in asked.stderr
        assert json.loads(invoke("library", "info", "--format", "json").stdout)["sounds_missing"] == 2
        result = invoke("library", "forget", "--missing", stdin=b"y\n")
        assert result.exit_code == 0
        assert result.stdout.endswith(f"forgotten: {said}\n")
        assert found(invoke, "is:any") == ["kick.wav", "pad 140 C.wav"]

    def test_a_drive_that_is_not_there_has_to_be_named(self, invoke: Invoke, database: Database, gone: None) -> None:
        with database.writing() as session:
            session.execute(update(Root).values(missing_since=NOW))
        result = invoke("library", "forget", "--missing", "--yes")
        assert result.stdout.splitlines() == [
            "forgotten: 0 files and 0 sounds",
            "left alone: /sounds has no file that is there; name it to forget what is below it",
        ]
        assert invoke("library", "forget", "--missing", "/sounds/", "-y").stdout == "forgotten: 2 files and 2 sounds\n"

    def test_a_whole_folder(self, invoke: Invoke, database: Database) -> None:
        assert invoke("library", "forget", "/sounds", "--yes").stdout == "forgotten: 3 files and 3 sounds\n"
        assert json.loads(invoke("library", "info", "--format", "json").stdout)["roots"] == []

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ([], "name a folder, or say --missing"),
            (["/x", "--yes"], "/x is no folder that was scanned: those are /sounds"),
        ],
    )
    def test_what_makes_no_sense(self, invoke: Invoke, database: Database, arguments: list[str], reason: str) -> None:
        result = invoke("library", "forget", *arguments)
        assert result.exit_code == 2
        assert reason in result.stderr


def test_what_is_scanned_is_found_by_path(invoke: Invoke, sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real scan, from the folder itself."""
    assert invoke("scan", sounds).exit_code == 1  # one file of it is no audio
    monkeypatch.chdir(sounds)
    assert invoke("set", "a tone.wav", "key=F#m").stdout == "1 sound: key F#m\n"
    assert invoke("tag", "used", "more", "a tone.wav").stdout == "used: given to 3 sounds\n"
    assert found(invoke, "key:F#m") == ["a tone.wav"]
    broken = invoke("tag", "used", "broken.wav")
    assert broken.exit_code == 2
    assert "broken.wav is in the library without an answer: " in broken.stderr
    os.rename("a tone.wav", "renamed.wav")
    assert invoke("set", "renamed.wav", "key=").stdout == "1 sound: key as measured\n"  # by its bytes
    assert invoke("library", "info").stdout.splitlines()[-1].split()[:3] == ["6", "0", "1"]


def test_a_watch_tells_what_keeps_it_from_following(invoke: Invoke, tone: Path, tmp_path: Path) -> None:
    """And goes on until it is interrupted."""
    folder = tmp_path / "watched"
    folder.mkdir()
    shutil.copy(tone, folder / "first.wav")
    command = command_line("watch", folder, "--level", "basic", "-j", 1)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        try:
            assert watch.stdout is not None
            assert watch.stderr is not None
            assert watch.stdout.readline() == f"{folder / 'first.wav'}\n"
            assert invoke("library", "forget", folder, "--yes").exit_code == 0
            shutil.copy(tone, folder / "second.wav")
            said = f"samplemind: {folder} was forgotten, and is left alone until it is scanned again\n"
            assert watch.stderr.readline() == said
        finally:
            watch.send_signal(signal.SIGINT)
            rest, _ = watch.communicate(timeout=60)
    assert (watch.returncode, rest) == (130, "")
    assert json.loads(invoke("library", "info", "--format", "json").stdout)["roots"] == []


@pytest.mark.parametrize(
    "command",
    [["set"], ["tag"], ["audit"], ["collection", "save"], ["collection", "show"], ["library", "forget"]],
    ids=str,
)
def test_asking_for_help_imports_nothing_heavy(command: list[str]) -> None:
    assert loaded(["numpy", "sqlalchemy", "alembic", "msgspec", "sqlite3"], *command, "--help") == []


def test_nobody_waits_for_compilers(database: Database, tmp_path: Path) -> None:
    kick = "/sounds/Drums/kick.wav"
    for command in (
        ["set", digest("pad"), "tempo=140"],
        ["tag", "used", digest("pad")],
        ["collection", "save", "x", "kind:loop"],
        ["collection", "show", "x"],
        ["audit"],
        ["library", "info"],
        ["library", "export", tmp_path / "said.jsonl"],
        ["library", "import", tmp_path / "said.jsonl"],
        ["set", kick, "tempo=140"],
    ):
        assert loaded(["numba", "scipy", "alembic", "av", "soundfile", "soxr", "rich"], *command) == []
