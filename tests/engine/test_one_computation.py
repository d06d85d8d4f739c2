"""Whoever asks for the same missing thing at once gets one computation, by counting."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from samplemind import AudioEngine, AudioFeatures, FeatureCache
from tests.conftest import WriteWav
from tests.signals import music, noise

ANALYZE = """
import sys
from samplemind import AudioEngine, FeatureCache
with AudioEngine(cache=FeatureCache.at(sys.argv[1])) as engine:
    print("ready", flush=True)
    sys.stdin.readline()
    print(engine.analyze_audio(sys.argv[2]).audio_digest)
"""


def computed(engine: AudioEngine) -> int:
    return int(engine.stats()["cache"]["computed"])


def test_sixteen_threads_compute_once(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(music(2.0))
    copies = [Path(shutil.copy(path, path.with_name(f"copy {number}.wav"))) for number in range(15)]
    together = threading.Barrier(16)
    found: list[AudioFeatures] = []

    def work(own: Path) -> None:
        together.wait()
        found.append(engine.analyze_audio(own))

    threads = [threading.Thread(target=work, args=[own]) for own in (path, *copies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({features.audio_digest for features in found}) == 1
    assert len(found) == 16
    assert computed(engine) == 1


def test_engines_of_one_process_compute_once(tmp_path: Path, write_wav: WriteWav) -> None:
    path = write_wav(music(2.0))
    engines = [AudioEngine(cache=FeatureCache.at(tmp_path / "cache")) for _ in range(4)]
    together = threading.Barrier(4)

    def work(own: AudioEngine) -> None:
        together.wait()
        own.analyze_audio(path)

    threads = [threading.Thread(target=work, args=[own]) for own in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(computed(own) for own in engines) == 1
    for own in engines:
        own.close()


def test_async_tasks_compute_once(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(music(2.0))

    async def ask() -> list[AudioFeatures]:
        return await asyncio.gather(*(engine.analyze_audio_async(path) for _ in range(12)))

    assert len({features.audio_digest for features in asyncio.run(ask())}) == 1
    assert computed(engine) == 1


def test_processes_compute_once(tmp_path: Path, write_wav: WriteWav) -> None:
    path = write_wav(music(4.0))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ANALYZE, str(tmp_path / "cache"), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    digests = {process.communicate(timeout=120)[0] for process in processes}
    assert len(digests) == 1
    assert all(process.returncode == 0 for process in processes)
    with AudioEngine(cache=FeatureCache.at(tmp_path / "cache")) as engine:
        assert engine.cache is not None
        assert engine.cache.stats_of_all().computed == 1


def test_arrays_are_computed_once(engine: AudioEngine) -> None:
    samples = noise(2.0)
    together = threading.Barrier(8)
    found = []

    def work() -> None:
        together.wait()
        found.append(engine.extract(samples, 44_100, features=["mfcc", "loudness_lufs"]))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(each["mfcc"], found[0]["mfcc"]) for each in found)
    assert computed(engine) == 1
