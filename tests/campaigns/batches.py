"""Batches over which processes die: files that kill their workers, workers that are shot, parents that are shot.

python -m tests.campaigns.batches [--files 1000] [--kills 50] [--rounds 10] [--no-dask]

The first part is done again on a Dask scheduler with two workers, which are processes of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile

from samplemind import AudioEngine, AudioFeatures, FeatureCache
from samplemind.errors import CrashError
from samplemind.workers.executors import dask_executor
from samplemind.workers.limits import WorkerLimits
from tests.workers.clusters import Dask

MISBEHAVIOUR = Path(__file__).parents[1] / "workers" / "misbehaviour"
BAD = {
    "segfault": "crashed: Segmentation fault",
    "hang": "took longer than 5 s",
    "memory": "needed more than 0.5 GiB of memory",
}
"""Files over which workers die (see `MISBEHAVIOUR`), and what is then said of them."""
_SONG_S = 30.0
"""Workers that are shot have files of this length in their hands most of the time, instead of waiting for some."""
LIMITS = WorkerLimits(memory_bytes=2**29, cpu_s=4, cpu_s_per_mb=0, wall_s=5, wall_s_per_mb=0)


def write_sounds(folder: Path, files: int, *, seconds: float = 0.2) -> list[Path]:
    """Noise of about so many seconds, no two the same."""
    paths = [folder / f"{number}.wav" for number in range(files)]
    for number, path in enumerate(paths):
        sound = np.random.default_rng(number).standard_normal(round(44_100 * seconds) + 40 * (number % 500)) * 0.1
        soundfile.write(path, sound, 44_100)
        os.utime(path, (1, 1))
    return paths


def workers() -> list[psutil.Process]:
    """This process's workers."""
    living = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    # Servers that other tests need are children, too.
    return [child for child in living if "samplemind.worker" in child.cmdline()]


@contextlib.contextmanager
def two_on_dask(folder: Path) -> Iterator[dict[str, Any]]:
    """Options for a batch on two Dask workers, whose nodes have a cache of their own."""
    folder.mkdir()
    with contextlib.closing(Dask(folder, SAMPLEMIND_CACHE_DIR=str(folder / "cache"))) as dask:
        dask.worker(path=MISBEHAVIOUR)
        dask.worker(path=MISBEHAVIOUR)
        with dask_executor(dask.address) as (executor, slots):
            executor._client.wait_for_workers(2)  # type: ignore[attr-defined]
            yield {"executor": executor, "slots": slots}


def bad_files(files: int, *, on_dask: bool = False) -> Counter[str]:
    """A batch in which some files kill their workers.

    Args:
        files: how many there are, with those.
        on_dask: on two Dask workers, instead of in two processes.

    Returns:
        How many files were analysed ("ok"), failed with the true reason ("true"), and anything else ("wrong").
    """
    found: Counter[str] = Counter()
    sys.path.insert(0, str(MISBEHAVIOUR))
    try:
        with contextlib.ExitStack() as ends:
            name = ends.enter_context(tempfile.TemporaryDirectory())
            engine = ends.enter_context(AudioEngine(cache=FeatureCache.at(f"{name}/cache")))
            where = ends.enter_context(two_on_dask(Path(name, "dask"))) if on_dask else {"jobs": 2}
            batch = write_sounds(Path(name), files)
            for number, what in enumerate(BAD):
                batch[number] = batch[number].rename(batch[number].with_stem(what))
            random.shuffle(batch)
            for path, answer in engine.batch_analyze(batch, level="basic", worker_limits=LIMITS, **where):
                reason = BAD.get(Path(path).stem)
                if isinstance(answer, AudioFeatures):
                    found["ok" if reason is None else "wrong"] += 1
                else:
                    found["true" if isinstance(answer, CrashError) and answer.reason == reason else "wrong"] += 1
    finally:
        sys.path.remove(str(MISBEHAVIOUR))
    return found


def shot_workers(files: int, kills: int, *, seconds: float = 0.2) -> Counter[str]:
    """A batch whose workers are killed at random, at times between starting and being ready.

    Args:
        files: how many there are.
        kills: how many workers die. Where that takes longer than one batch, there is another one.
        seconds: how long each sound is: those of some seconds are in hand when their worker dies.

    Returns:
        How many files were analysed ("ok") or not ("failed"), and how many workers were killed.
    """
    found: Counter[str] = Counter()
    over = threading.Event()

    def shoot() -> None:
        while found["killed"] < kills and not over.wait(random.uniform(0.3, 0.9)):  # noqa: S311  # no secret
            for worker in random.sample(workers(), 1) if workers() else []:
                worker.kill()
                found["killed"] += 1

    with tempfile.TemporaryDirectory() as name, AudioEngine(cache=None) as engine:
        paths = write_sounds(Path(name), files, seconds=seconds)
        gun = threading.Thread(target=shoot)
        rounds = 0
        while not rounds or found["killed"] < kills:
            rounds += 1
            for _, answer in engine.batch_analyze(paths, level="standard", jobs=2):
                found["ok" if isinstance(answer, AudioFeatures) else "failed"] += 1
                if not gun.ident:
                    gun.start()
        over.set()
        gun.join()
        found["lost"] = rounds * files - found["ok"] - found["failed"]
    return found


def shot_parents(files: int, rounds: int) -> Counter[str]:
    """A batch whose parent is killed at random, and then begun again until it is done.

    Returns:
        How many parents were killed, and how many stored results were computed again ("again").
    """
    found: Counter[str] = Counter()
    code = (
        "import sys; from samplemind import AudioEngine, FeatureCache\n"
        "with AudioEngine(cache=FeatureCache.at(sys.argv[1])) as engine:\n"
        "    for _ in engine.batch_analyze(sys.argv[2:], level='basic', jobs=2): print('.', end='', flush=True)"
    )
    with tempfile.TemporaryDirectory() as name:
        paths = [*map(str, write_sounds(Path(name), files))]
        time.sleep(2.1)  # until then no file counts as settled
        for number in range(rounds):
            cache = f"{name}/cache {number}"
            command = [sys.executable, "-c", code, cache, *paths]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
                assert parent.stdout is not None
                parent.stdout.read(1)
                # What was answered a second ago is written.
                time.sleep(random.uniform(0.0, 1.5) + number % 2)  # noqa: S311  # no secret
                parent.kill()
                found["killed"] += 1
            with AudioEngine(cache=FeatureCache.at(cache)) as engine:
                assert engine.cache is not None
                stored = sum(key.startswith("audio/") for key, _ in engine.cache.tiers[1].items())
                for _, answer in engine.batch_analyze(paths, level="basic", jobs=2):
                    found["failed"] += not isinstance(answer, AudioFeatures)
                found["again"] += engine.stats()["analyzed"] - (files - stored)
                found["stored"] += stored
    return found


def main() -> None:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--no-dask", action="store_true")
    arguments = parser.parse_args()
    dask = not arguments.no_dask and importlib.util.find_spec("distributed") is not None
    expected = {"ok": arguments.files - len(BAD), "true": len(BAD)}
    good = True
    for on_dask in (False, True) if dask else (False,):
        bad = bad_files(arguments.files, on_dask=on_dask)
        print("bad files, on Dask:" if on_dask else "bad files:", dict(bad), flush=True)
        good &= bad == expected
    workers_shot = shot_workers(arguments.files // 2, arguments.kills, seconds=_SONG_S)
    print("workers shot:", dict(workers_shot), flush=True)
    parents_shot = shot_parents(arguments.files // 2, arguments.rounds)
    print("parents shot:", dict(parents_shot), flush=True)
    sys.exit(not good or any(run[what] for run in (workers_shot, parents_shot) for what in ("failed", "lost", "again")))


if __name__ == "__main__":
    main()
