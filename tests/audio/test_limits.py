"""How much a file may declare, hold and cost."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from samplemind.audio import Limits, open_audio
from samplemind.errors import LimitExceededError, SettingsError
from tests.audio.encoding import chunk, decode, flac_of_unknown_length, riff, wav_format


def test_limits_are_checked_on_what_is_declared(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(riff(wav_format(), chunk(b"data", b"\1\2" * 2000, size=100 * 8000 * 2)))
    with pytest.raises(LimitExceededError, match="declares 100 s of sound; the limit is 99 s"):
        open_audio(path, limits=Limits(max_duration_s=99))
    with pytest.raises(LimitExceededError, match=r"declares 100 s of sound; the limit is 99\.9999 s"):
        open_audio(path, limits=Limits(max_duration_s=99.9999))
    with pytest.raises(LimitExceededError, match=r"8000 Hz; the limits are 8001 to 384000 Hz"):
        open_audio(path, limits=Limits(min_sample_rate_hz=8001))
    with pytest.raises(LimitExceededError, match=r"8000 Hz; the limits are 100 to 7999 Hz"):
        open_audio(path, limits=Limits(max_sample_rate_hz=7999))
    with pytest.raises(LimitExceededError, match="4044 bytes; the limit is 4000"):
        open_audio(path, limits=Limits(max_bytes=4000))
    path.write_bytes(riff(wav_format(channels=33), chunk(b"data", bytes(660))))
    with pytest.raises(LimitExceededError, match="33 channels; the limit is 32"):
        open_audio(path)


def test_what_is_beyond_a_limit_by_little_looks_like_it() -> None:
    with pytest.raises(LimitExceededError, match=r"holds 0\.051 s of sound; the limit is 0\.05 s"):
        Limits(max_duration_s=0.05).check_duration("a.wav", 2206, 44_100, "holds")


def test_limits_are_counted_while_decoding(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(riff(wav_format(), chunk(b"data", bytes(8000 * 2 * 60), size=0xFFFFFFFF)))
    with open_audio(path, limits=Limits(max_duration_s=10)) as audio:
        with pytest.raises(LimitExceededError, match="holds more than"):
            list(audio.blocks(1000))
        assert audio.frames <= 10 * 8000


def test_limits_are_counted_in_compressed_silence(tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(600 * 8000, np.int16), 8000, format="FLAC")
    path = tmp_path / "sound.flac"
    path.write_bytes(flac_of_unknown_length(file.getvalue()))
    assert path.stat().st_size < 100_000
    with open_audio(path, limits=Limits(max_duration_s=10)) as audio:
        assert audio.info.declared_frames is None
        with pytest.raises(LimitExceededError, match="holds more than"):
            list(audio.blocks(1000))
        assert audio.frames <= 10 * 8000


@pytest.mark.parametrize("bounds", [{"max_channels": 0}, {"max_duration_s": -1}, {"min_sample_rate_hz": 400_000}])
def test_limits_check_themselves(bounds: dict[str, int]) -> None:
    with pytest.raises(SettingsError):
        Limits(**bounds)


def test_memory_does_not_follow_the_header(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(riff(wav_format(channels=2, sample_rate=44_100), chunk(b"data", bytes(4000), size=0xF0000000)))
    tracemalloc.start()
    decode(path, frames=1000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


PEAK_MEMORY = """
import resource, sys
from samplemind.audio import open_audio

def decode(path):
    with open_audio(path) as audio:
        for block in audio.blocks():
            pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

small, large = map(decode, sys.argv[1:])
print(large - small)
"""
"""Of the process, because the libraries take their memory where Python doesn't see it."""


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module on Windows")
@pytest.mark.parametrize("kind", ["long", "large tag"])
def test_memory_grows_neither_with_length_nor_with_tags(tmp_path: Path, kind: str) -> None:
    suffix = {"long": "flac", "large tag": "mp3"}[kind]
    small, large = tmp_path / f"small.{suffix}", tmp_path / f"large.{suffix}"
    soundfile.write(small, np.zeros(20_000, np.int16), 44_100)
    if kind == "long":
        soundfile.write(large, np.zeros(50_000_000, np.int16), 44_100)
    else:
        size = 100 * 2**20
        picture = b"APIC" + struct.pack(">I", size - 10) + b"\0\0" + b"\0image/jpeg\0\3\0"
        synchsafe = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
        with large.open("wb") as file:  # with a hole, which takes no space
            file.write(b"ID3\3\0\0" + synchsafe + picture)
            file.seek(10 + size)
            file.write(small.read_bytes())
    command = [sys.executable, "-c", PEAK_MEMORY, str(small), str(large)]
    growth = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(growth) < 30 * 2**20
