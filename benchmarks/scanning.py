"""A second scan of unchanged one-shots against the first.

python -m benchmarks.scanning [--files 100000] [--seconds 0.3] [--jobs 2]

The second scan's processor time is what it took this process; workers aren't started.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.paired import heading
from benchmarks.scale import write_one_shots
from samplemind import AudioEngine, FeatureCache


def scan(cache: Path, paths: list[str], jobs: int) -> tuple[int, float, float]:
    """Scan files, as a process of its own would.

    Returns:
        How many were unchanged, and the seconds that it took: by the clock, and of this process's processor time.
    """
    started, used = time.perf_counter(), time.process_time()
    with AudioEngine(cache=FeatureCache.at(cache, max_bytes=2**40)) as engine:
        found = engine.scan(paths, jobs=jobs)
        for _ in found:
            pass
    return found.unchanged, time.perf_counter() - started, time.process_time() - used


def main() -> None:
    """Make the files, and scan them three times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    heading("seconds", "of CPU")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_one_shots(folder, arguments.files, arguments.seconds)
        time.sleep(2.1)  # until then nobody knows whether a file will change again
        first = 0.0
        for number in range(3):
            unchanged, seconds, used = scan(folder / "cache", paths, arguments.jobs)
            first = first or seconds
            what = f"scan {number + 1}: {len(paths) - unchanged:,} analysed, {unchanged:,} unchanged"
            print(f"{what:<50} {seconds:11.2f} s {used:11.2f} s   {seconds / first:8.4f} = 1/{first / seconds:.1f}")


if __name__ == "__main__":
    main()
