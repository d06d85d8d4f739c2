"""``samplemind search``: what is asked, and how what is found is printed."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import update

from samplemind.library import corrections, entries, tags
from samplemind.library.database import Database
from samplemind.library.model import File
from tests.cli.conftest import Invoke, Process, command_line
from tests.cli.test_process import loaded
from tests.library.builders import NOW, add_file, digest, make_root, make_sound


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of four sounds, the newest first: d, c, b, a."""
    folder = tmp_path / "library"
    monkeypatch.setenv("SAMPLEMIND_DATA_DIR", str(folder))
    database = Database(folder / "library.db")
    with database.writing() as session:
        kick = make_sound(session, "Kicks/a hard kick.wav", "Copies/a.wav", kind="one-shot", loudness_lufs=-8.25)
        loop = make_sound(session, "b_124_Am.wav", kind="loop", tempo_bpm=124.0, key="Am", duration_s=8.0)
        other = make_sound(session, "c_90_F.wav", kind="loop", tempo_bpm=180.0, key="C", duration_s=61.5)
        make_sound(session, "d caf\udce9\x1b.wav")
        session.execute(
            update(File).where(File.audio_id.in_([loop, other])).values(named_tempo_bpm=124.0, named_key="Am")
        )
        session.execute(update(File).where(File.audio_id == other).values(named_tempo_bpm=90.0, named_key="F"))
        tags.add_tags(session, [kick, loop], ["used", "to do"])
        corrections.correct(session, [other], {"tempo": "90"}, NOW)
    database.close()
    return folder


def paths(output: str) -> list[str]:
    return [json.loads(line)["files"][0]["path"] for line in output.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "letters"),
    [
        ([], "dcba"),
        (["kick"], "a"),
        (["kind:loop"], "cb"),
        (["kind:loop", "tempo:>100"], "b"),
        (["kind:loop tempo:>100"], "b"),
        (["-tag:used"], "dc"),
        (["--limit", "50", "-tag:used"], "dc"),
        (["-tag:used", "--limit", "1"], "d"),
        (["kind:loop", "-tag:used"], "c"),
        (["-path:Kicks", "-hard"], "dcb"),  # -h is no option here
        (["-tag:used -kick"], "dc"),
        (["--", "-tag:used"], "dc"),
        (['tag:"to do"', "-kick"], "b"),
        (["--sort", "name"], "abcd"),
        (["--sort=-tempo", "kind:loop"], "bc"),
        (["kind:loop", "sort:tempo", "--sort", "-tempo"], "bc"),
    ],
)
def test_queries(invoke: Invoke, library: Path, arguments: list[str], letters: str) -> None:
    result = invoke("search", "--format", "jsonl", *arguments)
    assert result.exit_code == 0, result.stderr
    assert "".join(Path(path).name[0] for path in paths(result.stdout)) == letters


def test_the_table(invoke: Invoke, library: Path) -> None:
    result = invoke("search", "--sort", "name")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "kind          length    tempo  key              LUFS  file",
        "one-shot     2.000 s        –  –                -8.2  /sounds/Kicks/a hard kick.wav",
        "        also /sounds/Copies/a.wav",
        "loop         8.000 s   124.00  A minor    8A       –  /sounds/b_124_Am.wav",
        "loop          1:01.5   90.00*  C major    8B       –  /sounds/c_90_F.wav",
        "        * measured 180.00 BPM",
        "        name says F major",
        "–            2.000 s        –  –                   –  /sounds/d caf\\xe9\\x1b.wav",
    ]
    assert result.stderr == ""


def test_what_is_missing_is_said(invoke: Invoke, library: Path) -> None:
    database = Database(library / "library.db")
    with database.writing() as session:
        session.execute(update(File).where(File.path.like("b%")).values(missing_since=NOW))
        entries.refresh(session, [2])
    database.close()
    assert invoke("search", "124").stdout == ""
    rows = invoke("search", "is:missing").stdout.splitlines()
    assert rows[1].endswith("/sounds/b_124_Am.wav")
    assert rows[2:] == ["        missing"]


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
@pytest.mark.parametrize("columns", [60, 80, 100, 300])
def test_the_table_fits_the_terminal(library: Path, columns: int) -> None:
    database = Database(library / "library.db")
    with database.writing() as session:
        folder = make_root(session)
        audio_id = make_sound(session, f"{'long ' * 50}kick.wav", "copy/" * 30 + "kick 2.wav", tempo_bpm=100.0)
        add_file(session, audio_id, "copy 3.wav", folder)
        corrections.correct(session, [audio_id], {"key": "Am"}, NOW)
    database.close()
    shown = on_terminal(["search"], columns).splitlines()
    assert max(map(len, shown)) <= max(columns, 60)
    assert any(line.endswith(".wav") for line in shown)


def on_terminal(arguments: list[str], columns: int) -> str:
    """What a command prints to a terminal."""
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1"}
    with subprocess.Popen(command_line(*arguments), stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:  # how Linux says that it was closed
            pass
        os.close(ours)
    assert process.returncode == 0
    return shown.decode()


def test_json(invoke: Invoke, library: Path) -> None:
    found = json.loads(invoke("search", "--format", "json", "--limit", 2, "--sort", "name").stdout)
    assert [Path(entry["files"][0]["path"]).name[0] for entry in found["entries"]] == ["a", "b"]
    assert found["entries"][0]["tags"] == ["to do", "used"]
    assert found["entries"][1]["id"] == digest("b_124_Am.wav")
    rest = json.loads(
        invoke("search", "--format", "json", "--sort", "name", "--cursor", found["cursor"], "--limit", 2).stdout
    )
    assert rest["entries"][0]["corrected"] == {"tempo_bpm": 180.0}
    assert rest["entries"][1]["name"] == "d caf\udce9\x1b.wav"
    assert rest["cursor"] is None
    nothing = invoke("search", "--format", "json", "xylophone")
    assert (nothing.exit_code, json.loads(nothing.stdout)) == (0, {"entries": [], "cursor": None})


def test_csv(invoke: Invoke, process: Process, library: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(invoke("search", "--format", "csv", "--sort", "name", "-caf").stdout)))
    *_, last = rows[0]
    assert (next(iter(rows[0])), last) == ("id", "path")
    a, b, c = rows
    assert (a["path"], a["files"], a["tags"]) == ("/sounds/Kicks/a hard kick.wav", "2", "to do, used")
    assert (b["tempo_bpm"], b["key"], b["camelot"], b["corrected"]) == ("124.0", "A minor", "8A", "")
    assert (c["tempo_bpm"], c["corrected"], c["named_tempo_bpm"]) == ("90.0", "tempo_bpm=180.0", "90.0")
    raw = process("search", "--format", "csv", "caf").stdout
    assert raw.endswith(b"/sounds/d caf\xe9\x1b.wav\n")  # for programs, names are as they are


def test_pages_follow_each_other(invoke: Invoke, library: Path) -> None:
    first = invoke("search", "--format", "jsonl", "--limit", 3, "--sort", "-name")
    told = first.stderr.split("--cursor ")
    assert told[0] == "samplemind: there is more: "
    second = invoke("search", "--format", "jsonl", "--limit", 3, "--sort", "-name", "--cursor", told[1].strip())
    assert second.stderr == ""
    assert [Path(path).name[0] for path in paths(first.stdout + second.stdout)] == ["d", "c", "b", "a"]
    other = invoke("search", "--cursor", told[1].strip())
    assert other.exit_code == 2
    assert other.stderr.startswith("samplemind: the cursor is damaged, or of another query")


def test_more_than_one_page_of_the_library(invoke: Invoke, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit may be above what the library gives at once."""
    monkeypatch.setattr("samplemind.library.search.MOST", 3)
    assert len(paths(invoke("search", "--format", "jsonl", "--limit", 1000).stdout)) == 4


def test_nothing_found(invoke: Invoke, library: Path) -> None:
    for form, printed in (("table", ""), ("jsonl", "")):
        result = invoke("search", "--format", form, "xylophone")
        assert (result.exit_code, result.stdout) == (0, printed)
    assert invoke("search", "xylophone").stderr == "samplemind: nothing found\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["temppo:3"], 'samplemind: column 1: "temppo" is no field: did you mean tempo?'),
        (["kick", "tempo:x"], "samplemind: column 12: "),
        (["--formt", "json"], "there is no option --formt"),
        (["--sort", "bla"], '"bla" is no order'),
        (["--limit", "0"], "--limit"),
        (["collection:none"], "samplemind: there is no collection none"),
        (["--cursor", "é"], "samplemind: "),
    ],
)
def test_questions_that_make_no_sense(invoke: Invoke, library: Path, arguments: list[str], said: str) -> None:
    result = invoke("search", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_help(invoke: Invoke, library: Path) -> None:
    for option in ("-h", "--help"):
        result = invoke("search", option)
        assert result.exit_code == 0
        assert "--cursor" in result.stdout


def test_no_library(invoke: Invoke) -> None:
    result = invoke("search", "kick")
    assert result.exit_code == 2
    assert "samplemind scan FOLDER" in result.stderr


def test_an_answer_needs_nothing_heavy(library: Path) -> None:
    heavy = ["numba", "scipy", "soxr", "av", "soundfile", "alembic", "psycopg", "pydantic", "rich", "psutil"]
    assert loaded(["sqlalchemy", *heavy], "search", "kick") == ["sqlalchemy"]
    assert loaded(["numpy", "sqlalchemy", *heavy], "search", "--help") == []
