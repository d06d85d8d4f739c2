"""Files into two: the parts add up, equal librosa's, and arrive in blocks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import samplemind
from samplemind import separation
from samplemind.errors import AnalysisError, SettingsError
from tests.conftest import WriteWav
from tests.signals import music, noise

Samples = NDArray[np.float32]


def joined(blocks: Iterable[tuple[Samples, Samples]]) -> tuple[Samples, Samples]:
    """The two parts as a whole."""
    harmonic, percussive = zip(*blocks, strict=True)
    return np.concatenate(harmonic), np.concatenate(percussive)


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("frames", [1, 511, 2048, 44_100, 300_001])
def test_with_margin_1_the_parts_add_up(write_wav: WriteWav, frames: int) -> None:
    sound = np.stack([noise(7.0)[:frames], music(7.0)[:frames], noise(7.0, seed=2)[:frames]], axis=1)
    blocks = list(samplemind.separate(write_wav(sound)))
    harmonic, percussive = joined(blocks)
    assert harmonic.shape == percussive.shape == sound.shape
    assert harmonic.dtype == np.float32
    assert np.abs(harmonic + percussive - sound).max() < 1e-5
    assert len(blocks) >= frames // 131_072


@pytest.mark.parametrize("margin", [1.0, 2.5])
def test_equals_librosa(write_wav: WriteWav, margin: float) -> None:
    sound = np.stack([music(3.0), noise(3.0)], axis=1)
    harmonic, percussive = joined(samplemind.separate(write_wav(sound), margin=margin))
    expected = librosa.effects.hpss(sound.T, margin=margin)
    np.testing.assert_allclose(harmonic, expected[0].T, atol=1e-5)
    np.testing.assert_allclose(percussive, expected[1].T, atol=1e-5)


def test_how_the_sound_is_cut_changes_nothing(write_wav: WriteWav) -> None:
    """The more channels, the shorter the blocks: among many, a channel gives what it gives alone."""
    alone = joined(samplemind.separate(write_wav(music(4.0), name="mono.wav"), margin=1.5))
    sound = np.repeat(music(4.0)[:, None], 32, axis=1)
    among_many = joined(samplemind.separate(write_wav(sound, name="wide.wav"), margin=1.5))
    for one, many in zip(alone, among_many, strict=True):
        np.testing.assert_allclose(many, np.broadcast_to(one, many.shape), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("sample_rate", "channels"), [(384_000, 32), (44_100, 32), (384_000, 1)])
def test_blocks_are_bounded_whatever_the_rate_and_the_channels(
    write_wav: WriteWav, sample_rate: int, channels: int
) -> None:
    frames = max(60_000, 1_500_000 // channels)
    sound = np.broadcast_to(noise(40.0)[:frames, None], (frames, channels))
    sizes = [harmonic.size for harmonic, _ in samplemind.separate(write_wav(sound, sample_rate=sample_rate))]
    assert sum(sizes) == sound.size
    assert max(sizes) < 2**20


def test_files_hold_the_parts(write_wav: WriteWav, tmp_path: Path) -> None:
    sound = np.stack([music(2.0, sample_rate=48_000), -music(2.0, sample_rate=48_000)], axis=1)
    path = write_wav(sound, name="loop.wav", sample_rate=48_000)
    written = samplemind.separate_to(path, tmp_path / "parts")
    assert written.warnings == ()
    assert [file.name for file in written] == ["loop.harmonic.wav", "loop.percussive.wav"]
    assert names_in(tmp_path / "parts") == ["loop.harmonic.wav", "loop.percussive.wav"]
    expected = joined(samplemind.separate(path))
    for file, part in zip((written.harmonic, written.percussive), expected, strict=True):
        info = soundfile.info(file)
        assert (info.format, info.subtype, info.samplerate, info.frames) == ("WAV", "FLOAT", 48_000, 96_000)
        np.testing.assert_array_equal(soundfile.read(file, dtype="float32")[0], part)
        with samplemind.audio.open_audio(file) as audio:
            np.testing.assert_array_equal(np.concatenate(list(audio.blocks())), part)
            assert audio.warnings == ()


def test_long_files_are_rf64(write_wav: WriteWav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_wav(noise(0.5), name="long.wav")
    written = samplemind.separate_to(path, tmp_path / "wav")
    monkeypatch.setattr(separation, "_LARGEST_WAV", 4 * 22_050)
    long = samplemind.separate_to(path, tmp_path / "rf64")
    for short_file, long_file in zip(written, long, strict=True):
        assert long_file.read_bytes()[:4] == b"RF64"
        assert soundfile.info(long_file).frames == 22_050
        np.testing.assert_array_equal(soundfile.read(long_file)[0], soundfile.read(short_file)[0])


@pytest.mark.skipif(sys.platform == "win32", reason="a file with a hole takes its whole length on the disk")
@pytest.mark.parametrize(("gigabytes", "form"), [(1, b"RIFF"), (3, b"RF64"), (6, b"RF64")])
def test_sizes_beyond_32_bits(tmp_path: Path, gigabytes: int, form: bytes) -> None:
    frames = gigabytes * 2**30 // 8
    header = separation._wav_header(96_000, 2, frames)
    path = tmp_path / "hole.wav"
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + 8 * frames)
    assert header[:4] == form
    info = soundfile.info(path)
    assert (info.frames, info.samplerate, info.channels) == (frames, 96_000, 2)


def cut(path: Path) -> Path:
    """A WAV file that ends after 100 kB."""
    os.truncate(path, 100_000)
    return path


def test_damage_is_told(write_wav: WriteWav, tmp_path: Path) -> None:
    path = cut(write_wav(noise(4.0), subtype="PCM_16"))
    told = ("the header declares 4.00 s, the file holds 1.13 s",)
    assert samplemind.separate_to(path, tmp_path / "parts").warnings == told
    parts = samplemind.separate(path)
    assert len(joined(parts)[0]) == (100_000 - 44) // 2
    assert parts.warnings == told


def test_a_file_that_fails_on_the_way_leaves_nothing(write_wav: WriteWav, tmp_path: Path) -> None:
    bad = noise(8.0)
    bad[-1] = np.nan
    with pytest.raises(AnalysisError, match="nan"):
        samplemind.separate_to(write_wav(bad), tmp_path / "parts")
    assert names_in(tmp_path / "parts") == []


def test_no_folder_is_made_for_what_is_no_sound(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"missing.wav"):
        samplemind.separate_to(tmp_path / "missing.wav", tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize("margin", [0.5, -1.0, float("nan"), float("inf"), 1e7, 1e38, 1e39])
def test_margins_that_make_no_sense_are_refused_at_once(write_wav: WriteWav, tmp_path: Path, margin: float) -> None:
    path = write_wav(noise(0.1))
    with pytest.raises(SettingsError, match="margin"):
        samplemind.separate(path, margin=margin)
    with pytest.raises(SettingsError, match="margin"):
        samplemind.separate_to(path, tmp_path / "parts", margin=margin)
    assert not (tmp_path / "parts").exists()


def test_the_largest_margin_gives_numbers(write_wav: WriteWav) -> None:
    loud = 1e6 * noise(0.5) / np.abs(noise(0.5)).max()
    harmonic, percussive = joined(samplemind.separate(write_wav(loud), margin=separation.LARGEST_MARGIN))
    assert np.isfinite(harmonic).all()
    assert np.isfinite(percussive).all()
    assert np.abs(harmonic).max() < np.abs(loud).max()


def test_a_file_that_is_missing_fails_at_the_first_block(tmp_path: Path) -> None:
    parts = samplemind.separate(tmp_path / "missing.wav")
    with pytest.raises(AnalysisError, match=r"missing.wav"):
        next(parts)


@pytest.mark.skipif(sys.platform != "linux", reason="it is /proc that tells which files are open")
def test_stopping_early_closes_the_file(write_wav: WriteWav) -> None:
    path = write_wav(noise(20.0))

    def is_open() -> bool:
        return any(entry.is_symlink() and entry.resolve() == path for entry in Path("/proc/self/fd").iterdir())

    parts = samplemind.separate(path)
    next(parts)
    assert is_open()
    del parts
    assert not is_open()


def test_threads_do_not_meet(write_wav: WriteWav, tmp_path: Path) -> None:
    path, folder = write_wav(noise(3.0)), tmp_path / "parts"
    expected = joined(samplemind.separate(path))
    together = threading.Barrier(3)
    failures: list[BaseException] = []

    def work() -> None:
        together.wait()
        try:
            samplemind.separate_to(path, folder)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert names_in(folder) == ["sound.harmonic.wav", "sound.percussive.wav"]
    for file, part in zip(sorted(folder.iterdir()), expected, strict=True):
        np.testing.assert_array_equal(soundfile.read(file, dtype="float32", always_2d=True)[0], part)


@pytest.mark.skipif(sys.platform == "win32", reason="no umask")
def test_who_may_read_the_files_is_as_of_any_new_file(write_wav: WriteWav, tmp_path: Path) -> None:
    path = write_wav(noise(0.1))
    before = os.umask(0o027)
    try:
        written = samplemind.separate_to(path, tmp_path / "parts")
    finally:
        os.umask(before)
    assert [file.stat().st_mode & 0o777 for file in written] == [0o640, 0o640]


@pytest.mark.parametrize("number", [0, 1])
def test_both_files_or_neither(write_wav: WriteWav, tmp_path: Path, number: int) -> None:
    names = ["sound.harmonic.wav", "sound.percussive.wav"]
    (tmp_path / "parts" / names[number] / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match=names[number]) as refusal:
        samplemind.separate_to(write_wav(noise(0.1)), tmp_path / "parts")
    assert refusal.value.filename == str(tmp_path / "parts" / names[number])
    assert names_in(tmp_path / "parts") == [names[number]]


def test_a_name_too_long_to_be_written(write_wav: WriteWav, tmp_path: Path) -> None:
    path = write_wav(noise(0.1), name=f"{'x' * 245}.wav")
    with pytest.raises(OSError, match=r"x\.harmonic\.wav"):
        samplemind.separate_to(path, tmp_path / "parts")
    assert names_in(tmp_path / "parts") == []


def test_what_is_there_is_replaced_unless_that_is_refused(write_wav: WriteWav, tmp_path: Path) -> None:
    first = samplemind.separate_to(write_wav(noise(0.1)), tmp_path)
    replaced = samplemind.separate_to(write_wav(noise(0.2)), tmp_path)
    assert replaced == first
    assert soundfile.info(first.harmonic).frames == 8820
    first.harmonic.unlink()
    with pytest.raises(FileExistsError, match=r"sound\.percussive\.wav"):
        samplemind.separate_to(write_wav(noise(0.1)), tmp_path, overwrite=False)
    assert names_in(tmp_path) == ["sound.percussive.wav", "sound.wav"]
    assert soundfile.info(first.percussive).frames == 8820


def test_names_in_bytes(write_wav: WriteWav, tmp_path: Path) -> None:
    path, folder = os.fsencode(write_wav(noise(0.1))), os.fsencode(tmp_path / "parts")
    written = samplemind.separate_to(path, folder)  # type: ignore[arg-type]
    assert written.harmonic == tmp_path / "parts" / "sound.harmonic.wav"
    harmonic, _ = joined(samplemind.separate(path))  # type: ignore[arg-type]
    np.testing.assert_array_equal(soundfile.read(written.harmonic, dtype="float32", always_2d=True)[0], harmonic)
