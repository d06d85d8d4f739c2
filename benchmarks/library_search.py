"""How long a search of the library takes, for each kind of query.

python -m benchmarks.library_search [--entries 100000] [--queries 50] [--library FILE | --url URL]

The entries are made up, always the same: names, tempi, keys and levels as in packs of samples. A query is timed from
its text to the page of 50 entries, in one process, with the database in the system's memory.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import func, insert, select

from benchmarks.paired import heading
from samplemind.library.database import Database
from samplemind.library.keys import KEYS
from samplemind.library.model import Analysis, Audio, Base, Correction, File, Root, Tag, Word
from samplemind.library.query import parse
from samplemind.library.search import Page, search
from samplemind.library.words import words

NOW: Final = 1_800_000_000.0
_BATCH: Final = 20_000
_PER_PACK: Final = 400
_SYLLABLES: Final = (
    "ka",
    "lo",
    "mi",
    "ru",
    "ne",
    "so",
    "ta",
    "vi",
    "do",
    "ze",
    "pa",
    "li",
    "gu",
    "ro",
    "sha",
    "qua",
    "fe",
)
_MOODS: Final = (
    *("dark", "deep", "hard", "soft", "warm", "dirty", "clean", "analog", "vintage", "tight", "fat", "dry", "wet"),
    *("long", "short", "bright", "lofi", "heavy", "punchy", "airy", "distorted", "metallic", "wooden", "glassy"),
    *("wide", "mono", "crisp", "smooth", "gritty", "hollow"),
)
_GENRES: Final = {"techno": 130, "house": 124, "trap": 140, "dnb": 174, "hiphop": 90, "ambient": 80, "pop": 110}
_SOUNDS: Final[tuple[tuple[str, str, str, float, bool], ...]] = (
    # folder, sound, kind, share, has a pitch
    ("Drums/Kicks", "kick", "one-shot", 0.12, False),
    ("Drums/Snares", "snare", "one-shot", 0.09, False),
    ("Drums/Claps", "clap", "one-shot", 0.05, False),
    ("Drums/Hats", "hat", "one-shot", 0.11, False),
    ("Drums/Percussion", "percussion", "one-shot", 0.11, False),
    ("Drums/Cowbells", "cowbell", "one-shot", 0.003, False),
    ("Bass/One Shots", "bass", "one-shot", 0.06, True),
    ("Synths/Pads", "pad", "one-shot", 0.04, True),
    ("Synths/Leads", "lead", "one-shot", 0.05, True),
    ("FX", "fx", "one-shot", 0.087, False),
    ("Loops/Drum Loops", "drum loop", "loop", 0.12, False),
    ("Loops/Bass Loops", "bass", "loop", 0.06, True),
    ("Loops/Melody Loops", "melody", "loop", 0.07, True),
    ("Vocals", "vocal", "loop", 0.05, True),
    ("Tracks", "synth", "track", 0.03, True),
)


def fill(database: Database, count: int) -> None:
    """Make entries, so many."""
    pick = random.Random(0)  # noqa: S311  # no secret
    packs = [f"{_made_up(pick)} {_made_up(pick)} {each}".title() for each in range(max(1, count // _PER_PACK))]
    genres = {pack: pick.choice(list(_GENRES)) for pack in packs}
    shares = [sound[3] for sound in _SOUNDS]
    with database.writing() as session:
        session.add(Root(id=1, path="/sounds", added_at=0.0))
    for start in range(0, count, _BATCH):
        rows: dict[type[Base], list[dict[str, Any]]] = {
            table: [] for table in (Audio, File, Word, Tag, Correction, Analysis)
        }
        found: list[tuple[str, int]] = []
        for number in range(start + 1, min(start + _BATCH, count) + 1):
            pack = packs[number * len(packs) // (count + 1)]
            _add(rows, number, pack, genres[pack], pick.choices(_SOUNDS, shares)[0], pick)
            found += [(word, number) for word in {*words(rows[File][-1]["path"])}]
        rows[Word] = [{"word": word, "audio_id": number} for word, number in sorted(found)]
        with database.writing() as session:
            for table, values in rows.items():
                if values:
                    session.execute(insert(Base.metadata.tables[table.__tablename__]), values)


def _made_up(pick: random.Random) -> str:
    return "".join(pick.choices(_SYLLABLES, k=pick.randint(2, 4)))


def _add(
    rows: dict[type[Base], list[dict[str, Any]]],
    number: int,
    pack: str,
    genre: str,
    sound: tuple[str, str, str, float, bool],
    pick: random.Random,
) -> None:
    folder, called, kind, _, pitched = sound
    long = kind != "one-shot"
    tempo = round(pick.gauss(_GENRES[genre], 6), 2) if long and pick.random() < 0.95 else None
    key = pick.randrange(24) if pitched and pick.random() < 0.9 else None
    name = "_".join(
        [
            *(
                pack.partition(" ")[0],
                pick.choice(_MOODS).title(),
                called.title().replace(" ", ""),
                f"{number % 1000:03}",
            ),
            *([f"{tempo:.0f}"] if tempo and pick.random() < 0.7 else []),
            *([KEYS[key].short] if key is not None and pick.random() < 0.6 else []),
        ]
    )
    path = f"{pack} - {genre.title()}/{folder}/{name}.{pick.choices(('wav', 'flac', 'mp3'), (90, 5, 5))[0]}"
    gone = pick.random() < 0.02
    twice = not gone and pick.random() < 0.03
    rows[Audio].append(
        {
            "id": number,
            "digest": f"{pick.getrandbits(256):064x}",
            "added_at": NOW - 1e8 + number * 1e8 / 1e6,
            "name": path.rpartition("/")[2],
            "files_present": 0 if gone else 1 + twice,
            "level": "standard",
            "kind": kind,
            "duration_s": pick.lognormvariate({"one-shot": -0.7, "loop": 2.0, "track": 5.3}[kind], 0.6),
            "sample_rate_hz": 44_100,
            "channels": pick.choices((1, 2), (20, 80))[0],
            "tempo_bpm": tempo,
            "tempo_confidence": None if tempo is None else pick.random(),
            "key": key,
            "key_confidence": None if key is None else pick.random(),
            "loudness_lufs": pick.gauss(-13, 5) if pick.random() < 0.98 else None,
            "loudness_range_lu": abs(pick.gauss(4, 3)) if long else None,
            "true_peak_dbtp": pick.gauss(-1, 1.5),
            "spectral_centroid_hz": pick.lognormvariate(7.6, 0.7),
            "attack_s": None if long else pick.expovariate(100),
            "harmonic_ratio": pick.random(),
            "root_midi": pick.randint(24, 84) if pitched and not long else None,
        }
    )
    for copy in range(1 + twice):
        rows[File].append(
            {
                "id": 2 * number + copy,
                "root_id": 1,
                "audio_id": number,
                "path": f"Copies/{path}" if copy else path,
                "size": pick.randint(10_000, 10_000_000),
                "digest": f"{number:064x}",
                "container": path.rpartition(".")[2],
                "codec": "pcm_s24le" if path.endswith("wav") else path.rpartition(".")[2],
                "bit_depth": pick.choice((16, 24)) if path.endswith("wav") else None,
                "named_tempo_bpm": tempo and float(round(tempo)),
                "named_key": None if key is None else KEYS[key].short,
                "named_sound": called,
                "found_at": NOW,
                "missing_since": NOW if gone else None,
            }
        )
    for tag, share in (("used", 0.1), ("favourite", 0.02), ("album", 0.0005)):
        if pick.random() < share:
            rows[Tag].append({"audio_id": number, "name": tag})
    if tempo is not None and pick.random() < 0.01:
        rows[Correction].append({"audio_id": number, "field": "tempo", "value": str(tempo), "set_at": NOW})
        document = {"level": "standard", "kind": kind, "tempo_bpm": 2 * tempo, "beats_s": [pick.random()] * 200}
        rows[Analysis].append(
            {"audio_id": number, "level": "standard", "fingerprint": "f", "analyzed_at": NOW, "document": document}
        )


def queries(names: list[str]) -> Callable[[random.Random], dict[str, str]]:
    """What makes a query of each kind, another one whenever it is called.

    Args:
        names: words of packs, each of which few entries have.
    """
    sounds = [called for _, called, _, share, _ in _SOUNDS if share > 0.04 and " " not in called]

    def tempo(pick: random.Random) -> str:
        low = pick.randint(70, 180)
        return f"tempo:{low}..{low + pick.randint(2, 8)}"

    def key(pick: random.Random) -> str:
        return f"key:{pick.choice(KEYS).short}"

    def kinds(pick: random.Random) -> dict[str, str]:
        few, many, mood = pick.choice(names), pick.choice(sounds), pick.choice(_MOODS)
        order = pick.choice(("-loudness", "tempo", "name", "key", "duration"))
        camelot = pick.choice(KEYS).camelot
        return {
            "a word of many entries": many,
            "a word of few": few,
            "beginnings of words": f"{many[:2]} {mood[:3]}",
            "two words": f"{many} {mood}",
            "words and a pack": f"{many} {few} {mood}",
            "a range": pick.choice((tempo(pick), "loudness:>-10", "duration:<0.5", "brightness:1k..2k")),
            "keys": pick.choice((key(pick), f"key:~{camelot}", "key:minor kind:loop")),
            "kind, tempo, key": f"kind:loop {tempo(pick)} {key(pick)}",
            "much at once": f"kind:loop {tempo(pick)} key:Am,~{camelot} loudness:>-14 -tag:used",
            "near a tempo": f"tempo:~{pick.randint(70, 180)} {mood}",
            "tags": pick.choice(("tag:favourite", "tag:album", f"tag:used {many}")),
            "negations": f"-tag:used -{many} -{key(pick)}",
            "in order": f"{many} sort:{order}",
            "all in order": f"sort:{order}",
            "states": pick.choice(("is:missing", "is:duplicate", "is:corrected", f"is:corrected {key(pick)}")),
            "files": pick.choice(
                ("sound:kick", "sound:cowbell", "format:flac kind:loop", "bits:24 kind:track", "size:>9M")
            ),
            "folders": f"path:*/Kicks/*{few}*",
            "patterns of names": f"name:*{mood}*{pick.randint(100, 999)}*",
            "no index helps": pick.choice(("attack:<1ms kind:track", "harmonic:>0.999", "root:C3 range:>4")),
            "nothing there": pick.choice(("xylophone", "kick tempo:300", "kind:one-shot tempo:100..140", "tag:no")),
            "new": f"added:{pick.randint(1, 30)}d {many}",
            "everything": "",
        }

    return kinds


def main() -> None:
    """Make entries, search them, and print how long that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=50, help="of each kind")
    parser.add_argument("--library", type=Path, help="a file to keep the entries in, and to take them from")
    parser.add_argument("--url", help="an empty PostgreSQL database, or one with the entries")
    arguments = parser.parse_args()
    heading("p50", "p99", "sqlalchemy")
    with tempfile.TemporaryDirectory() as folder:
        database = Database(arguments.url or arguments.library or Path(folder) / "library.db", write_timeout_s=600.0)
        with database.reading() as session:
            there = session.scalar(select(func.count()).select_from(Audio))
        if not there:
            started = time.perf_counter()
            fill(database, arguments.entries)
            print(f"{arguments.entries} entries, {time.perf_counter() - started:.0f} s to make them")
        measure(database, arguments.queries)
        database.close()


def measure(database: Database, count: int) -> None:
    """Search, and print a line for each kind of query."""
    with database.reading() as session:
        names = session.scalars(select(Audio.name).where(Audio.id % _PER_PACK == 1)).all()
    made = queries([name.partition("_")[0].lower() for name in names])
    pick = random.Random(1)  # noqa: S311  # no secret
    some = [made(pick) for _ in range(count)]
    every: list[float] = []
    for name in (*some[0], "later pages"):
        texts = [texts[name] for texts in some] if name in some[0] else ["kick", "kind:loop", "-tag:used sort:-tempo"]
        for text in dict.fromkeys(texts[:5]):
            timed(database, text)  # statements are compiled, and pages are in memory
        if name in some[0]:
            timings = [(timed(database, text)[0], text) for text in texts]
        else:
            timings = list(later(database, texts, count))
        times = [seconds for seconds, _ in timings]
        every += times
        longest, text = max(timings)
        print(f"{line(name, times)}   at most {longest * 1e3:.2f} ms: {text}")
    print(line("all", every))


def timed(database: Database, text: str, cursor: str | None = None) -> tuple[float, Page]:
    """How long one page takes, in seconds, and the page."""
    started = time.perf_counter()
    with database.reading() as session:
        page = search(session, parse(text), cursor=cursor, now=NOW)
    return time.perf_counter() - started, page


def later(database: Database, texts: list[str], count: int) -> Iterator[tuple[float, str]]:
    """The pages that follow."""
    cursors: dict[str, str | None] = dict.fromkeys(texts)
    for text in itertools.islice(itertools.cycle(texts), count):
        seconds, page = timed(database, text, cursors[text])
        cursors[text] = page.cursor
        yield seconds, text


def line(name: str, times: Sequence[float]) -> str:
    """One row of the table, in milliseconds."""
    median, late = np.percentile(np.array(times) * 1e3, (50, 99))
    return f"{name:<44} {median:10.2f} ms {late:10.2f} ms"


if __name__ == "__main__":
    main()
