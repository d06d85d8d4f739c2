"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import settings
from numpy.typing import NDArray

from samplemind.cache import FeatureCache
from samplemind.engine import AudioEngine

if TYPE_CHECKING:
    from tests.servers import RedisServer

# How long an example takes depends on the machine, and the first one may compile a kernel.
settings.register_profile("samplemind", deadline=None)
settings.load_profile("samplemind")

if hasattr(os, "register_at_fork"):
    # No child collects what it inherits. Tests leave FFmpeg's encoders behind, which end by waiting for threads of
    # theirs: in a child, where there are none, for ever.
    os.register_at_fork(before=gc.freeze, after_in_parent=gc.unfreeze)

REPOSITORY = Path(__file__).resolve().parents[1]

WriteWav = Callable[..., Path]


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of labelled real audio; tests that need it skip where it is missing."""
    folder = Path(os.environ.get("SAMPLEMIND_CORPUS", REPOSITORY.parent / "shared" / "corpus"))
    if not (folder / "labels.csv").is_file():
        pytest.skip("no labelled corpus: set SAMPLEMIND_CORPUS to its folder")
    return folder


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the user's cache, library and settings."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("SAMPLEMIND_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("SAMPLEMIND_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[AudioEngine]:
    """An engine with a cache of its own."""
    with AudioEngine(cache=FeatureCache.at(tmp_path / "cache")) as engine:
        yield engine


@pytest.fixture
def write_wav(tmp_path: Path) -> WriteWav:
    """Write samples of shape (n,) or (n, channels) to a WAV file of 32-bit floats, or another subtype."""

    def write(
        samples: NDArray[np.floating], *, name: str = "sound.wav", sample_rate: int = 44_100, subtype: str = "FLOAT"
    ) -> Path:
        path = tmp_path / name
        soundfile.write(path, samples, sample_rate, subtype=subtype)
        return path

    return write


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis server for all tests of this process that do it no harm."""
    from tests.servers import running

    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_server(_shared_redis: RedisServer) -> RedisServer:
    """An empty Redis server; skips, or fails if SAMPLEMIND_REQUIRE_SERVERS is 1, where none is installed."""
    _shared_redis.flush()
    return _shared_redis
