"""Many files among worker processes: each has its outcome, whatever happens to a worker."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import samplemind
from samplemind import AnalysisError, AudioEngine, AudioFeatures, FeatureCache
from samplemind.errors import (
    CrashError,
    FileAccessError,
    KilledError,
    LevelUnavailableError,
    LimitExceededError,
    QuarantinedError,
)
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.quarantine import quarantined
from tests.conftest import WriteWav
from tests.signals import noise, sine

TIGHT = WorkerLimits(memory_bytes=2**29, cpu_s=2, cpu_s_per_mb=0, wall_s=5, wall_s_per_mb=0)


def answers_of(engine: AudioEngine, paths: list[Path], **options: object) -> dict[str, AudioFeatures | AnalysisError]:
    found = list(engine.batch_analyze(paths, level="basic", **options))  # type: ignore[arg-type]
    answers = {Path(path).name: answer for path, answer in found}
    assert len(answers) == len(found) == len(paths)
    return answers


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "samplemind.worker" in " ".join(child.cmdline())]


def test_workers_find_what_this_process_finds(engine: AudioEngine, write_wav: WriteWav) -> None:
    paths = [write_wav(noise(0.3 + number / 10, seed=number), name=f"{number}.wav") for number in range(12)]
    with AudioEngine(cache=None) as plain:
        expected = {path.name: plain.analyze_audio(path, level="detailed") for path in paths}
    found = {Path(path).name: answer for path, answer in engine.batch_analyze(paths, level="detailed", jobs=2)}
    assert found == expected
    assert engine.stats()["analyzed"] == 12
    assert not children()


def test_what_workers_found_is_in_the_cache(engine: AudioEngine, write_wav: WriteWav) -> None:
    paths = [write_wav(noise(0.3, seed=number), name=f"{number}.wav") for number in range(5)]
    first = dict(engine.batch_analyze(paths, jobs=2))
    assert engine.stats()["cache"]["computed"] == 5
    again = dict(engine.batch_analyze(paths, jobs=2))
    assert again == first
    assert engine.stats()["analyzed"] == 5
    assert engine.stats()["from_cache"] == 5
    assert engine.analyze_audio(paths[0]) == first[str(paths[0])]


def test_series_come_through(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(noise(1.0))
    [(_, answer)] = engine.batch_analyze(path, series=True, jobs=1)
    assert isinstance(answer, AudioFeatures)
    expected = engine.analyze_audio(path, series=True)
    assert answer.series is not None
    assert expected.series is not None
    assert answer.series.keys() == expected.series.keys()
    assert all((answer.series[name] == expected.series[name]).all() for name in expected.series)


@pytest.mark.usefixtures("misbehaving")
@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space and processor time")
def test_a_file_that_kills_its_worker_costs_that_file(engine: AudioEngine, write_wav: WriteWav) -> None:
    names = ["segfault", "exit", "hang", "spin", "memory", "resident", "once", *map(str, range(20))]
    paths = [write_wav(sine(200 + 10 * number, 0.2), name=f"{name}.wav") for number, name in enumerate(names)]
    answers = answers_of(engine, paths, jobs=2, worker_limits=TIGHT)
    crashed = {name: answer.reason for name, answer in answers.items() if isinstance(answer, CrashError)}
    assert crashed == {
        "segfault.wav": "crashed: Segmentation fault",
        "exit.wav": "crashed with exit status 3: something is wrong",
        "hang.wav": "took longer than 5 s",
        "spin.wav": "used more than 2 s of processor time",
        "memory.wav": "needed more than 0.5 GiB of memory",
        "resident.wav": "needed more than 0.5 GiB of memory",
    }
    assert sum(isinstance(answer, AudioFeatures) for answer in answers.values()) == 21

    again = answers_of(engine, paths, jobs=2, worker_limits=TIGHT)
    assert {name for name, answer in again.items() if isinstance(answer, QuarantinedError)} == crashed.keys()
    assert all(crashed[name] in str(again[name]) for name in crashed)
    touched = next(path for path in paths if path.name == "exit.wav")
    os.utime(touched, (1, 1))
    [(_, answer)] = engine.batch_analyze(touched, level="basic", jobs=1, worker_limits=TIGHT)
    assert type(answer) is CrashError
    segfault = next(path for path in paths if path.name == "segfault.wav")
    [(_, answer)] = engine.batch_analyze(segfault, level="basic", jobs=1, retry_quarantined=True)
    assert type(answer) is CrashError


@pytest.mark.usefixtures("misbehaving")
def test_isolated_analysis_raises_what_happened(engine: AudioEngine, write_wav: WriteWav) -> None:
    good, bad = write_wav(noise(0.2), name="good.wav"), write_wav(noise(0.2), name="segfault.wav")
    assert engine.analyze_audio(good, isolate=True) == engine.analyze_audio(good)
    assert samplemind.analyze(good, isolate=True) == engine.analyze_audio(good)
    with pytest.raises(CrashError, match="Segmentation fault"):
        engine.analyze_audio(bad, isolate=True)
    with pytest.raises(FileAccessError, match="no such file"):
        engine.analyze_audio(good.with_name("missing.wav"), isolate=True)


@pytest.mark.usefixtures("misbehaving")
def test_a_quarantined_file_is_not_let_into_this_process(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(noise(0.2), name="segfault.wav")
    with pytest.raises(CrashError) as caught:
        engine.analyze_audio(path, isolate=True, level="basic")
    assert type(caught.value) is CrashError
    for isolate in (False, True):
        with pytest.raises(QuarantinedError, match="not tried again: crashed: Segmentation fault"):
            engine.analyze_audio(path, isolate=isolate, level="basic")
        with pytest.raises(QuarantinedError):
            engine.analyze_audio(path, isolate=isolate, series=True)
    [(_, answer)] = engine.batch_analyze(path, level="basic", jobs=0)
    assert type(answer) is QuarantinedError
    with pytest.raises(CrashError) as caught:
        engine.analyze_audio(path, isolate=True, level="basic", retry_quarantined=True)
    assert type(caught.value) is CrashError
    assert engine.analyze_audio(path, level="basic", retry_quarantined=True).duration_s == 0.2  # here it is harmless


@pytest.mark.usefixtures("misbehaving")
def test_an_isolated_file_may_cost_what_the_caller_says(engine: AudioEngine, write_wav: WriteWav) -> None:
    with pytest.raises(CrashError, match="took longer than 1 s"):
        engine.analyze_audio(write_wav(noise(0.2), name="hang.wav"), isolate=True, worker_limits=WorkerLimits(wall_s=1))


def test_errors_keep_their_type_and_reason(tmp_path: Path, write_wav: WriteWav) -> None:
    from samplemind.settings import Settings

    path = write_wav(noise(2.0))
    with AudioEngine(cache=FeatureCache.at(tmp_path / "c"), settings=Settings(max_duration_s=1.0)) as engine:
        [(_, answer)] = engine.batch_analyze(path, jobs=1)
        with pytest.raises(LimitExceededError) as caught:
            engine.analyze_audio(path)
    assert type(answer) is LimitExceededError
    assert answer.reason == caught.value.reason


def test_a_level_that_is_not_there_is_told_at_once(engine: AudioEngine) -> None:
    with pytest.raises(LevelUnavailableError):
        list(engine.batch_analyze(["missing.wav"], level="professional"))
    assert not children()


def test_leaving_early_ends_the_workers(engine: AudioEngine, write_wav: WriteWav) -> None:
    paths = [write_wav(noise(5.0, seed=number), name=f"{number}.wav") for number in range(30)]
    answers = engine.batch_analyze(paths, jobs=2)
    next(answers)
    assert children()
    started = time.monotonic()
    answers.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 2
    assert not children()


def test_paths_are_read_as_they_are_needed(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(noise(0.1))
    read = 0

    def endless() -> Iterator[Path]:
        nonlocal read
        while True:
            read += 1
            yield path

    for done, _ in enumerate(engine.batch_analyze(endless(), level="basic", jobs=2)):
        if done == 5000:
            break
    assert read < 7000


def test_an_error_in_the_paths_reaches_the_caller(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(noise(0.1))

    def broken() -> Iterator[Path]:
        yield path
        raise ZeroDivisionError("no more paths")

    with pytest.raises(ZeroDivisionError, match="no more paths"):
        list(engine.batch_analyze(broken(), jobs=2))
    assert not children()


@pytest.mark.usefixtures("misbehaving")
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_who_kills_workers_says_nothing_of_files(engine: AudioEngine, write_wav: WriteWav) -> None:
    names = ["killed", "shot", *map(str, range(10))]
    paths = [write_wav(sine(200 + 10 * number, 0.2), name=f"{name}.wav") for number, name in enumerate(names)]
    answers = answers_of(engine, paths, jobs=1)
    error = answers.pop("killed.wav")
    assert type(error) is KilledError
    assert "killed 10 times in a row" in error.reason
    assert all(isinstance(answer, AudioFeatures) for answer in answers.values())
    assert paths[1].with_name("shot.wav.times").read_text() == "x" * 6
    killed = paths[0].with_name("killed.wav")
    assert engine.cache is not None
    assert quarantined(str(killed), engine.cache) is None


@pytest.mark.usefixtures("misbehaving")
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_who_kills_workers_before_they_are_ready_does_not_end_the_batch(
    engine: AudioEngine, write_wav: WriteWav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOT_STARTS", str(tmp_path / "starts"))
    [(_, answer)] = engine.batch_analyze(write_wav(noise(0.2)), level="basic", jobs=1)
    assert isinstance(answer, AudioFeatures)
    assert (tmp_path / "starts.times").read_text() == "x" * 6


@pytest.mark.usefixtures("misbehaving")
def test_what_is_done_does_not_wait_for_what_takes_long(engine: AudioEngine, write_wav: WriteWav) -> None:
    names = [f"{number:02}" for number in range(60)]
    names[7] = "07 waiting"
    paths = [write_wav(sine(200 + 10 * number, 0.2), name=f"{name}.wav") for number, name in enumerate(names)]
    patience = WorkerLimits(wall_s=20, wall_s_per_mb=0)
    answers = engine.batch_analyze(paths, level="basic", jobs=1, worker_limits=patience)
    first = dict(itertools.islice(answers, 7))
    assert sorted(first) == [*map(str, paths[:7])]  # the eighth is in a group with them
    assert engine.cache is not None
    assert sum(key.startswith("audio/") for key, _ in engine.cache.tiers[1].items()) == 7
    paths[7].with_name(f"{paths[7].name}.go").touch()
    rest = dict(answers)
    assert rest.keys() == {*map(str, paths[7:])}
    assert all(isinstance(answer, AudioFeatures) for answer in rest.values())


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_killed_workers_lose_nothing(write_wav: WriteWav) -> None:
    path = str(write_wav(noise(1.0)))
    over = threading.Event()
    killed = 0

    def kill() -> None:
        nonlocal killed
        while not over.wait(2):
            for child in random.sample(children(), 1) if children() else []:
                child.kill()
                killed += 1

    killer = threading.Thread(target=kill)
    count = 0

    def paths() -> Iterator[str]:
        nonlocal count
        while killed < 3:
            count += 1
            yield path

    answers = []
    with AudioEngine(cache=None) as engine:
        try:
            for _, answer in engine.batch_analyze(paths(), level="basic", jobs=2):
                answers.append(answer)
                if not killer.ident:
                    killer.start()
        finally:
            over.set()
            killer.join()
    assert len(answers) == count
    assert all(isinstance(answer, AudioFeatures) for answer in answers)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death is told by Linux")
def test_workers_end_with_their_parent(write_wav: WriteWav) -> None:
    path = write_wav(noise(5.0))
    code = (
        "import itertools, sys; from samplemind import AudioEngine;"
        "answers = AudioEngine(cache=None).batch_analyze(itertools.repeat(sys.argv[1]), jobs=2);"
        "next(answers); print('going', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "going\n"
        workers = psutil.Process(parent.pid).children()
        assert workers
        parent.kill()
        gone, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    assert gone
