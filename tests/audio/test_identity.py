"""Digests: what they follow, and what they are blind to."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from blake3 import blake3

from samplemind.audio import (
    AudioDigest,
    AudioInfo,
    StatKey,
    array_digest,
    file_digest,
    is_current,
    open_audio,
    settled,
    stat_key,
)
from samplemind.errors import FileAccessError
from tests.audio.encoding import chunk, ramp
from tests.signals import noise, sine

SECOND = 1_000_000_000


def _audio_digest(path: Path, *, frames: int = 1000) -> str:
    with open_audio(path) as audio:
        digest = AudioDigest(audio.info.sample_rate, audio.info.channels)
        for block in audio.blocks(frames):
            digest.update(block)
    return digest.hexdigest()


def _declared_frames(path: Path) -> int | None:
    with open_audio(path) as audio:
        return audio.info.declared_frames


def test_file_digest_is_blake3_of_all_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for size in (0, 1, 1 << 20, (1 << 20) + 1, 3_000_000):
        content = np.random.default_rng(size).bytes(size)
        path.write_bytes(content)
        assert file_digest(path) == blake3(content).hexdigest()


def test_file_digest_follows_every_byte(tmp_path: Path) -> None:
    """Files that agree at start, middle and end differ all the same."""
    path = tmp_path / "file"
    content = bytearray(100_000)
    path.write_bytes(content)
    before = file_digest(path)
    content[33_333] = 1
    path.write_bytes(content)
    assert file_digest(path) != before


def test_missing_files_and_folders_have_no_identity(tmp_path: Path) -> None:
    for identify in (stat_key, file_digest):
        with pytest.raises(FileAccessError, match="no such file"):
            identify(tmp_path / "missing")
        with pytest.raises(FileAccessError, match="directory"):
            identify(tmp_path)


def test_stat_key_follows_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    key = stat_key(path)
    assert (key.path, key.size) == (str(path), 3)
    monkeypatch.chdir(tmp_path)
    assert stat_key("file") == key
    os.utime(path, ns=(1, 1))
    assert stat_key(path) != key
    assert hash(key) == hash(StatKey(key.path, key.size, key.mtime_ns, key.ctime_ns, key.inode))


def test_settled_after_two_seconds() -> None:
    key = StatKey("/a", 1, mtime_ns=100 * SECOND, ctime_ns=100 * SECOND, inode=1)
    assert not settled(key, 100 * SECOND)
    assert not settled(key, 102 * SECOND)
    assert settled(key, 102 * SECOND + 1)
    assert not settled(StatKey("/a", 1, 100 * SECOND, 101 * SECOND, 1), 103 * SECOND)
    assert not settled(key, 50 * SECOND)


def test_audio_digest_of_equal_sound_in_other_formats(tmp_path: Path) -> None:
    sound = ramp(44_100, 2, bits=16)
    digests = set()
    for suffix in ("wav", "flac", "aiff", "caf"):
        path = tmp_path / f"sound.{suffix}"
        soundfile.write(path, sound, 44_100, subtype="PCM_16")
        digests |= {_audio_digest(path), _audio_digest(path, frames=777)}
    assert len(digests) == 1


def test_audio_digest_follows_samples_rate_and_channels(tmp_path: Path) -> None:
    sound = noise(1).reshape(-1, 2)
    changed = sound.copy()
    changed[12_345, 1] = np.nextafter(changed[12_345, 1], np.float32(1))

    def digest(samples: np.ndarray, sample_rate: int) -> str:
        result = AudioDigest(sample_rate, samples.shape[1])
        result.update(samples)
        return result.hexdigest()

    assert len({digest(sound, 44_100), digest(changed, 44_100), digest(sound, 48_000)}) == 3
    assert digest(sound, 44_100) != digest(sound.reshape(-1, 1), 44_100)
    assert digest(np.asfortranarray(sound), 44_100) == digest(sound, 44_100)


def test_audio_digest_refuses_other_arrays() -> None:
    digest = AudioDigest(44_100, 2)
    for block in (np.zeros((5, 2)), np.zeros(5, np.float32), np.zeros((5, 3), np.float32)):
        with pytest.raises(ValueError, match="expected float32"):
            digest.update(block)


def _with_riff_info(content: bytes) -> bytes:
    content += chunk(b"LIST", b"INFO" + chunk(b"INAM", b"A new title\0"))
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]


def _with_id3(content: bytes) -> bytes:
    title = b"TIT2" + struct.pack(">I", 12) + b"\0\0" + b"\x03A new title"
    size = len(title)
    return b"ID3\x03\0\0" + bytes((0, 0, size >> 7, size & 0x7F)) + title + content


def _with_id3v1(content: bytes) -> bytes:
    return content + b"TAG" + b"A new title".ljust(125, b"\0")


def _with_vorbis_comment(content: bytes) -> bytes:
    """Put a second block of metadata, of 16 KiB padding, behind STREAMINFO."""
    assert content[:4] == b"fLaC"
    end = 8 + int.from_bytes(content[5:8], "big")
    return content[:end] + b"\x01" + (16_384).to_bytes(3, "big") + bytes(16_384) + content[end:]


@pytest.mark.parametrize(
    ("suffix", "retag"),
    [
        ("wav", _with_riff_info),
        ("mp3", _with_id3),
        ("mp3", _with_id3v1),
        ("flac", _with_id3v1),
        ("flac", _with_vorbis_comment),
    ],
)
def test_new_tags_change_the_file_and_not_the_sound(tmp_path: Path, suffix: str, retag: object) -> None:
    assert callable(retag)
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, sine(440, 1), 44_100)
    before = file_digest(path), _audio_digest(path), _declared_frames(path)
    path.write_bytes(retag(path.read_bytes()))
    after = file_digest(path), _audio_digest(path), _declared_frames(path)
    assert after[0] != before[0]
    assert after[1:] == before[1:]


def test_vorbis_comments_change_the_file_and_not_the_sound(tmp_path: Path) -> None:
    for suffix in ("flac", "ogg"):
        paths = [tmp_path / f"{title}.{suffix}" for title in ("one", "two")]
        for path in paths:
            with soundfile.SoundFile(path, "w", 44_100, 1) as file:
                file.title = path.stem
                file.write(sine(440, 1))
        assert file_digest(paths[0]) != file_digest(paths[1])
        assert _audio_digest(paths[0]) == _audio_digest(paths[1])


def test_array_digest_follows_elements_type_shape_and_rate() -> None:
    samples = noise(1)
    changed = samples.copy()
    changed[20_000] += np.float32(1e-3)
    digests = {
        array_digest(samples, 44_100),
        array_digest(changed, 44_100),
        array_digest(samples, 48_000),
        array_digest(samples.astype(np.float64), 44_100),
        array_digest(samples.view(np.int32), 44_100),
        array_digest(samples.reshape(-1, 2), 44_100),
        array_digest(samples[:0], 44_100),
    }
    assert len(digests) == 7
    assert array_digest(samples.copy(), 44_100) == array_digest(samples, 44_100.0)


def test_array_digest_is_blind_to_the_order_in_memory() -> None:
    samples = np.random.default_rng(0).standard_normal((200_000, 3)).astype(np.float32)
    expected = array_digest(samples, 44_100)
    assert array_digest(np.asfortranarray(samples), 44_100) == expected
    assert array_digest(np.ascontiguousarray(samples.T).T, 44_100) == expected
    spread = np.zeros((400_000, 3), np.float32)
    spread[::2] = samples
    assert array_digest(spread[::2], 44_100) == expected
    assert array_digest(samples[::-1], 44_100) != expected


def test_array_digest_refuses_objects() -> None:
    with pytest.raises(TypeError, match="objects"):
        array_digest(np.array([object()]), 44_100)


def test_is_current_knows_this_installation(tmp_path: Path) -> None:
    for suffix in ("wav", "flac", "mp3"):
        path = tmp_path / f"sound.{suffix}"
        soundfile.write(path, sine(440, 0.1), 44_100)
        with open_audio(path) as audio:
            info: AudioInfo = audio.info
        assert is_current(info.decoder)
        assert not is_current(info.decoder.replace("revision 1", "revision 0"))
    assert not is_current("soundfile 0.0.1, revision 1")
    assert not is_current("a-package-that-is-not-here 1.0, revision 1")
    assert not is_current("")
