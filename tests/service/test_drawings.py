"""Drawings: made once by a worker, kept, and never more than fit."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from samplemind.audio import Limits, file_digest
from samplemind.cache import FeatureCache
from samplemind.errors import AnalysisError, CrashError, QuarantinedError, WorkerStartError
from samplemind.service import drawings
from samplemind.service.analysts import Local
from samplemind.service.drawings import Drawings
from samplemind.service.problems import Problem
from samplemind.workers.drawing import Drawing, Peaks, Spectrogram
from tests.conftest import WriteWav


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[FeatureCache]:
    made = FeatureCache.at(tmp_path / "cache")
    yield made
    made.close()


@asynccontextmanager
async def drawing(cache: FeatureCache, folder: Path, *, most: int = 2**30, **options: Any) -> AsyncIterator[Drawings]:
    previews = folder / "previews"
    previews.mkdir(exist_ok=True)
    made = Drawings(cache=cache, limits=Limits(), previews=previews, previews_max_bytes=most, **options)
    made.start()
    try:
        yield made
    finally:
        await asyncio.to_thread(made.stop)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Drawing]:
    """What workers were asked to draw."""
    asked: list[Drawing] = []
    drawn = Local.drawn

    def note(analyst: Local, path: str, size: int, what: Drawing) -> bytes:
        asked.append(what)
        return drawn(analyst, path, size, what)

    monkeypatch.setattr(Local, "drawn", note)
    return asked


def half_on(write_wav: WriteWav, name: str = "half.wav") -> tuple[str, str]:
    """A second at half of full scale and one of silence; its path and digest."""
    path = write_wav(np.repeat([0.5, 0.0], 44_100), name=name)
    return str(path), file_digest(path)


def test_a_drawing_is_made_once(cache: FeatureCache, tmp_path: Path, write_wav: WriteWav, made: list[Drawing]) -> None:
    path, digest = half_on(write_wav)

    async def scenario() -> list[bytes]:
        async with drawing(cache, tmp_path) as ours:
            together = await asyncio.gather(*(ours.draw(path, digest, Peaks(4)) for _ in range(5)))
            return [*together, await ours.draw(path, digest, Peaks(4)), await ours.draw(path, digest, Peaks(2))]

    *same, other = asyncio.run(scenario())
    assert made == [Peaks(4), Peaks(2)]
    assert len(set(same)) == 1
    assert json.loads(same[0])["maximum"] == [0.5, 0.5, 0.0, 0.0]
    assert json.loads(other)["maximum"] == [0.5, 0.0]


def test_a_drawing_outlives_the_service(
    cache: FeatureCache, tmp_path: Path, write_wav: WriteWav, made: list[Drawing]
) -> None:
    path, digest = half_on(write_wav)

    async def scenario() -> bytes:
        async with drawing(cache, tmp_path) as ours:
            return await ours.draw(path, digest, Spectrogram(8, 8))

    first = asyncio.run(scenario())
    assert first.startswith(b"\x89PNG")
    assert asyncio.run(scenario()) == first
    assert len(made) == 1


def test_a_preview_sounds_as_the_file(
    cache: FeatureCache, tmp_path: Path, write_wav: WriteWav, made: list[Drawing]
) -> None:
    path, digest = half_on(write_wav)

    async def scenario() -> list[Path]:
        async with drawing(cache, tmp_path) as ours:
            return [await ours.preview(path, digest) for _ in range(2)]

    first, second = asyncio.run(scenario())
    assert first == second == tmp_path / "previews" / f"{digest}.flac"
    samples, rate = soundfile.read(first)
    assert rate == 44_100
    assert np.abs(samples - np.repeat([0.5, 0.0], 44_100)).max() < 2**-14
    assert len(made) == 1


def test_old_previews_make_room(cache: FeatureCache, tmp_path: Path, write_wav: WriteWav) -> None:
    sounds = []
    for number in range(3):
        path = write_wav(np.random.default_rng(number).standard_normal(10_000) * 0.1, name=f"{number}.wav")
        sounds.append((str(path), file_digest(path)))

    async def scenario() -> None:
        async with drawing(cache, tmp_path, most=45_000) as ours:  # a preview has about 18 kB
            for number, (path, digest) in enumerate(sounds[:2]):
                os.utime(await ours.preview(path, digest), (number, number))
            await ours.preview(*sounds[0])  # asked for again: the other one goes first
            await ours.preview(*sounds[2])

    asyncio.run(scenario())
    left = {path.stem for path in (tmp_path / "previews").iterdir()}
    assert left == {sounds[0][1], sounds[2][1]}


def test_a_file_that_cannot_be_decoded_says_why(cache: FeatureCache, tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    path.write_bytes(b"RIFF\x00\x00\x00\x00WAVEnonsense")

    async def scenario() -> None:
        async with drawing(cache, tmp_path) as ours:
            with pytest.raises(AnalysisError):
                await ours.draw(str(path), file_digest(path), Peaks(4))
            with pytest.raises(AnalysisError):
                await ours.preview(str(path), file_digest(path))

    asyncio.run(scenario())
    assert list((tmp_path / "previews").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space and processor time")
def test_a_drawing_that_kills_its_workers_is_not_tried_again(
    cache: FeatureCache, tmp_path: Path, write_wav: WriteWav, made: list[Drawing], misbehaving: None
) -> None:
    bad, good = half_on(write_wav, "segfault.wav"), half_on(write_wav)
    bad = (bad[0], "0" * 64)  # the same sound as the other

    async def scenario() -> None:
        async with drawing(cache, tmp_path) as ours:
            for kind in (CrashError, QuarantinedError):
                with pytest.raises(kind, match="Segmentation fault"):
                    await ours.draw(*bad, Peaks(4))
            assert await ours.draw(*good, Peaks(4))

    asyncio.run(scenario())
    assert len(made) == 2


def test_too_many_drawings_are_refused(
    cache: FeatureCache,
    tmp_path: Path,
    write_wav: WriteWav,
    monkeypatch: pytest.MonkeyPatch,
    misbehaving: None,
) -> None:
    monkeypatch.setattr(drawings, "_QUEUED", 1)
    path, digest = half_on(write_wav, "hang.wav")

    async def scenario() -> list[BaseException | bytes]:
        async with drawing(cache, tmp_path) as ours:
            asked = [asyncio.create_task(ours.draw(path, digest, Peaks(points))) for points in (1, 2, 3, 4)]
            while len(open_ := [task for task in asked if not task.done()]) > 2:  # one is drawn and one waits
                await asyncio.wait(open_, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(ours.stop)
            return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(scenario())
    refused = [error for error in found if isinstance(error, Problem)]
    assert len(refused) >= 2
    assert {(problem.status, problem.code) for problem in refused} == {(503, "queue-full")}
    assert all("Retry-After" in problem.headers for problem in refused)
    # Who waited when the service stopped has heard of it.
    assert {type(error) for error in found} == {Problem, WorkerStartError}


def test_what_a_killed_service_had_begun_is_removed(cache: FeatureCache, tmp_path: Path) -> None:
    (tmp_path / "previews").mkdir()
    (tmp_path / "previews" / "abc.flac.0123.part").touch()

    async def scenario() -> None:
        async with drawing(cache, tmp_path):
            pass

    asyncio.run(scenario())
    assert list((tmp_path / "previews").iterdir()) == []
