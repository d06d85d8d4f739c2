"""Every format that the libraries can encode comes back as it went in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile

from samplemind.audio import AudioDigest, open_audio
from samplemind.audio.sniff import sniff
from samplemind.errors import UnsupportedFormatError
from tests.audio.encoding import chunk, decode, ramp, riff, wav_format, write_av
from tests.signals import sine

INTEGERS = [
    ("WAV", "PCM_U8", "wav", "pcm_u8", 8),
    ("WAV", "PCM_16", "wav", "pcm_s16le", 16),
    ("WAV", "PCM_24", "wav", "pcm_s24le", 24),
    ("WAV", "PCM_32", "wav", "pcm_s32le", 32),
    ("WAVEX", "PCM_16", "wav", "pcm_s16le", 16),
    ("WAVEX", "PCM_24", "wav", "pcm_s24le", 24),
    ("RF64", "PCM_24", "wav", "pcm_s24le", 24),
    ("W64", "PCM_16", "w64", "pcm_s16le", 16),
    ("W64", "PCM_24", "w64", "pcm_s24le", 24),
    ("AIFF", "PCM_S8", "aiff", "pcm_s8", 8),
    ("AIFF", "PCM_16", "aiff", "pcm_s16be", 16),
    ("AIFF", "PCM_24", "aiff", "pcm_s24be", 24),
    ("AIFF", "PCM_32", "aiff", "pcm_s32be", 32),
    ("CAF", "PCM_16", "caf", "pcm_s16be", 16),
    ("CAF", "PCM_24", "caf", "pcm_s24be", 24),
    ("CAF", "ALAC_16", "caf", "alac", 16),
    ("AU", "PCM_16", "au", "pcm_s16be", 16),
    ("FLAC", "PCM_S8", "flac", "flac", 8),
    ("FLAC", "PCM_16", "flac", "flac", 16),
    ("FLAC", "PCM_24", "flac", "flac", 24),
]


@pytest.mark.parametrize(("file_format", "subtype", "container", "codec", "bits"), INTEGERS)
def test_integers_convert_exactly(
    tmp_path: Path, file_format: str, subtype: str, container: str, codec: str, bits: int
) -> None:
    samples = ramp(12_345, 2, bits=bits)
    path = tmp_path / "sound"
    soundfile.write(path, samples, 44_100, format=file_format, subtype=subtype)
    info, decoded, warnings = decode(path)
    assert (info.container, info.codec, info.bit_depth) == (container, codec, bits)
    assert (info.sample_rate, info.channels) == (44_100, 2)
    assert (info.declared_frames, info.declares_exactly) == (12_345, True)
    np.testing.assert_array_equal(decoded, (samples / 2**31).astype(np.float32))
    assert warnings == ()


@pytest.mark.parametrize(
    ("file_format", "subtype", "codec"),
    [
        ("WAV", "FLOAT", "pcm_f32le"),
        ("WAV", "DOUBLE", "pcm_f64le"),
        ("WAVEX", "FLOAT", "pcm_f32le"),
        ("RF64", "FLOAT", "pcm_f32le"),
        ("W64", "DOUBLE", "pcm_f64le"),
        ("AIFF", "FLOAT", "pcm_f32be"),
        ("AIFF", "DOUBLE", "pcm_f64be"),
        ("CAF", "FLOAT", "pcm_f32be"),
    ],
)
def test_floating_point_passes_unchanged_beyond_full_scale(
    tmp_path: Path, file_format: str, subtype: str, codec: str
) -> None:
    samples = (4 * np.random.default_rng(0).standard_normal((5000, 3))).astype(np.float32)
    path = tmp_path / "sound"
    soundfile.write(path, samples, 48_000, format=file_format, subtype=subtype)
    info, decoded, _ = decode(path)
    assert info.codec == codec
    np.testing.assert_array_equal(decoded, samples)


@pytest.mark.parametrize("codec", ["ALAW", "ULAW"])
def test_companded_samples_equal_libsndfile(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "sound.wav"
    soundfile.write(path, sine(440, 0.5, sample_rate=8000), 8000, subtype=codec)
    info, decoded, _ = decode(path)
    assert (info.codec, info.bit_depth) == (f"pcm_{'mulaw' if codec == 'ULAW' else 'alaw'}", 8)
    np.testing.assert_array_equal(decoded, soundfile.read(path, dtype="float32", always_2d=True)[0])


@pytest.mark.parametrize("sample_rate", [4000, 8000, 11_025, 44_100, 48_000, 96_000, 192_000, 384_000])
@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "caf"])
def test_sample_rates(tmp_path: Path, suffix: str, sample_rate: int) -> None:
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, sine(440, 0.1, sample_rate=sample_rate), sample_rate)
    info, decoded, _ = decode(path)
    assert (info.sample_rate, len(decoded)) == (sample_rate, sample_rate // 10)


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8, 32])
@pytest.mark.parametrize("suffix", ["wav", "aiff", "caf", "flac"])
def test_channels_keep_their_order(tmp_path: Path, suffix: str, channels: int) -> None:
    if suffix == "flac" and channels > 8:
        pytest.skip("FLAC has at most 8 channels")
    samples = ramp(1000, channels, bits=16)
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, samples, 44_100, subtype="PCM_16")
    info, decoded, _ = decode(path)
    assert info.channels == channels
    np.testing.assert_array_equal(decoded, (samples / 2**31).astype(np.float32))


@pytest.mark.parametrize(
    ("suffix", "codec", "sample_format", "bits", "container", "name"),
    [
        ("m4a", "alac", "s16p", 16, "mov", "alac"),
        ("m4a", "alac", "s32p", 24, "mov", "alac"),
        ("mka", "flac", "s16", 16, "matroska", "flac"),
        ("wv", "wavpack", "s16p", 16, "wv", "wavpack"),
        ("tta", "tta", "s16", 16, "tta", "tta"),
        ("oga", "flac", "s32", 24, "ogg", "flac"),
        ("mov", "pcm_s24le", "s32", 24, "mov", "pcm_s24le"),
    ],
)
def test_lossless_by_ffmpeg_equals_wav_by_us(
    tmp_path: Path, suffix: str, codec: str, sample_format: str, bits: int, container: str, name: str
) -> None:
    samples = ramp(30_000, 2, bits=bits)
    wav = tmp_path / "sound.wav"
    soundfile.write(wav, samples, 44_100, subtype=f"PCM_{bits}")
    path = write_av(tmp_path / f"sound.{suffix}", samples, 44_100, codec=codec, sample_format=sample_format)
    info, decoded, warnings = decode(path)
    assert (info.container, info.codec, info.bit_depth) == (container, name, bits)
    np.testing.assert_array_equal(decoded, decode(wav)[1])
    assert _audio_digest(path) == _audio_digest(wav)
    assert warnings == ()


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1", "7.1"])
def test_channels_by_ffmpeg_keep_their_order(tmp_path: Path, layout: str) -> None:
    channels = {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}[layout]
    samples = ramp(40_000, channels, bits=24)
    path = write_av(tmp_path / "a.wv", samples, 48_000, codec="wavpack", sample_format="s32p", layout=layout)
    info, decoded, _ = decode(path)
    assert info.channels == channels
    np.testing.assert_array_equal(decoded, (samples / 2**31).astype(np.float32))


@pytest.mark.parametrize(
    ("suffix", "codec", "container_format", "container", "name", "sample_rate", "padding"),
    [
        ("mp3", "libmp3lame", None, "mp3", "mp3", 44_100, 0),
        ("m4a", "aac", None, "mov", "aac", 44_100, 0),
        ("mp4", "aac", None, "mov", "aac", 22_050, 0),
        ("aac", "aac", "adts", "aac", "aac", 44_100, 2 * 1024),
        ("mkv", "aac", None, "matroska", "aac", 44_100, 2 * 1024),
        ("webm", "libopus", None, "matroska", "opus", 48_000, 0),
        ("opus", "libopus", None, "ogg", "opus", 48_000, 0),
        ("wma", "wmav2", None, "asf", "wmav2", 44_100, 2048),
        ("ac3", "ac3", None, "ac3", "ac3", 48_000, 1536 + 256),
        ("mp2", "mp2", None, "mp3", "mp2", 44_100, 1152 + 481),
        ("avi", "libmp3lame", None, "avi", "mp3", 44_100, 2 * 1152),
        ("ts", "aac", "mpegts", "mpegts", "aac", 44_100, 2 * 1024),
    ],
)
def test_lossy_by_ffmpeg_keeps_pitch_and_length(
    tmp_path: Path,
    suffix: str,
    codec: str,
    container_format: str | None,
    container: str,
    name: str,
    sample_rate: int,
    padding: int,
) -> None:
    """`padding`: the encoder's delay and the rest of its last packet, where the container does not tell of them."""
    tone = sine(1000, 2, sample_rate=sample_rate)
    samples = (np.stack([tone, tone], axis=1) * 2**31).astype(np.int32)
    path = write_av(tmp_path / f"sound.{suffix}", samples, sample_rate, codec=codec, container=container_format)
    info, decoded, _ = decode(path)
    assert (info.container, info.codec, info.bit_depth) == (container, name, None)
    assert (info.sample_rate, info.channels) == (sample_rate, 2)
    assert info.decoder.startswith("av ")
    assert abs(len(decoded) - len(tone)) <= padding
    middle = decoded[sample_rate // 2 : -sample_rate // 2, 0]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(np.argmax(spectrum) * sample_rate / len(middle) - 1000) < 2
    assert np.max(np.abs(middle)) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("subtype", ["VORBIS", "MPEG_LAYER_III"])
@pytest.mark.parametrize("channels", [1, 2])
def test_gapless_formats_have_the_length_that_went_in(tmp_path: Path, subtype: str, channels: int) -> None:
    samples = np.stack([sine(440, 2)] * channels, axis=1)
    path = tmp_path / "sound"
    with soundfile.SoundFile(
        path, "w", 44_100, channels, format="OGG" if subtype == "VORBIS" else "MP3", subtype=subtype
    ) as file:
        file.write(samples)
    info, decoded, warnings = decode(path)
    assert info.codec == {"VORBIS": "vorbis", "MPEG_LAYER_III": "mp3"}[subtype]
    assert decoded.shape == samples.shape
    assert info.declared_frames == len(samples)
    assert np.corrcoef(decoded[:, 0], samples[:, 0])[0, 1] > 0.999
    assert warnings == ()


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "sound.flac"
    soundfile.write(path, sine(440, 0.1), 44_100)
    expected = decode(path)[1]
    for name in ("sound.mp3", "sound.raw", "no suffix", "concat:a|b.wav", "tüne \udcff.flac"):
        if sys.platform == "win32" and set(name) & set(":|\udcff"):
            continue
        renamed = path.rename(tmp_path / name)
        info, decoded, _ = decode(renamed)
        assert info.codec == "flac"
        np.testing.assert_array_equal(decoded, expected)
        path = renamed


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not replace open files")
@pytest.mark.parametrize("suffix", ["flac", "aiff", "caf", "ogg"])
def test_what_was_checked_is_what_is_decoded(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, other = tmp_path / f"sound.{suffix}", tmp_path / f"other.{suffix}"
    soundfile.write(path, sine(440, 1), 44_100)
    soundfile.write(other, sine(440, 2, sample_rate=8000), 8000)

    def swap(file: BinaryIO) -> str | None:
        os.replace(other, path)
        return sniff(file)

    monkeypatch.setattr("samplemind.audio.decode.sniff", swap)
    info, decoded, _ = decode(path)
    assert (info.sample_rate, len(decoded)) == (44_100, 44_100)


def test_wav_of_24_bits_in_4_bytes(tmp_path: Path) -> None:
    levels = np.array([[-96, 23_052], [8_388_607, -8_388_608]], np.int32)
    body = (levels & 0xFFFFFF).astype("<u4").tobytes()
    path = tmp_path / "sound.wav"
    path.write_bytes(riff(wav_format(1, 2, 48_000, 24, align=8), chunk(b"data", body)))
    info, decoded, _ = decode(path)
    assert (info.codec, info.bit_depth) == ("pcm_s24le", 24)
    np.testing.assert_array_equal(decoded, (levels / 2**23).astype(np.float32))


def test_wav_of_64_bit_integers(tmp_path: Path) -> None:
    levels = np.array([[-(2**63)], [2**62], [0]], "<i8")
    path = tmp_path / "sound.wav"
    path.write_bytes(riff(wav_format(bits=64), chunk(b"data", levels.tobytes())))
    assert decode(path)[1].tolist() == [[-1.0], [0.5], [0.0]]


def test_wav_chunks_around_the_samples_are_skipped(tmp_path: Path) -> None:
    samples = np.array([1000, -2000, 3000], "<i2")
    path = tmp_path / "sound.wav"
    data = chunk(b"data", samples.tobytes())
    for header in (
        (chunk(b"LIST", b"INFOISFT\x05\0\0\0abcd\0\0"), wav_format(), chunk(b"odd ", b"abc"), data),
        (wav_format(), b"odd \x03\0\0\0abc", data),  # without the padding byte
        (data, wav_format()),
        (wav_format(), data, chunk(b"LIST", b"INFO" + b"zzzz\xf8\xff\xff\xff")),  # hangs libsndfile 1.2.2
        (wav_format(), chunk(b"LIST", b"INFO" + b"zzzz\xf8\xff\xff\xff"), data),
    ):
        path.write_bytes(riff(*header))
        info, decoded, warnings = decode(path)
        assert info.declared_frames == 3
        assert decoded[:, 0].tolist() == [1000 / 32768, -2000 / 32768, 3000 / 32768]
        assert warnings == ()


def test_wav_behind_an_id3_tag(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    tag = b"ID3\x04\0\0\0\0\x01\0" + bytes(128)
    path.write_bytes(tag + riff(wav_format(), chunk(b"data", b"\1\0\2\0")))
    assert decode(path)[1].shape == (2, 1)


def test_without_pyav_everything_but_its_formats_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tone = sine(440, 1)
    m4a = write_av(tmp_path / "a.m4a", (np.stack([tone] * 2, axis=1) * 2**31).astype(np.int32), 44_100, codec="aac")
    monkeypatch.setitem(sys.modules, "av", None)
    for name in ("a.wav", "a.flac", "a.aiff", "a.ogg", "a.mp3", "a.caf"):
        soundfile.write(tmp_path / name, tone, 44_100)
        assert len(decode(tmp_path / name)[1]) == len(tone)
    with pytest.raises(UnsupportedFormatError, match="PyAV"):
        open_audio(m4a)


def test_importing_imports_no_decoder() -> None:
    code = "import sys, samplemind.audio; sys.exit(bool({'av', 'soundfile', 'scipy', 'numba'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _audio_digest(path: Path) -> str:
    with open_audio(path) as audio:
        digest = AudioDigest(audio.info.sample_rate, audio.info.channels)
        for block in audio.blocks(777):
            digest.update(block)
    return digest.hexdigest()
