"""A second scan of unchanged one-shots against the first, and what the library adds to analysing them.

python -m benchmarks.scanning [--files 100000] [--seconds 0.3] [--jobs 2]

The scans go into a new library with a new cache; processor time is this process's own, beside its workers'.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.paired import heading
from benchmarks.sounds import write_one_shots
from samplemind.library.account import Totals
from samplemind.library.library import Library
from samplemind.settings import Settings


def scan(place: Path, sounds: Path, jobs: int) -> tuple[Totals, float, float]:
    """Scan a folder, as a process of its own would.

    Returns:
        The totals, and the seconds that it took: by the clock, and of this process's processor time.
    """
    settings = Settings(cache_dir=place / "cache", cache_max_bytes=2**40, data_dir=place)
    started, used = time.perf_counter(), time.process_time()
    with Library(settings) as library:
        found = library.scan(sounds, jobs=jobs)
        for _ in found:
            pass
    return found.totals, time.perf_counter() - started, time.process_time() - used


def main() -> None:
    """Make the files, and scan them three times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    heading("seconds", "of CPU")
    with tempfile.TemporaryDirectory() as name:
        sounds = Path(name) / "sounds"
        sounds.mkdir()
        write_one_shots(sounds, arguments.files, arguments.seconds)
        time.sleep(2.1)  # until then nobody knows whether a file will change again
        first = 0.0
        for number in range(3):
            totals, seconds, used = scan(Path(name), sounds, arguments.jobs)
            first = first or seconds
            what = f"scan {number + 1}: {totals.analyzed:,} analysed, {totals.unchanged:,} unchanged"
            print(f"{what:<50} {seconds:11.2f} s {used:11.2f} s   {seconds / first:8.4f} = 1/{first / seconds:.1f}")
        renamed = arguments.files // 10
        for number in range(renamed):
            (sounds / f"{number:07}.wav").rename(sounds / f"renamed {number:07}.wav")
        totals, seconds, used = scan(Path(name), sounds, arguments.jobs)
        what = f"{renamed:,} renamed: {totals.analyzed:,} analysed, {totals.known:,} moved"
        print(f"{what:<50} {seconds:11.2f} s {used:11.2f} s   {seconds / first:8.4f} = 1/{first / seconds:.1f}")
        size = (Path(name) / "library.db").stat().st_size
        print(f"library.db: {size / arguments.files:,.0f} bytes a sound")


if __name__ == "__main__":
    main()
