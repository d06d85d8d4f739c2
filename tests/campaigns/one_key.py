"""Many processes use one key at once: nobody fails, and what is read is what somebody put, whole.

python -m tests.campaigns.one_key [--rounds 500] [--processes 16]
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

from samplemind.cache import DiskTier, FeatureCache

KEY = "audio/one/basic"
SIZES = (0, 1, 100, 3000, 10_000, 200_000)


def value(number: int) -> bytes:
    """The value that a number stands for."""
    return random.Random(number).randbytes(SIZES[number % len(SIZES)])  # noqa: S311  # no secret


def work(folder: Path, rounds: int, number: int) -> Counter[str]:
    """Put, get and remove one key.

    Returns:
        How often it was there and how often not, and how many values nobody had put.
    """
    warnings.simplefilter("error")
    values = [value(each) for each in range(60)]
    state = random.Random(number)  # noqa: S311  # no secret
    found: Counter[str] = Counter()
    for _ in range(rounds):
        # Without memory, and now and then with a new connection: what others put is to be read.
        cache = FeatureCache([DiskTier(folder / "cache.sqlite")])
        for _ in range(state.randrange(1, 4)):
            cache.put({KEY: state.choice(values)})
            if state.random() < 0.2:
                cache.tiers[0].remove([KEY])
            read = cache.get(KEY)
            found["absent" if read is None else "true" if read in values else "wrong"] += 1
        stats = cache.stats()
        found["errors"] += sum(tier.errors for tier in stats.tiers)
        found["damaged"] += stats.damaged
        cache.close()
    return found


def run(rounds: int, *, processes: int = 16) -> Counter[str]:
    """All processes at once.

    Returns:
        The sum of what they found; "failed" counts processes that ended with an error or said something.
    """
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.campaigns.one_key", "--rounds", str(rounds), "--work", folder]
        running = [
            subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for number in range(processes)
        ]
        for process in running:
            said, complaint = process.communicate()
            print(complaint, end="", file=sys.stderr)
            total["failed"] += process.returncode != 0 or bool(complaint)
            for line in said.splitlines():
                what, count = line.split("\t")
                total[what] += int(count)
    return total


def main() -> None:
    """Run the campaign, or one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        folder, number = arguments.work
        for what, count in work(Path(folder), arguments.rounds, int(number)).items():
            print(f"{what}\t{count}")
        return
    total = run(arguments.rounds, processes=arguments.processes)
    print(", ".join(f"{number} {what}" for what, number in sorted(total.items())))
    sys.exit(any(total[what] for what in ("failed", "wrong", "errors", "damaged")))


if __name__ == "__main__":
    main()
