"""What containers hold: films, several streams in a row, references to other files, lengths."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from samplemind.audio import open_audio
from samplemind.errors import UnsupportedFormatError
from tests.audio.encoding import box, decode, flac_of_unknown_length, mov, ramp, write_av
from tests.signals import noise, sine

av = pytest.importorskip("av", reason="PyAV makes the files: pip install av")


def test_video_beside_the_sound_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    tone = (sine(440, 1) * 2**31).astype(np.int32)
    with av.open(str(path), "w") as output:
        picture = output.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = output.add_stream("flac", rate=44_100, layout="mono")
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((96, 64), number * 10, np.uint8), format="yuv420p")
            frame.pts = number
            output.mux(picture.encode(frame))
        output.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(tone.reshape(1, -1), format="s32", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 44_100, Fraction(1, 44_100), 0
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    info, decoded, _ = decode(path)
    assert (info.container, info.codec, decoded.shape) == ("matroska", "flac", (44_100, 1))


@pytest.mark.parametrize(("codec", "sample_rate"), [("aac", 44_100), ("alac", 44_100), ("libopus", 48_000)])
@pytest.mark.parametrize("frames", [1000, 44_100, 100_001])
def test_mp4_has_the_length_that_went_in(tmp_path: Path, codec: str, sample_rate: int, frames: int) -> None:
    samples = (noise(3)[:frames, np.newaxis] * 2**31).astype(np.int32)
    path = write_av(tmp_path / "sound.mp4", samples, sample_rate, codec=codec, layout="mono")
    _, decoded, warnings = decode(path)
    assert (len(decoded), warnings) == (frames, ())


def _ogg(path: Path, sound: np.ndarray, codec: str, sample_rate: int = 48_000) -> Path:
    if codec == "vorbis":
        soundfile.write(path, sound, sample_rate, format="OGG", subtype="VORBIS")
        return path
    samples = (sound * 2**31).astype(np.int32)
    layout = "mono" if sound.shape[1] == 1 else "stereo"
    return write_av(path, samples, sample_rate, codec=codec, container="ogg", layout=layout)


def _glue(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def test_vorbis_streams_glued_together_are_decoded_to_the_end(tmp_path: Path) -> None:
    sounds = [sine(frequency, 1, sample_rate=48_000)[:, np.newaxis] for frequency in (440, 555)]
    parts = [_ogg(tmp_path / f"{number}", sound, "vorbis") for number, sound in enumerate(sounds)]
    decoded = decode(_glue(tmp_path / "whole", *parts))[1]
    assert len(decoded) == pytest.approx(2 * 48_000, abs=2 * 128)  # FFmpeg's loss at the end of each
    np.testing.assert_allclose(decoded[-20_000:-1000], decode(parts[1])[1][-20_128:-1128], atol=1e-6)


@pytest.mark.skipif(int(av.__version__.split(".")[0]) < 18, reason="does not tell where a stream begins")
@pytest.mark.parametrize("codec", ["libopus", "flac"])
def test_other_streams_glued_together_are_decoded_as_if_alone(tmp_path: Path, codec: str) -> None:
    loud, soft = noise(1)[:, np.newaxis], 0.001 * noise(1, seed=1)[:, np.newaxis]
    parts = [_ogg(tmp_path / f"{number}", sound, codec) for number, sound in enumerate((loud, soft))]
    expected = np.concatenate([decode(part)[1] for part in parts])
    _, decoded, warnings = decode(_glue(tmp_path / "whole", *parts))
    np.testing.assert_array_equal(decoded, expected)
    assert warnings == ()


@pytest.mark.parametrize(
    ("codec", "other_rate", "other_channels"),
    [("vorbis", 44_100, 1), ("vorbis", 48_000, 2), ("libopus", 48_000, 2)],
)
def test_streams_of_another_form_glued_together_are_refused(
    tmp_path: Path, codec: str, other_rate: int, other_channels: int
) -> None:
    first = _ogg(tmp_path / "first", noise(1)[:, np.newaxis], codec)
    other = _ogg(tmp_path / "other", np.stack([noise(1)] * other_channels, axis=1), codec, other_rate)
    with pytest.raises(UnsupportedFormatError, match=r"another sample rate|changes from"):
        decode(_glue(tmp_path / "whole", first, other))


@pytest.mark.parametrize("frames", [20_000, 100_000])
def test_a_change_of_channels_in_flac_is_refused(tmp_path: Path, frames: int) -> None:
    contents = []
    for channels in (2, 1):
        file = io.BytesIO()
        soundfile.write(file, np.stack([noise(3)[:frames]] * channels, axis=1), 44_100, format="FLAC")
        contents.append(file.getvalue())
    path = tmp_path / "sound.flac"
    path.write_bytes(flac_of_unknown_length(*contents))
    with pytest.raises(UnsupportedFormatError, match="channels"):
        decode(path)


@pytest.mark.parametrize("wide", [False, True])
def test_sound_in_another_file_is_refused(tmp_path: Path, wide: bool) -> None:
    samples = (ramp(1000, 1, bits=16) >> 16).astype("<i2").tobytes()
    path = tmp_path / "sound.mov"
    for inside in (box(b"url ", b"\0\0\0\1"), box(b"alis", b"\0\0\0\1"), box(b"url ", b"\0\0\0\0")):
        path.write_bytes(mov(inside, samples, wide=wide))
        _, decoded, warnings = decode(path)
        assert ((decoded * 2**15).astype("<i2").tobytes(), warnings) == (samples, ())
    for outside in (box(b"url ", bytes(4), b"file:///sound.raw\0"), box(b"alis", bytes(154))):
        path.write_bytes(mov(outside, samples, wide=wide))
        with pytest.raises(UnsupportedFormatError, match="lies in another file"):
            open_audio(path)


def test_mp4_behind_an_id3_tag(tmp_path: Path) -> None:
    samples = (ramp(1000, 1, bits=16) >> 16).astype("<i2").tobytes()
    path = tmp_path / "sound.mov"
    path.write_bytes(b"ID3\x04\0\0\0\0\x01\0" + bytes(128) + mov(box(b"url ", b"\0\0\0\1"), samples))
    assert (decode(path)[1] * 2**15).astype("<i2").tobytes() == samples


@pytest.mark.parametrize(("file_format", "subtype"), [("W64", "MS_ADPCM"), ("W64", "GSM610"), ("AIFF", "GSM610")])
def test_lengths_that_ffmpeg_gets_wrong_are_not_believed(tmp_path: Path, file_format: str, subtype: str) -> None:
    path = tmp_path / "sound"
    soundfile.write(path, sine(440, 1, sample_rate=8000), 8000, format=file_format, subtype=subtype)
    info, decoded, warnings = decode(path)
    assert (info.declared_frames, info.declares_exactly, warnings) == (None, False, ())
    assert len(decoded) == pytest.approx(8000, abs=320)


def test_a_change_of_channels_on_the_way_is_refused(tmp_path: Path) -> None:
    stereo, mono = tmp_path / "stereo.mp3", tmp_path / "mono.mp3"
    soundfile.write(stereo, np.stack([sine(440, 1)] * 2, axis=1), 44_100)
    soundfile.write(mono, sine(440, 1), 44_100)
    whole = tmp_path / "whole.mp3"
    whole.write_bytes(stereo.read_bytes() + mono.read_bytes())
    with pytest.raises(UnsupportedFormatError, match=r"changes from 2 channels .* to 1 channels"):
        decode(whole)
