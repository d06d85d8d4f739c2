"""How much a file may declare, hold and cost."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from samplemind.audio import Limits, open_audio
from samplemind.audio.counting import UNCOUNTED_S
from samplemind.errors import FileAccessError, LimitExceededError, SettingsError
from tests.audio.encoding import chunk, decode, flac_of_unknown_length, ogg_opus, riff, wav_format, write_av


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


def test_wav_of_unknown_length_is_as_long_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(riff(wav_format(), chunk(b"data", bytes(8000 * 2 * 60), size=0xFFFFFFFF)))
    with pytest.raises(LimitExceededError, match="holds 60 s of sound; the limit is 10 s"):
        open_audio(path, limits=Limits(max_duration_s=10))


def test_limits_are_counted_while_decoding(tmp_path: Path) -> None:
    path = tmp_path / "sound.flac"
    path.write_bytes(flac_of_unknown_length(silent_flac(seconds=11)))
    with open_audio(path, limits=Limits(max_duration_s=9)) as audio:
        assert audio.info.declared_frames is None
        with pytest.raises(LimitExceededError, match="holds more than 11 s of sound; the limit is 9 s"):
            list(audio.blocks(1000))
        assert 4 * 8000 < audio.frames <= 9 * 8000


# What headers conceal

LONG_S = 2000
LIMITS = Limits(max_duration_s=1000)


def silent_flac(seconds: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(seconds * 8000, np.int16), 8000, format="FLAC")
    return file.getvalue()


def silence(path: Path, codec: str, container: str, *, seconds: int = LONG_S) -> bytes:
    """Silence at 8 kHz, encoded by FFmpeg."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=8000, layout="mono")
        stream.bit_rate = 8000
        if codec == "alac":
            stream.codec_context.format = "s16p"  # of 24 bits it would be large
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.sample_rate, frame.time_base = 8000, Fraction(1, 8000)
        for second in range(seconds):
            frame.pts = 8000 * second
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path.read_bytes()


def wavpack(path: Path) -> bytes:
    """Its first block says how many samples the file has."""
    content = bytearray(silence(path, "wavpack", "wv"))
    content[12:16] = struct.pack("<I", 8000)
    return bytes(content)


def of_short_packets(content: bytes) -> bytes:
    """MP4 whose packets all claim to last a two-hundredth of what they do (ISO/IEC 14496-12, 8.6.1.2)."""
    out = bytearray(content)
    table = content.index(b"stts") + 8
    for entry in range(struct.unpack_from(">I", content, table)[0]):
        position = table + 8 + 8 * entry
        struct.pack_into(">I", out, position, struct.unpack_from(">I", content, position)[0] // 200)
    return bytes(out)


BOMBS: dict[str, Callable[[Path], bytes]] = {
    "FLAC of unknown length": lambda path: flac_of_unknown_length(silent_flac(LONG_S)),
    "Opus that claims 1 s": lambda path: ogg_opus(LONG_S, declared_s=1),
    "WavPack that claims 1 s": wavpack,
    "MP3, whose length is estimated": lambda path: silence(path, "libmp3lame", "mp3"),
    "raw AAC, whose length is estimated": lambda path: silence(path, "aac", "adts"),
    "FLAC in a stream of Matroska": lambda path: silence(path, "flac", "matroska"),
    "AAC of packets that lie": lambda path: of_short_packets(silence(path, "aac", "mp4")),
    "ALAC of packets that lie": lambda path: of_short_packets(silence(path, "alac", "mp4")),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_a_header_conceals_is_counted_before_it_is_handed_on(tmp_path: Path, bomb: str) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[bomb](tmp_path / "silence"))
    assert path.stat().st_size < 5_000_000
    with open_audio(path, limits=LIMITS) as audio:
        with pytest.raises(LimitExceededError, match=r"holds more than 10\d\d.* s of sound; the limit is 1000 s"):
            list(audio.blocks(1000))
        # Its word is taken for a little while: 10 s, and 5 % more than it claims.
        assert audio.frames <= 40 * audio.info.sample_rate


@pytest.mark.parametrize("kind", ["flac of unknown length", "matroska", "wv"])
def test_counting_takes_nothing_away(tmp_path: Path, kind: str) -> None:
    path, seconds = tmp_path / "sound", UNCOUNTED_S + 10
    time = np.arange(seconds * 8000) / 8000
    tones = np.rint(np.sin(2 * np.pi * 440 * time) * time / seconds * 20_000).astype(np.int16)
    if kind == "flac of unknown length":
        file = io.BytesIO()
        soundfile.write(file, tones, 8000, format="FLAC")
        path.write_bytes(flac_of_unknown_length(file.getvalue()))
    else:
        codec = {"matroska": "flac", "wv": "wavpack"}[kind]
        left_justified = tones.astype(np.int32)[:, None] << 16
        write_av(path, left_justified, 8000, codec=codec, sample_format=SHORT[codec], container=kind, layout="mono")
    with open_audio(path, limits=Limits(max_duration_s=seconds)) as audio:
        samples = np.concatenate(list(audio.blocks()))
    assert np.array_equal(samples[:, 0] * 2**15, tones)
    assert not audio.warnings


SHORT = {"flac": "s16", "wavpack": "s16p"}


def test_encoder_delay_is_not_held_against_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp3"
    silence(path, "libmp3lame", "mp3", seconds=UNCOUNTED_S + 1)
    with open_audio(path, limits=Limits(max_duration_s=UNCOUNTED_S + 1)) as audio:  # its packets last longer
        list(audio.blocks())
    assert audio.frames == (UNCOUNTED_S + 1) * 8000


def test_another_file_is_not_counted_instead(tmp_path: Path) -> None:
    path, other = tmp_path / "sound.flac", tmp_path / "other.flac"
    path.write_bytes(flac_of_unknown_length(silent_flac(seconds=20)))
    other.write_bytes(silent_flac(seconds=1))
    with open_audio(path) as audio:
        other.replace(path)
        with pytest.raises(FileAccessError, match="changed while it was read"):
            list(audio.blocks())


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
