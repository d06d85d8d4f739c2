"""python -m benchmarks.synth FOLDER [--items 500] [--seed 1] [--jobs 1] [--tasks tempo,beats]: a corpus in a folder."""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import sys
import time
from pathlib import Path

from benchmarks.synth.forms import TASKS
from benchmarks.synth.labels import write_labels, write_numbered


def main() -> None:
    """Render a corpus into a folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.synth", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where audio, annotations and labels.csv go")
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--tasks", default=",".join(TASKS), help="whose labels are wanted, with commas between")
    options = parser.parse_args()
    tasks = tuple(options.tasks.split(","))
    if unknown := [task for task in tasks if task not in TASKS]:
        parser.error(f"no task {unknown[0]!r}: {', '.join(TASKS)}")
    for part in ("audio", "beats", "onsets"):
        (options.folder / part).mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    write = functools.partial(write_numbered, options.folder, options.seed, tasks)
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        found = list(pool.imap(write, range(options.items), chunksize=4))
    write_labels(options.folder, (row for rows in found for row in rows))
    print(f"{options.items} items in {time.perf_counter() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
