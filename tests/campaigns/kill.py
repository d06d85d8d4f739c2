"""Processes that write to the cache are killed at any moment: the file stays whole, and every entry in it is true.

python -m tests.campaigns.kill [--rounds 200] [--seed 0]
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from samplemind.cache import FILE_NAME, DiskTier, FeatureCache
from samplemind.cache.seal import unsealed

MAX_BYTES = 3_000_000
KEYS = 2000
_PROCESSES = 3
_ALL_AT_ONCE = 0.3


def value(key: str, random_state: random.Random) -> bytes:
    """A value of some size, mostly small, of which one can see to which key it belongs."""
    return f"{key} ".encode() * random_state.choice((0, 1, 10, 100, 1000, 10_000, 50_000))


def work(folder: Path, seed: int) -> None:
    """Put, remove, prune and clear, until killed."""
    state = random.Random(seed)  # noqa: S311  # no secret
    while True:
        cache = FeatureCache.at(folder, max_bytes=MAX_BYTES)
        disk = cache.tiers[1]
        for _ in range(state.randrange(300)):
            keys = [f"key/{state.randrange(KEYS)}" for _ in range(state.randrange(1, 6))]
            cache.put({key: value(key, state) for key in keys})
            cache.get(f"key/{state.randrange(KEYS)}")
            chance = state.random()
            if chance < 0.01:
                disk.prune(max_bytes=MAX_BYTES // 2)
            elif chance < 0.015:
                disk.clear()
            elif chance < 0.1:
                disk.remove(keys)
        cache.close()


def check(folder: Path) -> Counter[str]:
    """Look at all that is there; how many entries there were, and how many things were wrong."""
    found: Counter[str] = Counter()
    path = folder / FILE_NAME
    if not path.exists():
        return Counter({"no file": 1})
    tier = DiskTier(path, MAX_BYTES)
    for key, data in tier.items():
        content = unsealed(key, data)
        whole = content is not None and content == f"{key} ".encode() * (len(content) // (len(key) + 1))
        found["entries" if whole else "damaged"] += 1
    tier.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found["bad integrity"] += connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]
    found["set aside"] += (folder / f"{FILE_NAME}.broken").exists()
    return found


def run(rounds: int, *, seed: int = 0) -> Counter[str]:
    """Start some processes, kill them at any moment and look at what they left, again and again.

    Returns:
        The sum of what was found; "errors" counts processes that said something before they were killed.
    """
    state = random.Random(seed)  # noqa: S311  # no secret
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "cache"
        running: list[subprocess.Popen[str]] = []
        for round_number in range(rounds):
            last = round_number == rounds - 1
            while len(running) < _PROCESSES:
                running.append(_worker(folder, state.randrange(2**32)))
            time.sleep(state.uniform(0, 0.3))
            # Sometimes all at once: then nobody is left who knows what is in the log.
            for _ in range(_PROCESSES if last or state.random() < _ALL_AT_ONCE else 1):
                victim = running.pop(state.randrange(len(running)))
                victim.kill()
                said = victim.communicate()[1]
                total["errors"] += bool(said)
                print(said, end="", file=sys.stderr)
                total["killed"] += 1
            total += check(folder)
    return total


def _worker(folder: Path, seed: int) -> subprocess.Popen[str]:
    """A process that has begun to work."""
    command = [sys.executable, "-m", "tests.campaigns.kill", "--work", str(folder), "--seed", str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.stdout is None or process.stdout.readline() != "working\n":
        raise RuntimeError(process.communicate()[1])
    return process


def main() -> None:
    """Run the campaign, or one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        print("working", flush=True)
        work(arguments.work, arguments.seed)
    total = run(arguments.rounds, seed=arguments.seed)
    print(", ".join(f"{number} {what}" for what, number in sorted(total.items())))
    sys.exit(any(total[what] for what in ("errors", "damaged", "bad integrity", "set aside")))


if __name__ == "__main__":
    main()
