"""Scan, watch, set and a program that reads and writes, as processes of their own on one library."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
import soundfile
from sqlalchemy import select

from samplemind.library import corrections, places, search, tags
from samplemind.library.library import Library
from samplemind.library.model import Audio, Correction, File, Job, Root, Tag
from samplemind.library.query import parse
from samplemind.settings import Settings
from tests.cli.conftest import command_line
from tests.library.conftest import Kind
from tests.signals import noise

SOUNDS = 60
PATIENCE_S = 60.0


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT from another process there")
def test_scan_watch_set_and_a_program_share_a_library(database_kind: Kind, place: Path | str, tmp_path: Path) -> None:
    where = {"SAMPLEMIND_CACHE_DIR": str(tmp_path / "cache")}
    settings = Settings(cache_dir=tmp_path / "cache", data_dir=tmp_path / "library")
    if isinstance(place, Path):
        where["SAMPLEMIND_DATA_DIR"] = str(place.parent)
    else:
        where["SAMPLEMIND_LIBRARY_URL"] = place
        settings = Settings(cache_dir=tmp_path / "cache", library_url=place)
    environment = {**os.environ, **where}
    folder = tmp_path / "sounds"
    for name in ("scanned", "watched"):
        (folder / name).mkdir(parents=True)
    for number in range(SOUNDS):
        soundfile.write(folder / "scanned" / f"{number}.wav", noise(0.1, seed=number), 44_100)

    def start(*arguments: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command_line(*arguments), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    with Library(settings) as library:
        for _ in library.scan(folder / "scanned" / "0.wav", level="basic", jobs=0):  # something to set
            pass
        watching = start("watch", folder / "watched", "--level", "basic", "-j", "1")
        scanning = start("scan", folder / "scanned", "--level", "basic", "-j", "1")
        setting, said = None, 0
        written = found = 0
        deadline = time.monotonic() + PATIENCE_S
        while scanning.poll() is None or written < SOUNDS or found < 2 * SOUNDS:
            assert time.monotonic() < deadline, (written, found)
            if written < SOUNDS:
                sound = noise(0.1, seed=1000 + written)
                soundfile.write(folder / "watched" / f"{written}.wav", sound, 44_100)
                written += 1
            if setting is None or setting.poll() is not None:
                if setting is not None:
                    assert setting.communicate()[1] == b""
                    assert setting.returncode == 0
                    said += 1
                setting = start("set", folder / "scanned" / "0.wav", f"tempo={100 + said}")
            with library.database.writing() as session:  # the program
                some = session.scalars(select(Audio.id).order_by(Audio.id).limit(3)).all()
                tags.add_tags(session, some, ["seen"])
                corrections.correct(session, some[:1], {"kind": "loop"}, now=time.time())
            with library.database.reading() as session:
                page = search.search(session, parse("sort:name"), limit=1000, now=time.time())
                found = len(page.entries)
        assert setting is not None
        assert setting.communicate()[1] == b""
        watching.send_signal(signal.SIGINT)
        assert watching.communicate(timeout=PATIENCE_S)[1] == b""
        assert watching.returncode == 130
        assert scanning.communicate()[1] == b""
        assert scanning.returncode == 0

        with library.database.reading() as session:
            paths = session.execute(select(Root.path, File.path).join(Root)).all()
            assert len(paths) == len(set(paths)) == 2 * SOUNDS
            (first,) = places.audio_ids(session, [str(folder / "scanned" / "0.wav")])
            assert session.get_one(Audio, first).tempo_bpm == 100 + said
            assert session.scalars(select(Correction.value).where(Correction.field == "kind")).all() == ["loop"]
            assert session.scalars(select(Tag.audio_id)).all()
            assert set(session.scalars(select(Job.state))) == {"done"}
    if database_kind == "sqlite" and isinstance(place, Path):
        connection = sqlite3.connect(place)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
