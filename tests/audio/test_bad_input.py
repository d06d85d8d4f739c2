"""Whatever a file is, the answer is a typed error or sound: never a crash, a hang or an invention."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from samplemind.audio import open_audio
from samplemind.errors import (
    AnalysisError,
    DecodeError,
    EmptyAudioError,
    FileAccessError,
    InvalidSamplesError,
    UnsupportedFormatError,
)
from tests.audio.encoding import chunk, decode, riff, wav_format, write_av
from tests.signals import noise, sine

av = pytest.importorskip("av", reason="PyAV makes the files: pip install av")

PLAYLISTS = {
    "m3u": b"#EXTM3U\n#EXTINF:1,Tone\nsound.wav\n",
    "hls": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n#EXTINF:1,\nsound.wav\n#EXT-X-ENDLIST\n",
    "pls": b"[playlist]\nFile1=sound.wav\nNumberOfEntries=1\n",
    "concat": b"ffconcat version 1.0\nfile sound.wav\n",
    "dash": b'<?xml version="1.0"?>\n<MPD><Period><BaseURL>sound.wav</BaseURL></Period></MPD>\n',
    "asx": b'<asx version="3.0"><entry><ref href="sound.wav"/></entry></asx>\n',
    "cue": b'FILE "sound.wav" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_named_mp3_are_refused(tmp_path: Path, kind: str) -> None:
    named = tmp_path / "sound.wav"
    soundfile.write(named, sine(440, 1), 44_100)
    os.utime(named, ns=(0, 0))
    path = tmp_path / "list.mp3"
    for content in (PLAYLISTS[kind], b"ID3\x04\0\0\0\0\0\0" + PLAYLISTS[kind]):
        path.write_bytes(content)
        with pytest.raises((UnsupportedFormatError, DecodeError)):
            open_audio(path)
    assert os.stat(named).st_atime_ns == 0, "the file that the playlist names was read"
    named.read_bytes()
    if os.stat(named).st_atime_ns == 0:
        pytest.skip("this file system does not note who reads")


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match="no such file") as caught:
        open_audio(tmp_path / "missing.wav")
    assert caught.value.path == str(tmp_path / "missing.wav")
    with pytest.raises(FileAccessError, match="null"):
        open_audio("a\0b")


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match="directory"):
        open_audio(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FileAccessError, match="not a regular file"):
        open_audio(tmp_path / "fifo")


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="permissions do not bind this user")
def test_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    soundfile.write(path, sine(440, 0.1), 44_100)
    path.chmod(0)
    with pytest.raises(FileAccessError, match="permission"):
        open_audio(path)


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.mp3").touch()
    with pytest.raises(EmptyAudioError, match="0 bytes"):
        open_audio(tmp_path / "empty.mp3")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Dear diary, today I recorded nothing.\n", "text"),
        ("Liebes Tagebuch, größte Übung".encode(), "text"),
        (b"\xef\xbb\xbf# notes\r\n", "text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "Git LFS"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "not audio"),
        (b"PK\x03\x04" + bytes(200), "not audio"),
        (bytes(5000), "not audio"),
        (np.random.default_rng(0).bytes(5000), "not audio"),
    ],
)
def test_what_is_not_audio(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(content)
    with pytest.raises(UnsupportedFormatError, match=words):
        open_audio(path)


def test_film_without_sound(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as output:
        picture = output.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        output.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), format="yuv420p")))
        output.mux(picture.encode(None))
    with pytest.raises(UnsupportedFormatError, match="no sound"):
        open_audio(path)


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "caf", "ogg"])
def test_zero_frames(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, np.zeros((0, 2)), 44_100)
    # libsndfile writes the header of a FLAC file with its first frame.
    with pytest.raises(EmptyAudioError, match="0 bytes" if suffix == "flac" else "zero frames"):
        open_audio(path)


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "caf"])
def test_one_sample(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, np.array([0.5]), 44_100)
    assert decode(path)[1].tolist() == [[0.5]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("suffix", "subtype"), [("wav", "FLOAT"), ("wav", "DOUBLE"), ("aiff", "FLOAT")])
def test_not_finite(tmp_path: Path, suffix: str, subtype: str, value: float) -> None:
    samples = np.zeros((10_000, 2))
    samples[8000, 1] = value
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, samples, 8000, subtype=subtype)
    with pytest.raises(InvalidSamplesError, match=r"channel 2 at 1\.000 s"):
        decode(path, frames=1000)


def test_wav_without_samples_before_other_chunks(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(riff(wav_format(), chunk(b"data", b""), chunk(b"LIST", b"INFO" + chunk(b"INAM", b"title\0"))))
    with pytest.raises(EmptyAudioError, match="zero frames"):
        open_audio(path)


def test_floats_in_wider_containers(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(riff(wav_format(3, bits=32, align=8), chunk(b"data", struct.pack("<4f", 0.5, 0, -0.5, 0))))
    with pytest.raises(DecodeError, match="32-bit floats in 8 bytes"):
        open_audio(path)


def test_a_form_without_its_frame_is_not_audio(tmp_path: Path) -> None:
    """libsndfile would look for the sound in a neighbouring file."""
    path = tmp_path / "x.aiff"
    for form in (b"AIFF", b"AIFC", b"WAVE"):
        path.write_bytes(b"\x01UNK\0\0\0\0" + form + bytes(2000))
        with pytest.raises(UnsupportedFormatError, match="not audio"):
            open_audio(path)


def test_doubles_that_do_not_fit_are_infinite(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(riff(wav_format(3, bits=64), chunk(b"data", struct.pack("<2d", 0.5, 1e300))))
    with pytest.raises(InvalidSamplesError):
        decode(path)


def test_header_that_declares_ten_hours_over_four_kilobytes(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    ten_hours = 10 * 3600 * 8000 * 2
    path.write_bytes(riff(wav_format(), chunk(b"data", b"\1\2" * 2000, size=ten_hours)))
    info, decoded, warnings = decode(path)
    assert info.declared_frames == ten_hours // 2
    assert len(decoded) == 2000
    assert warnings == ("the header declares 36000.00 s, the file holds 0.25 s",)


def test_sizes_that_a_recorder_left_open(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    largest = (0, 2**31, 2**31 - 4096, 2**31 - 37, 2**32 - 1, 2**32 - 37)
    contents = [riff(wav_format(), chunk(b"data", b"\1\2" * 2000, size=size)) for size in largest]
    ds64 = chunk(b"ds64", b"\xff" * 24 + bytes(4))
    contents.append(riff(ds64, wav_format(), chunk(b"data", b"\1\2" * 2000, size=0xFFFFFFFF), form=b"RF64"))
    for content in contents:
        path.write_bytes(content)
        info, decoded, warnings = decode(path)
        assert (info.declared_frames, len(decoded), warnings) == (None, 2000, ())


@pytest.mark.parametrize(
    "content",
    [
        riff(),
        riff(wav_format()),
        riff(chunk(b"data", bytes(100))),
        riff(wav_format(channels=0, align=2), chunk(b"data", bytes(100))),
        riff(wav_format(sample_rate=0), chunk(b"data", bytes(100))),
        riff(wav_format())[:30],
        riff(wav_format(), chunk(b"junk", b"", size=0xFFFFFFFF), chunk(b"data", bytes(100))),
        b"RIFF\0\0\0\0WAVE" + bytes(200_000),
    ],
)
def test_wav_without_a_usable_header(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(content)
    with pytest.raises(DecodeError):
        open_audio(path)


@pytest.mark.parametrize("bits", [0, 7, 45, 65_535])
def test_wav_with_odd_bits(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(riff(wav_format(bits=bits, align=2), chunk(b"data", bytes(100))))
    try:
        info, decoded, _ = decode(path)
    except AnalysisError:
        return
    assert (info.codec, bits) == ("pcm_u8", 7)
    assert decoded.size


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "ogg", "mp3", "caf", "m4a", "wv"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated_files_keep_their_beginning(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"sound.{suffix}"
    sound = noise(3)
    if suffix in ("m4a", "wv"):
        codec = {"m4a": "aac", "wv": "wavpack"}[suffix]
        write_av(path, (sound * 2**31).astype(np.int32)[:, np.newaxis], 44_100, codec=codec, layout="mono")
    else:
        soundfile.write(path, sound, 44_100)
    whole = decode(path)[1]
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    if suffix == "m4a":  # its index comes last
        with pytest.raises(DecodeError):
            open_audio(path)
        return
    info, decoded, warnings = decode(path)
    assert 0.6 * share * len(whole) < len(decoded) < len(whole)
    np.testing.assert_array_equal(decoded[:20_000], whole[:20_000])
    if suffix in ("wav", "flac", "wv"):  # the others don't know how long they were
        assert warnings
        assert info.declared_frames == len(whole)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3", "m4a"])
def test_damage_in_the_middle_costs_no_more_than_what_follows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sound.{suffix}"
    sound = noise(5)
    if suffix == "m4a":
        write_av(path, (sound * 2**31).astype(np.int32)[:, np.newaxis], 44_100, codec="aac", layout="mono")
    else:
        soundfile.write(path, sound, 44_100)
    whole = decode(path)[1]
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(content)
    _, decoded, warnings = decode(path)
    assert len(decoded) > 0.3 * len(whole)
    np.testing.assert_array_equal(decoded[:30_000], whole[:30_000])
    if suffix in ("flac", "m4a"):  # Ogg and MP3 are made to be picked up again: their damage is heard, not told
        assert warnings


@pytest.mark.parametrize("frames", [20_000, 200_000])
@pytest.mark.parametrize("rubbish", [b"TAG" + bytes(125), b"APETAGEX" + bytes(24), bytes(5000), b"\xff\xf8" * 50])
def test_what_comes_behind_the_last_frame_of_flac_costs_nothing(tmp_path: Path, frames: int, rubbish: bytes) -> None:
    path = tmp_path / "sound.flac"
    soundfile.write(path, noise(5)[:frames], 44_100)
    whole = decode(path)[1]
    path.write_bytes(path.read_bytes() + rubbish)
    _, decoded, warnings = decode(path)
    np.testing.assert_array_equal(decoded, whole)
    assert warnings == ()


def test_flac_is_decoded_up_to_its_damage(tmp_path: Path) -> None:
    path = tmp_path / "sound.flac"
    soundfile.write(path, noise(5)[:200_000], 44_100)
    whole = decode(path)[1]
    content = bytearray(path.read_bytes())
    content[-12_000:-11_900] = bytes(100)
    path.write_bytes(content)
    _, decoded, warnings = decode(path)
    assert 190_000 - 4096 < len(decoded) < 200_000  # noise of 16 bits: hardly compressed, in frames of 4096
    np.testing.assert_array_equal(decoded, whole[: len(decoded)])
    assert "damaged" in warnings[0]


@pytest.mark.parametrize("frames", [1, 1000, 4096, 100_000])
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_blocks_have_the_size_asked_for(tmp_path: Path, suffix: str, frames: int) -> None:
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, np.stack([noise(0.2), noise(0.2, seed=1)], axis=1), 44_100)
    with open_audio(path) as audio:
        blocks = list(audio.blocks(frames))
    sizes = [len(block) for block in blocks]
    assert set(sizes[:-1]) <= {frames}
    assert 0 < sizes[-1] <= frames
    assert all(block.flags.c_contiguous and block.dtype == np.float32 for block in blocks)
    assert all(block.shape[1] == 2 for block in blocks)
    assert len({block.__array_interface__["data"][0] for block in blocks}) == len(blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), decode(path, frames=333)[1])


def test_blocks_come_once(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    soundfile.write(path, sine(440, 0.1), 44_100)
    with open_audio(path) as audio:
        with pytest.raises(ValueError, match="at least 1"):
            audio.blocks(0)
        list(audio.blocks())
        with pytest.raises(RuntimeError, match="once"):
            audio.blocks()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not delete open files")
def test_everything_is_closed(tmp_path: Path) -> None:
    """Warnings are errors here, and an unclosed file warns; PyAV's and libsndfile's count by descriptors."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("no list of open files here")
    for suffix in ("wav", "flac", "mp3", "ogg", "aiff", "m4a"):
        path = tmp_path / f"sound.{suffix}"
        if suffix == "m4a":
            write_av(path, (noise(1) * 2**31).astype(np.int32)[:, np.newaxis], 44_100, codec="aac", layout="mono")
        else:
            soundfile.write(path, noise(1), 44_100)
        content = path.read_bytes()
        middle = len(content) // 2
        damaged = (
            content,
            content[:middle],
            content[:60],
            content[:20] + bytes(100) + content[120:],
            content[:middle] + bytes(2000) + content[middle + 2000 :],
            bytes(8) + content[8:],
            b"text",
        )
        before = len(list(folder.iterdir()))
        for what in damaged:
            path.write_bytes(what)
            try:
                with open_audio(path) as audio:
                    for _ in audio.blocks(100):
                        pass
            except AnalysisError:
                pass
            assert len(list(folder.iterdir())) == before
