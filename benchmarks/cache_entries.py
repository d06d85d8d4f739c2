"""What the cache's file costs with very many entries: time of a hit, a miss, a put and an eviction, and bytes.

python -m benchmarks.cache_entries [--entries 1000000] [--value-bytes 10000] [--folder FOLDER]

Five entries for each sound, of the lengths that real ones have; the longest is as long as `--value-bytes` says, and the
others in proportion.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.paired import heading
from samplemind.cache.disk import DiskTier

PER_SOUND = 5
LENGTHS = {"stat": 80, "file": 300, "like": 16, "basic": 4000, "standard": 10_000}
"""Bytes of entries with their seals, as measured with sounds of 3 s and of a minute; the last two vary by a third."""
QUESTIONS = 10_000
_VARIATION = 1 / 6
_BATCH = 50
"""Sounds in one transaction while the file is filled."""


def entries(sound: int, share: float, noise: np.random.Generator) -> dict[str, bytes]:
    """The entries of a sound.

    Args:
        sound: its number.
        share: of the real length that a value has.
        noise: what values are made of; nothing in them repeats, as in real ones.
    """

    def value(kind: str, variation: float = 0.0) -> bytes:
        return noise.bytes(round(LENGTHS[kind] * share * noise.uniform(1 - variation, 1 + variation)))

    stat, file, audio = (np.random.default_rng((sound, each)).bytes(32).hex() for each in range(3))
    return {
        f"stat/{stat[:32]}": value("stat"),
        f"file/{file}": value("file"),
        f"like/{1_000_000 + sound}/44100/2": value("like"),
        f"audio/{audio}/basic": value("basic", _VARIATION),
        f"audio/{audio}/standard": value("standard", _VARIATION),
    }


def microseconds(actions: Iterator[Callable[[], object]]) -> tuple[float, float]:
    """Median and 99th percentile of how long actions take."""
    times = []
    for action in actions:
        started = time.perf_counter_ns()
        action()
        times.append(time.perf_counter_ns() - started)
    median, late = np.percentile(np.array(times) / 1e3, (50, 99))
    return float(median), float(late)


def main() -> None:
    """Fill a file, and ask it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--value-bytes", type=int, default=LENGTHS["standard"])
    parser.add_argument("--folder", type=Path, help="where the file is made; the folder for temporary files by default")
    arguments = parser.parse_args()
    heading("p50", "p99", "blake3")
    sounds = max(1, arguments.entries // PER_SOUND)
    share = arguments.value_bytes / LENGTHS["standard"]
    needed = round(1.5 * sounds * share * sum(LENGTHS.values())) + 2**24
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        if shutil.disk_usage(name).free < needed:
            raise SystemExit(f"{needed / 2**30:.1f} GiB of disk are needed: ask for fewer or smaller entries")
        measure(DiskTier(Path(name) / "cache.sqlite", max_bytes=2**50), sounds, share)


def measure(tier: DiskTier, sounds: int, share: float) -> None:
    """Fill a tier, ask it, and print how long that took."""
    noise = np.random.default_rng(0)
    values = 0
    started = time.perf_counter()
    for first in range(0, sounds, _BATCH):
        batch: dict[str, bytes] = {}
        for sound in range(first, min(first + _BATCH, sounds)):
            batch |= entries(sound, share, noise)
        values += sum(map(len, batch.values()))
        tier.put(batch)
    state = tier.state()
    print(
        f"{state.entries} entries of {values / state.entries:.0f} bytes, {time.perf_counter() - started:.0f} s to fill"
    )
    print(f"{(state.bytes - values) / state.entries:.0f} bytes for an entry beyond its value")
    questions = [
        (sound, list(entries(sound, 0.0, noise))[noise.integers(PER_SOUND)])
        for sound in map(int, noise.integers(sounds, size=min(QUESTIONS, 10 * sounds)))
    ]
    if any(tier.get(key) is None for _, key in questions[:100]):
        raise AssertionError("an entry is not there")
    line("hit", microseconds(partial(tier.get, key) for _, key in questions))
    line("miss", microseconds(partial(tier.get, f"{key}!") for _, key in questions))
    line("state", microseconds(tier.state for _ in range(20)))
    new = [entries(sounds + each, share, noise) for each in range(min(2000, sounds))]
    line("put of 5 entries", microseconds(partial(tier.put, each) for each in new))
    tier.max_bytes = tier.state().bytes
    new = [entries(sounds + len(new) + each, share, noise) for each in range(min(2000, sounds))]
    line("put of 5 entries into a full file", microseconds(partial(tier.put, each) for each in new))
    line("remove 5 entries", microseconds(partial(tier.remove, each) for each in new[: len(new) // 2]))
    evicted = tier.state().evictions
    tier.max_bytes = tier.state().bytes
    started = time.perf_counter()
    tier.put(new[0] | new[1])
    seconds = time.perf_counter() - started
    print(f"{'one put that evicts':<44} {seconds:10.2f} s   for {tier.state().evictions - evicted} entries")
    started = time.perf_counter()
    removed = tier.prune(max_bytes=tier.max_bytes // 2)
    print(f"{'prune to half':<44} {time.perf_counter() - started:10.2f} s   for {removed} entries")
    started = time.perf_counter()
    removed = tier.clear()
    print(f"{'clear':<44} {time.perf_counter() - started:10.2f} s   for {removed} entries")
    tier.close()


def line(name: str, times: tuple[float, float]) -> None:
    """Print one row."""
    print(f"{name:<44} {times[0]:10.1f} µs {times[1]:10.1f} µs")


if __name__ == "__main__":
    main()
