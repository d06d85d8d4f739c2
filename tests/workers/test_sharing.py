"""Batches that work on the same sounds at once, and paths that come slowly."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from samplemind import AudioEngine, AudioFeatures, FeatureCache
from samplemind.workers.order import REACH, Line
from tests.conftest import WriteWav
from tests.servers import RedisServer
from tests.signals import noise

BATCH = """
import sys
import pytest

from samplemind import AudioEngine, AudioFeatures, FeatureCache
with AudioEngine(cache=FeatureCache.at(sys.argv[1])) as engine:
    print(sum(hasattr(answer, "level") for _, answer in engine.batch_analyze(sys.argv[2:], jobs=2)))
"""


def test_two_batches_of_the_same_files_compute_each_sound_once(tmp_path: Path, write_wav: WriteWav) -> None:
    paths = [str(write_wav(noise(1.0, seed=number), name=f"{number}.wav")) for number in range(40)]
    command = [sys.executable, "-c", BATCH, str(tmp_path / "cache")]
    batches = [
        subprocess.Popen([*command, *order], stdout=subprocess.PIPE, text=True) for order in (paths, paths[::-1])
    ]
    assert [batch.communicate(timeout=120)[0] for batch in batches] == ["40\n", "40\n"]
    with AudioEngine(cache=FeatureCache.at(tmp_path / "cache")) as engine:
        assert engine.cache is not None
        assert engine.cache.stats_of_all().computed == 40


def test_copies_in_one_batch_are_computed_once(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(noise(3.0))
    copies = [Path(shutil.copy(path, path.with_name(f"copy {number}.wav"))) for number in range(7)]
    answers = dict(engine.batch_analyze([path, *copies], jobs=2))
    assert len(answers) == 8
    assert engine.stats()["cache"]["computed"] == 1


def test_what_comes_slowly_is_answered_as_it_comes(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(noise(0.1))
    more = threading.Event()

    def slow() -> Iterator[Path]:
        yield path
        more.wait(60)
        yield path

    answers = engine.batch_analyze(slow(), level="basic", jobs=1)
    next(answers)
    assert not more.is_set()
    more.set()
    assert len(list(answers)) == 1


def test_nobody_waits_for_paths_that_do_not_come(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(noise(0.1))
    never = threading.Event()

    def endless() -> Iterator[Path]:
        yield path
        never.wait(60)

    answers = engine.batch_analyze(endless(), level="basic", jobs=1)
    next(answers)
    started = time.monotonic()
    answers.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 5
    never.set()


def test_the_line_gives_the_largest_first_and_small_groups_at_the_end(tmp_path: Path) -> None:
    sizes = {f"{number}": number * 1000 for number in range(100)}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(bytes(size))
    line = Line(workers=2)
    for name in sizes:
        line.add(str(tmp_path / name))
    line.end()
    groups = []
    while group := line.take():
        groups.append(group)
    taken = [size for group in groups for _, size in group]
    assert taken == sorted(sizes.values(), reverse=True)
    assert len(groups[0]) == 100 // 8
    assert len(groups[-1]) == 1


def test_the_line_holds_who_adds_back() -> None:
    line = Line(workers=1)
    adding = threading.Thread(target=lambda: [line.add(f"none {number}") for number in range(3 * REACH)])
    adding.start()
    adding.join(0.5)
    assert adding.is_alive()
    taken = 0
    while taken < 3 * REACH:
        taken += len(line.take())
    adding.join()
    line.end()
    assert line.take() == []


def test_a_small_cache_keeps_what_a_batch_found(tmp_path: Path, write_wav: WriteWav) -> None:
    """What is written at once must fit: a set of entries that is larger than the file is not kept at all."""
    paths = [write_wav(noise(0.3, seed=number), name=f"{number}.wav") for number in range(60)]
    with AudioEngine(cache=FeatureCache.at(tmp_path / "cache", max_bytes=300_000)) as engine:
        assert len(list(engine.batch_analyze(paths, jobs=1))) == 60
        assert engine.cache is not None
        disk = engine.cache.tiers[1].state()
    assert 100_000 < disk.bytes <= 300_000


def test_what_redis_has_comes_into_the_file_too(tmp_path: Path, write_wav: WriteWav, redis_server: RedisServer) -> None:
    paths = [write_wav(noise(0.3, seed=number), name=f"{number}.wav") for number in range(6)]
    for machine in ("one", "other"):
        with AudioEngine(cache=FeatureCache.at(tmp_path / machine, redis_url=redis_server.url)) as engine:
            answers = [answer for _, answer in engine.batch_analyze(paths, level="basic", jobs=1)]
    assert all(isinstance(answer, AudioFeatures) for answer in answers)
    with AudioEngine(cache=FeatureCache.at(tmp_path / "other")) as engine:
        assert [answer for path in paths for _, answer in engine.batch_analyze(path, level="basic", jobs=0)]
        assert engine.stats()["analyzed"] == 0
        assert engine.stats()["from_cache"] == 6


def test_a_negative_number_of_workers_is_refused(engine: AudioEngine) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        list(engine.batch_analyze([], jobs=-1))
