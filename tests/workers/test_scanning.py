"""Scans: what is new or changed is analysed, what is not costs a look."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from samplemind import AudioEngine, AudioFeatures
from samplemind.errors import SettingsError
from samplemind.features import feature_graph
from tests.conftest import WriteWav
from tests.signals import noise


@pytest.fixture
def sounds(write_wav: WriteWav) -> list[Path]:
    """Twelve sounds that nobody has touched for more than two seconds."""
    paths = [write_wav(noise(0.2, seed=number), name=f"{number}.wav") for number in range(12)]
    time.sleep(2.1)  # a change time can't be set
    return paths


def scanned(engine: AudioEngine, paths: list[Path], **options: object) -> tuple[dict[str, object], int]:
    """Answers by name of what was new or changed, and how many files were not."""
    scan = engine.scan(paths, jobs=1, **options)  # type: ignore[arg-type]
    return {Path(outcome.path).name: outcome.answer for outcome in scan}, scan.unchanged


def test_unchanged_files_are_counted(engine: AudioEngine, sounds: list[Path], tmp_path: Path) -> None:
    first, unchanged = scanned(engine, sounds, level="basic")
    assert len(first) == 12
    assert unchanged == 0
    assert all(isinstance(answer, AudioFeatures) for answer in first.values())
    assert scanned(engine, sounds, level="basic") == ({}, 12)

    (tmp_path / "0.wav").write_bytes((tmp_path / "1.wav").read_bytes())
    os.utime(tmp_path / "2.wav", (1, 1))
    (tmp_path / "3.wav").write_bytes(b"broken")
    again, unchanged = scanned(engine, [*sounds, tmp_path / "missing.wav"], level="basic")
    assert again.keys() == {"0.wav", "2.wav", "3.wav", "missing.wav"}
    assert unchanged == 9
    assert {name for name, answer in again.items() if not isinstance(answer, AudioFeatures)} == {
        "3.wav",
        "missing.wav",
    }


def test_another_level_or_version_is_another_scan(
    engine: AudioEngine, sounds: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned(engine, sounds, level="basic")
    assert scanned(engine, sounds, level="standard")[1] == 0
    assert scanned(engine, sounds, level="basic")[1] == 12
    monkeypatch.setitem(feature_graph().fingerprints, "tempo", "another version")
    assert scanned(engine, sounds, level="basic")[1] == 0


def test_a_file_that_was_just_written_is_not_trusted(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(noise(0.2))
    assert scanned(engine, [path])[1] == 0
    assert scanned(engine, [path])[1] == 0


def test_answers_are_in_the_cache_afterwards(engine: AudioEngine, sounds: list[Path]) -> None:
    found, _ = scanned(engine, sounds)
    assert engine.analyze_audio(sounds[0]) == found["0.wav"]
    assert engine.stats()["analyzed"] == 0
    assert engine.stats()["from_cache"] == 1


def test_without_a_cache_there_is_no_scan() -> None:
    with AudioEngine(cache=None) as engine, pytest.raises(SettingsError, match="without a cache"):
        engine.scan([])
