"""Workers work alone: how many of them there are is the only thing that says how many cores are used."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
import soundfile

from samplemind.audio import Limits
from samplemind.features.levels import AnalysisLevel
from samplemind.workers.limits import WorkerLimits, available_cores
from samplemind.workers.process import WorkerProcess
from samplemind.workers.task import Task
from tests.signals import SAMPLE_RATE, music

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def threads_while_it_works(path: Path) -> set[int]:
    """Numbers of threads that a worker was seen with, from when it was ready until it had answered for a file."""
    limits = WorkerLimits()
    task = Task(
        level=AnalysisLevel.DETAILED,
        series=False,
        use_cache=False,
        cache_file=None,
        redis_url=None,
        limits=Limits(),
        memory_bytes=limits.memory_bytes,
        parent=os.getpid(),
    )
    worker = WorkerProcess(limits)
    seen: set[int] = set()
    answered = threading.Event()
    try:
        worker.begin(task)
        folder = Path(f"/proc/{worker._process.pid}/task")

        def look() -> None:
            while not answered.wait(0.005):
                seen.add(len(os.listdir(folder)))

        looking = threading.Thread(target=look)
        looking.start()
        try:
            replies = list(worker.replies([(str(path), path.stat().st_size)]))
        finally:
            answered.set()
            looking.join()
        seen.add(len(os.listdir(folder)))
    finally:
        worker.close()
    assert [reply is not None and "error" not in reply.message for reply in replies] == [True]
    return seen


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_has_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "music.flac"
    soundfile.write(path, music(20.0), SAMPLE_RATE)
    assert threads_while_it_works(path) == {1}


@pytest.mark.skipif(sys.platform != "linux" or available_cores() < 2, reason="reads /proc, where there are two cores")
def test_what_the_user_says_of_threads_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "2")
    path = tmp_path / "music.wav"
    soundfile.write(path, music(5.0), SAMPLE_RATE)
    assert min(threads_while_it_works(path)) > 1
