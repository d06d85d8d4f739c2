"""What it costs to share files out: this process, a pool of one and of two, and two Dask workers on this machine.

Beside them two processes that share nothing, of which each does as it likes: more than they do, no pool of two can.

python -m benchmarks.scale [--files 2000] [--seconds 0.5] [--rounds 3] [--warm-up 5] [--no-dask]

One-shots made here, all different, analysed again and again at the level STANDARD without a cache; the clock starts
when everything has run for some seconds. The ways take turns; the table has medians, the overhead is against the first.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from benchmarks.paired import heading
from benchmarks.sounds import write_one_shots
from samplemind.audio import Limits
from samplemind.features.levels import AnalysisLevel
from samplemind.pipeline import analyze_file
from samplemind.warmup import warm_up
from samplemind.workers.batch import batch
from samplemind.workers.cluster import batch_on
from samplemind.workers.executors import dask_executor
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.process import ALLOCATION

LEVEL = AnalysisLevel.STANDARD

Way = Callable[[Iterable[str]], Generator[object, None, None]]


def in_this_process(paths: Iterable[str]) -> Generator[object, None, None]:
    """One by one, unprotected."""
    for path in paths:
        yield analyze_file(path, level=LEVEL, cache=None, limits=Limits()).features.path


def analyze_for_ever(paths: list[str], number: int, done: SimpleQueue[object]) -> None:
    """What a process by itself does; `number` says where it begins."""
    for path in in_this_process(itertools.cycle(paths[number:] + paths[:number])):
        done.put(path)


def apart(paths: Iterable[str]) -> Generator[object, None, None]:
    """Two processes that share nothing, beginning with different files of the first hundreds."""
    context = multiprocessing.get_context("spawn")
    done = context.SimpleQueue()
    some = list(itertools.islice(paths, 400))
    os.environ.update(ALLOCATION)  # as workers have it
    both = [context.Process(target=analyze_for_ever, args=(some, number, done), daemon=True) for number in (0, 200)]
    for process in both:
        process.start()
    for name in ALLOCATION:
        del os.environ[name]
    try:
        while True:
            yield done.get()
    finally:
        for process in both:
            process.kill()
            process.join()


def in_pool(workers: int) -> Way:
    """In worker processes."""
    return lambda paths: batch(
        paths, level=LEVEL, cache=None, limits=Limits(), workers=workers, worker_limits=WorkerLimits()
    )


def on_dask(paths: Iterable[str]) -> Generator[object, None, None]:
    """On two Dask workers, which are there only meanwhile: they and the scheduler would disturb the others."""
    with dask_executor("local:2") as (executor, slots):
        yield from batch_on(
            executor, paths, level=LEVEL, cache=None, limits=Limits(), worker_limits=WorkerLimits(), slots=slots
        )


def seconds_for(way: Way, paths: list[str], *, warm_up_s: float) -> float:
    """Seconds between as many outcomes as there are paths, in the midst of an endless run that went on for a while."""
    results = way(itertools.cycle(paths))
    with contextlib.closing(results):
        begun = time.perf_counter()
        next(results)
        while time.perf_counter() - begun < warm_up_s:
            next(results)
        started = time.perf_counter()
        for _ in paths:
            next(results)
        return time.perf_counter() - started


def main() -> None:
    """Make the files, take turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=float, default=5.0)
    parser.add_argument("--no-dask", action="store_true")
    arguments = parser.parse_args()
    warm_up(LEVEL)
    dask = not arguments.no_dask and importlib.util.find_spec("distributed") is not None
    compared: dict[str, Way] = {"this process": in_this_process, "pool of 1": in_pool(1), "pool of 2": in_pool(2)}
    compared["two apart"] = apart
    if dask:
        compared["Dask local:2"] = on_dask
    with tempfile.TemporaryDirectory() as name:
        paths = write_one_shots(Path(name), arguments.files, arguments.seconds)
        times: dict[str, list[float]] = {way: [] for way in compared}
        for _ in range(arguments.rounds):
            for way, run in compared.items():
                times[way].append(seconds_for(run, paths, warm_up_s=arguments.warm_up))
    heading("files/s", "ms/file", "numpy", "distributed")
    rate = {way: arguments.files / statistics.median(each) for way, each in times.items()}
    cores = {"pool of 2": 2, "two apart": 2, "Dask local:2": 2}
    for way, each in rate.items():
        overhead = 1e3 * (cores.get(way, 1) / each - 1 / rate["this process"])
        beside = f"   {overhead:+8.3f} ms of one core a file more" if way != "this process" else ""
        print(f"{way:<44} {each:10.1f}    {1e3 / each:10.3f}   {beside}")
    for two in ("pool of 2", "two apart"):
        ratio = statistics.median(one / both for one, both in zip(times["pool of 1"], times[two], strict=True))
        print(f"{two + ' / pool of 1, files/s':<44} {ratio:10.2f}")


if __name__ == "__main__":
    main()
