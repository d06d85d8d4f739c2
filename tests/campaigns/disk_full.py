"""No room for the cache, no right to write it, or nothing left of it: the analysis answers, and warns once.

python -m tests.campaigns.disk_full [--rounds 5]

A limit to the size of files (Unix) stands for a full disk: there is a short write before the error. Where file systems
can be mounted, a small one in memory is filled as well, and one that can only be read is tried.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import warnings
import wave
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from samplemind import AudioEngine
from samplemind.cache import FILE_NAME, CacheWarning, FeatureCache

SMALLEST_LIMIT = 34_000
"""Bytes: enough for the index of SQLite's log, so that it is the log that has no room."""
TROUBLES = ("limit", "full", "read-only", "folder removed", "file removed", "folder replaced by a file")


def write_sounds(folder: Path, number: int, *, seed: int = 0) -> list[Path]:
    """Short sounds, no two alike."""
    noise = np.random.default_rng(seed)
    paths = [folder / f"{seed} {each}.wav" for each in range(number)]
    for path in paths:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(noise.integers(-9999, 9999, 4000, dtype=np.int16).tobytes())
    return paths


def answers(sounds: list[Path], cache: Path) -> tuple[list[float], list[str]]:
    """Analyse sounds with a cache.

    Returns:
        The answers, and what `CacheWarning` said.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CacheWarning)
        with AudioEngine(cache=FeatureCache.at(cache)) as engine:
            found = [engine.analyze_audio(sound).duration_s for sound in sounds]
    return found, [str(each.message) for each in caught if issubclass(each.category, CacheWarning)]


def run_round(trouble: str, folder: Path, *, seed: int = 0) -> Counter[str]:
    """Fill a cache, bring it into trouble, and see what becomes of it and of the answers after.

    Returns:
        What was wrong, by what should have been.
    """
    wrong: Counter[str] = Counter()
    cache = folder / "cache"
    cache.mkdir()
    before, during, after = (write_sounds(folder, 3, seed=3 * seed + each) for each in range(3))
    with _place(trouble, cache):
        wrong["no warning before"] += answers(before, cache)[1] != []
        with _trouble(trouble, cache):
            code = "from tests.campaigns.disk_full import child; child()"
            limit = SMALLEST_LIMIT + 3001 * (seed % 10)  # each stops the log in the midst of another page
            command = [sys.executable, "-c", code, trouble, str(limit), str(cache), *map(str, during)]
            found = subprocess.run(command, capture_output=True, text=True, check=False)
            wrong["answers"] += found.returncode != 0
            print(found.stderr, end="", file=sys.stderr)
            # What is gone can be made again, without a word.
            expected = "0" if "removed" in trouble else "1"
            wrong["one warning"] += found.stdout.strip() != expected
        wrong["no warning after"] += answers(after, cache)[1] != []
        with contextlib.closing(FeatureCache.at(cache)) as again:
            state = again.tiers[1].state()
            wrong["used again"] += state.entries < 3 * len(after)
        with contextlib.closing(sqlite3.connect(cache / FILE_NAME)) as connection:
            wrong["integrity"] += connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]
        wrong["nothing set aside"] += (cache / f"{FILE_NAME}.broken").exists()
    return +wrong


def child() -> None:
    """Analyse sounds in trouble, and print how often the cache warned."""
    trouble, limit, cache, *sounds = sys.argv[1:]
    if trouble == "limit":
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    first, *others = map(Path, sounds)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CacheWarning)
        with AudioEngine(cache=FeatureCache.at(cache)) as engine:
            engine.analyze_audio(first)
            if trouble == "folder removed":
                shutil.rmtree(cache)
            if trouble == "file removed":
                (Path(cache) / FILE_NAME).unlink()
            for sound in others:
                if engine.analyze_audio(sound).duration_s != 0.5:
                    raise AssertionError("another answer")
    said = [str(each.message) for each in caught if issubclass(each.category, CacheWarning)]
    print(len(said))
    if len(said) > 1:
        print(*said, sep="\n", file=sys.stderr)


@contextlib.contextmanager
def _place(trouble: str, cache: Path) -> Iterator[None]:
    """The file system that the cache is in, if it needs one of its own."""
    if trouble not in {"full", "read-only"}:
        yield
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(cache)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(cache)], check=True)


@contextlib.contextmanager
def _trouble(trouble: str, cache: Path) -> Iterator[None]:
    """What the child finds, taken back after."""
    if trouble == "full":
        ballast = cache / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        yield
        ballast.unlink()
    elif trouble == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", str(cache)], check=True)
        yield
        subprocess.run(["mount", "-o", "remount,rw", str(cache)], check=True)
    elif trouble == "folder replaced by a file":
        aside = cache.with_name("aside")
        cache.rename(aside)
        cache.touch()
        yield
        cache.unlink()
        aside.rename(cache)
    else:
        yield


def possible(trouble: str) -> bool:
    """Whether this machine can be brought into such trouble."""
    if trouble == "limit":
        return os.name == "posix"
    if trouble in {"full", "read-only"}:
        with tempfile.TemporaryDirectory() as folder:
            command = ["mount", "-t", "tmpfs", "tmpfs", folder]
            if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
                return False
            subprocess.run(["umount", folder], check=True)
    return "removed" not in trouble or os.name == "posix"  # Windows removes no open file


def run(rounds: int, *, troubles: tuple[str, ...] = TROUBLES) -> Counter[str]:
    """All that is possible, a number of times; what was wrong."""
    wrong: Counter[str] = Counter()
    for trouble in troubles:
        if not possible(trouble):
            print(f"not possible here: {trouble}")
            continue
        for seed in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                found = run_round(trouble, Path(folder), seed=seed)
            wrong += Counter({f"{trouble}: not {what}": number for what, number in found.items()})
    return wrong


def main() -> None:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    wrong = run(parser.parse_args().rounds)
    print(dict(wrong) or "nothing wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
