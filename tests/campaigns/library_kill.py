"""Scans are killed at any moment, while files are renamed and corrected: the library stays whole, and loses nothing.

python -m tests.campaigns.library_kill [--files 600] [--kills 50] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from sqlalchemy import func, select

from samplemind.library import corrections
from samplemind.library.database import Database
from samplemind.library.library import Library
from samplemind.library.model import Audio, Correction, File, Tag
from samplemind.settings import Settings
from tests.campaigns.batches import write_sounds

_RENAMED = 5
"""Files that are renamed between two kills."""


def run(files: int, kills: int, *, seed: int = 0) -> Counter[str]:
    """Kill scans of a folder, then scan it to the end.

    Returns:
        How many scans were killed, how many files had been recorded and corrections set by then; and what was wrong:
        "damaged" databases, files recorded "twice", "lost" corrections, sounds analysed "again", "missing" and "failed"
        files.
    """
    state = random.Random(seed)  # noqa: S311  # no secret
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        sounds = place / "sounds"
        sounds.mkdir()
        paths = write_sounds(sounds, files)
        time.sleep(2.1)
        settings = Settings(cache_dir=place / "cache", data_dir=place / "data")
        expected: dict[str, str] = {}
        longest = 4.0
        while found["killed"] < kills or not expected:
            found["killed"] += _killed_scan(place, state.uniform(0.3, longest))
            longest *= 1.0 if expected else 1.3  # on a slow machine nothing was recorded yet
            found["damaged"] += not _is_whole(settings)
            with Library(settings) as library:
                found["lost"] += _lost(library.database, expected)
                expected |= _corrected(library.database, state)
            for path in state.sample(paths, _RENAMED):
                paths[paths.index(path)] = path.rename(path.with_name(f"{found['killed']} {path.name}"))
        with Library(settings) as library:
            cache = library.engine.cache
            stored = sum(key.startswith("audio/") for key, _ in cache.tiers[1].items()) if cache else 0
            with library.database.reading() as session:
                known = session.scalar(select(func.count()).select_from(Audio))
            scanned = library.scan(sounds, level="basic", jobs=2)
            failures = [answer for _, answer in scanned if isinstance(answer, Exception)]
            found["failed"] = len(failures)
            found["recorded"] = known or 0
            found["set"] = len(expected)
            found["lost"] += _lost(library.database, expected)
            found["again"] = library.engine.stats()["analyzed"] - (files - stored)
            with library.database.reading() as session:
                there = session.scalars(select(File.path).where(File.missing_since.is_(None))).all()
                entries = session.scalar(select(func.count()).select_from(Audio))
            found["twice"] = len(there) - len(set(there)) + (entries or 0) - files
            found["missing"] = len({path.name for path in paths} - set(there))
    return found


def _killed_scan(place: Path, seconds: float) -> bool:
    """Start a scan in a process of its own, and kill it after some time; whether it was still running."""
    environment = {
        **os.environ,
        "SAMPLEMIND_CACHE_DIR": str(place / "cache"),
        "SAMPLEMIND_DATA_DIR": str(place / "data"),
    }
    command = [sys.executable, "-m", "samplemind", "scan", str(place / "sounds"), "--level", "basic", "-j", "2"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def _is_whole(settings: Settings) -> bool:
    """Whether SQLite finds nothing wrong with the file."""
    path = settings.data_folder / "library.db"
    if not path.exists():
        return True
    connection = sqlite3.connect(path)
    try:
        problems = connection.execute("PRAGMA integrity_check").fetchall()
        problems += connection.execute("PRAGMA foreign_key_check").fetchall()
    finally:
        connection.close()
    return problems == [("ok",)]


def _corrected(database: Database, state: random.Random) -> dict[str, str]:
    """Correct and tag some entry; what was said of it, by its digest."""
    with database.writing() as session:
        entries = session.execute(select(Audio.id, Audio.digest)).all()
        if not entries:
            return {}
        entry = state.choice(entries)
        tempo = str(state.randrange(60, 200))
        corrections.correct(session, [entry.id], {"tempo": tempo}, now=time.time())
        if session.get(Tag, (entry.id, "said")) is None:
            session.add(Tag(audio_id=entry.id, name="said"))
        return {entry.digest: tempo}


def _lost(database: Database, expected: dict[str, str]) -> int:
    """How many of the corrections that were set are not there, or not what search sees."""
    with database.reading() as session:
        rows = session.execute(
            select(Audio.digest, Audio.tempo_bpm).join(Correction).join(Tag, Tag.audio_id == Audio.id)
        )
        there = {row.digest: row.tempo_bpm for row in rows}
    return sum(there.get(digest) != float(tempo) for digest, tempo in expected.items())


def main() -> None:
    """Run the campaign, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found = run(arguments.files, arguments.kills, seed=arguments.seed)
    print(dict(found))
    wrong = [what for what in ("damaged", "twice", "lost", "again", "missing", "failed") if found[what]]
    sys.exit(f"wrong: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
