"""Waveforms, spectrograms and previews, drawn by workers from files of any kind, honest or not."""

from __future__ import annotations

import io
import itertools
import json
import math
import re
import struct
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from samplemind import AnalysisError, AudioFeatures
from samplemind.audio import Limits
from samplemind.errors import (
    CrashError,
    DecodeError,
    FileAccessError,
    LevelUnavailableError,
    LimitExceededError,
    OutputError,
)
from samplemind.features.levels import AnalysisLevel
from samplemind.workers.batch import worker_task
from samplemind.workers.drawing import MOST_POINTS, Peaks, Preview, Spectrogram, draw
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.pool import Minder, Pool
from samplemind.workers.runs import Runs
from samplemind.workers.spectrogram import HIGHEST_HZ, LOWEST_HZ, palette
from tests.audio.encoding import chunk, flac_of_unknown_length, ogg_checksum, ogg_opus, riff, wav_format
from tests.conftest import WriteWav
from tests.signals import noise, sine

FRUGAL = WorkerLimits(memory_bytes=2**30, cpu_s=2, cpu_s_per_mb=0)
"""Processor time in which a refusal is possible, and decoding hours of sound is not."""
LIMITS = Limits(max_duration_s=7200)


@contextmanager
def minding(limits: Limits = LIMITS, worker_limits: WorkerLimits = FRUGAL) -> Iterator[Minder]:
    """A worker that can answer questions of all levels."""
    task = worker_task(AnalysisLevel.DETAILED, False, None, limits, worker_limits, retry_quarantined=False)
    minder = Minder(Pool(task, workers=1, limits=worker_limits))
    try:
        yield minder
    finally:
        minder.close()


@pytest.fixture(scope="module")
def minder() -> Iterator[Minder]:
    """A worker for all tests that do it no harm."""
    with minding() as minder:
        yield minder


def drawn(minder: Minder, path: Path, drawing: Peaks | Spectrogram | Preview) -> bytes:
    return minder.drawn(str(path), path.stat().st_size, drawing)


def peaks(minder: Minder, path: Path, points: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(drawn(minder, path, Peaks(points)))
    return document


def answer_of(minder: Minder, path: Path, level: AnalysisLevel) -> AudioFeatures | AnalysisError:
    [outcome] = minder.outcomes([(str(path), path.stat().st_size)], level=level)
    return outcome.answer


def pixels(png: bytes) -> NDArray[np.uint8]:
    """What FFmpeg finds in a PNG: shape (height, width, 3)."""
    with av.open(io.BytesIO(png), "r") as container:
        [frame] = container.decode(video=0)
        return frame.to_ndarray(format="rgb24").astype(np.uint8)


def shades(png: bytes) -> NDArray[np.intp]:
    """The numbers of the colours of a PNG's pixels, lowest frequency first: shape (width, height)."""
    distances = np.abs(pixels(png)[:, :, None, :].astype(int) - palette()).sum(axis=3)
    assert not distances.min(axis=2).any()
    numbers: NDArray[np.intp] = distances.argmin(axis=2)[::-1].T
    return numbers


def row_of(hz: float, height: int) -> int:
    return round((height - 1) * math.log(hz / LOWEST_HZ) / math.log(HIGHEST_HZ / LOWEST_HZ))


# Questions of several levels


def test_a_worker_answers_at_the_level_of_the_question(minder: Minder, write_wav: WriteWav) -> None:
    path = write_wav(noise(0.5))
    for level in (AnalysisLevel.BASIC, AnalysisLevel.DETAILED, AnalysisLevel.STANDARD):
        answer = answer_of(minder, path, level)
        assert isinstance(answer, AudioFeatures)
        assert answer.level == level
    [outcome] = minder.outcomes([(str(path), 1)])
    assert isinstance(outcome.answer, AudioFeatures)
    assert outcome.answer.level == AnalysisLevel.DETAILED
    with pytest.raises(LevelUnavailableError):
        answer_of(minder, path, AnalysisLevel.PROFESSIONAL)


# Peaks


@pytest.mark.parametrize(("frames", "channels"), [(10, 1), (999, 2), (1000, 2), (44_100, 1), (44_101, 3)])
@pytest.mark.parametrize("points", [1, 7, 1000])
def test_peaks_are_the_extremes_of_equal_slices(
    minder: Minder, write_wav: WriteWav, frames: int, channels: int, points: int
) -> None:
    samples = np.random.default_rng(frames).uniform(-1, 1, (frames, channels)).astype(np.float32)
    found = peaks(minder, write_wav(samples), points)
    mean = samples.astype(float).mean(axis=1)
    starts = [number * frames // points for number in range(points + 1)]
    slices = [mean[start : max(start + 1, stop)] for start, stop in itertools.pairwise(starts)]
    assert np.allclose(found["minimum"], [each.min() for each in slices], rtol=0, atol=1e-4)
    assert np.allclose(found["maximum"], [each.max() for each in slices], rtol=0, atol=1e-4)
    assert found["points"] == len(found["minimum"]) == len(found["maximum"]) == points
    assert (found["sample_rate_hz"], found["channels"]) == (44_100, channels)
    assert found["duration_s"] == frames / 44_100


def test_peaks_of_a_long_sound_leave_no_sample_out(minder: Minder, tmp_path: Path) -> None:
    frames, points = 3_000_000, 100
    samples = np.zeros(frames, np.int16)
    clicks = np.array([0, 1_234_567, frames // 2, frames - 1])
    samples[clicks] = 2**14
    path = tmp_path / "long.flac"
    soundfile.write(path, samples, 8000)
    maximum = np.array(peaks(minder, path, points)["maximum"])
    assert set(np.flatnonzero(maximum)) == set(clicks * points // frames)
    assert set(maximum) == {0, 0.5}


@pytest.mark.parametrize("count", [1, 3, 8, 100])
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 63, 64, 65, 1000, 12_345])
def test_runs_are_as_if_all_rows_were_there_at_once(rows: int, count: int) -> None:
    generator = np.random.default_rng(rows)
    values = generator.integers(0, 100, (rows, 2)).astype(np.float32)
    runs = Runs(np.add, most=8, shape=(2,))
    position = 0
    while position < rows:
        step = int(generator.integers(1, 50))
        runs.add(values[position : position + step])
        position += step
    length = 1
    while rows // length >= 8:
        length *= 2
    starts = [number * rows // count // length * length for number in range(count)]
    stops = [max(start + length, after) for start, after in zip(starts, [*starts[1:], rows], strict=True)]
    folded, sizes = runs.slices(count)
    assert folded.tolist() == [
        values[start:stop].sum(axis=0).tolist() for start, stop in zip(starts, stops, strict=True)
    ]
    assert sizes.tolist() == [min(stop, rows) - start for start, stop in zip(starts, stops, strict=True)]


@pytest.mark.parametrize(
    "make", [lambda: Peaks(0), lambda: Peaks(MOST_POINTS + 1), lambda: Spectrogram(0, 10), lambda: Spectrogram(10, 1)]
)
def test_drawings_check_their_size(make: Any) -> None:
    with pytest.raises(ValueError, match="must be from"):
        make()


# Spectrograms


@pytest.mark.parametrize("sample_rate", [8000, 44_100, 96_000])
@pytest.mark.parametrize("hz", [110, 1000, 3500])
def test_the_brightest_row_is_where_the_tone_is(
    minder: Minder, write_wav: WriteWav, hz: float, sample_rate: int
) -> None:
    path = write_wav(sine(hz, 2.0, sample_rate=sample_rate), sample_rate=sample_rate)
    found = shades(drawn(minder, path, Spectrogram(50, 128)))
    assert found.shape == (50, 128)
    assert np.abs(found[5:-5].argmax(axis=1) - row_of(hz, 128)).max() <= 2


def test_columns_follow_time(minder: Minder, write_wav: WriteWav) -> None:
    tones = np.concatenate([sine(hz, 1.0) for hz in (200, 800, 3200, 12_800)])
    found = shades(drawn(minder, write_wav(tones), Spectrogram(40, 100)))
    for number, hz in enumerate((200, 800, 3200, 12_800)):
        assert np.abs(found[10 * number + 2 : 10 * number + 8].argmax(axis=1) - row_of(hz, 100)).max() <= 1


def test_shades_are_decibels_below_full_scale(minder: Minder, write_wav: WriteWav) -> None:
    hz = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** (40 / 49)  # the middle of a row that is wider than a tone
    for level_db in (0, -20, -60):
        path = write_wav(10 ** (level_db / 20) * sine(hz, 1.0, amplitude=1.0))
        brightest = shades(drawn(minder, path, Spectrogram(20, 50)))[10].max()
        assert abs(brightest - 255 * (1 + level_db / 90)) <= 255 * 1.5 / 90


@pytest.mark.parametrize("width", [1, 3000])
def test_silence_is_the_darkest_colour(minder: Minder, write_wav: WriteWav, width: int) -> None:
    found = pixels(drawn(minder, write_wav(np.zeros(22_050)), Spectrogram(width, 32)))
    assert found.shape == (32, width, 3)
    assert (found == palette()[0]).all()


@pytest.mark.parametrize("sample_rate", [100, 44_100, 384_000])
def test_ten_samples_can_be_drawn(minder: Minder, write_wav: WriteWav, tmp_path: Path, sample_rate: int) -> None:
    path = write_wav(np.linspace(-1, 1, 10), sample_rate=sample_rate)
    assert pixels(drawn(minder, path, Spectrogram(64, 32))).shape == (32, 64, 3)
    drawn(minder, path, Preview(str(tmp_path / "preview.flac")))
    assert soundfile.info(tmp_path / "preview.flac").frames > 0


def test_the_same_sound_is_the_same_picture(minder: Minder, write_wav: WriteWav) -> None:
    path = write_wav(noise(1.0))
    assert drawn(minder, path, Spectrogram(100, 50)) == drawn(minder, path, Spectrogram(100, 50))


def test_lighter_colours_stand_for_more() -> None:
    # Relative luminance (WCAG 2.2), which eyes see as lightness.
    share = palette() / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    assert (np.diff(linear @ [0.2126, 0.7152, 0.0722]) > 0).all()
    assert len(np.unique(palette(), axis=0)) == 256


# Previews


def test_a_preview_of_16_bits_is_the_sound_itself(minder: Minder, write_wav: WriteWav, tmp_path: Path) -> None:
    path = write_wav(np.stack([noise(1.0, seed=1), noise(1.0, seed=2)], axis=1), subtype="PCM_16")
    target = tmp_path / "preview.flac"
    assert drawn(minder, path, Preview(str(target))) == b""
    expected, _ = soundfile.read(path, dtype="int16")
    found, rate = soundfile.read(target, dtype="int16")
    assert rate == 44_100
    assert (found == expected).all()
    assert soundfile.info(target).subtype == "PCM_16"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["preview.flac", "sound.wav"]


@pytest.mark.parametrize(
    ("sample_rate", "rate"),
    [(100, 8000), (7999, 8000), (11_127, 11_127), (48_000, 48_000), (88_200, 44_100), (96_001, 48_000)],
)
@pytest.mark.parametrize(("channels", "subtype"), [(1, "FLOAT"), (2, "PCM_24"), (8, "PCM_24")])
def test_a_preview_begins_with_the_same_sound(
    minder: Minder, write_wav: WriteWav, tmp_path: Path, sample_rate: int, rate: int, channels: int, subtype: str
) -> None:
    seconds = 20 if sample_rate < 1000 else 2
    mono = sine(sample_rate / 40, seconds, sample_rate=sample_rate) * np.exp(-np.arange(seconds * sample_rate) / 5000)
    path = write_wav(np.repeat(mono[:, None], channels, axis=1), sample_rate=sample_rate, subtype=subtype)
    drawn(minder, path, Preview(str(tmp_path / "preview.flac")))
    found, found_rate = soundfile.read(tmp_path / "preview.flac", always_2d=True)
    assert found_rate == rate
    assert found.shape[1] == min(channels, 2)
    assert abs(len(found) / rate - seconds) < 0.01
    times = np.arange(len(found)) / rate
    expected = np.interp(times, np.arange(len(mono)) / sample_rate, mono)
    for channel in found.T:
        assert np.corrcoef(channel, expected)[0, 1] > 0.99
        assert abs(channel[: len(channel) // 2].std() / expected[: len(channel) // 2].std() - 1) < 0.02


@pytest.mark.parametrize(("container", "order"), [("wav", "LRC-lrlr"), ("ogg", "LCRlrlr-")])
def test_seven_and_one_channels_go_to_their_sides(minder: Minder, tmp_path: Path, container: str, order: str) -> None:
    for number, place in enumerate(order):
        samples = np.zeros((24_000, 8))
        samples[:, number] = sine(50 if place == "-" else 440, 0.5, sample_rate=48_000)
        path, target = tmp_path / f"{number}.{container}", tmp_path / f"{number}.flac"
        soundfile.write(path, samples, 48_000, subtype="VORBIS" if container == "ogg" else "FLOAT")
        drawn(minder, path, Preview(str(target)))
        left, right = soundfile.read(target)[0].T.std(axis=1) > 0.01
        assert (left, right) == (place in "LCl", place in "RCr")


def test_rf64_has_a_preview(minder: Minder, tmp_path: Path) -> None:
    path = tmp_path / "sound.rf64"
    soundfile.write(path, noise(0.5), 44_100, format="RF64", subtype="PCM_24")
    drawn(minder, path, Preview(str(tmp_path / "preview.flac")))
    expected, found = soundfile.read(path)[0], soundfile.read(tmp_path / "preview.flac")[0]
    assert np.abs(found - expected).max() <= 2**-16


def test_loud_floats_are_clipped(minder: Minder, write_wav: WriteWav, tmp_path: Path) -> None:
    drawn(minder, write_wav(np.full(1000, 3.0)), Preview(str(tmp_path / "preview.flac")))
    assert set(soundfile.read(tmp_path / "preview.flac", dtype="int16")[0]) == {2**15 - 1}


def test_a_preview_replaces_the_one_before(minder: Minder, write_wav: WriteWav, tmp_path: Path) -> None:
    target = tmp_path / "preview.flac"
    target.write_bytes(b"old")
    drawn(minder, write_wav(noise(0.1)), Preview(str(target)))
    assert soundfile.info(target).frames == 4410


def test_what_is_at_the_place_that_a_worker_was_told_stays(write_wav: WriteWav, tmp_path: Path) -> None:
    precious, link = tmp_path / "precious", tmp_path / "link"
    precious.write_bytes(b"precious")
    link.symlink_to(precious)
    for target in (precious, link):
        with pytest.raises(OutputError, match="File exists"):
            draw(str(write_wav(noise(0.1))), Preview(str(target)), limits=LIMITS)
    assert precious.read_bytes() == b"precious"


def test_a_preview_that_cannot_be_written_is_no_fault_of_the_file(
    minder: Minder, write_wav: WriteWav, tmp_path: Path
) -> None:
    path = write_wav(noise(0.1))
    with pytest.raises(OutputError, match="No such file"):
        drawn(minder, path, Preview(str(tmp_path / "missing" / "preview.flac")))
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="directory"):
        drawn(minder, path, Preview(str(tmp_path / "folder")))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "sound.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of the size of files on Windows")
def test_a_disk_that_is_full_is_told(write_wav: WriteWav, tmp_path: Path) -> None:
    import resource

    path = write_wav(noise(5.0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError, match="can't be written"):
            draw(str(path), Preview(str(tmp_path / "preview.flac")), limits=LIMITS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# What is wrong with files, and with workers


def test_errors_are_those_of_the_file(minder: Minder, write_wav: WriteWav, tmp_path: Path) -> None:
    path = write_wav(noise(0.1))
    broken = tmp_path / "broken.wav"
    broken.write_bytes(path.read_bytes()[:20])
    target = tmp_path / "preview.flac"
    for drawing in (Peaks(10), Spectrogram(10, 10), Preview(str(target))):
        with pytest.raises(FileAccessError, match=r"missing\.wav: no such file"):
            minder.drawn(str(tmp_path / "missing.wav"), 0, drawing)
        with pytest.raises(DecodeError):
            drawn(minder, broken, drawing)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["broken.wav", "sound.wav"]


@pytest.mark.usefixtures("misbehaving")
@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space and processor time")
def test_a_drawing_over_which_workers_die_is_given_up(write_wav: WriteWav, tmp_path: Path) -> None:
    reasons = {
        "torn segfault": "crashed: Segmentation fault",
        "spin": "used more than 1 s of processor time",
        "memory": "needed more than 0.5 GiB of memory",
    }
    with minding(worker_limits=WorkerLimits(memory_bytes=2**29, cpu_s=1, cpu_s_per_mb=0)) as minder:
        for name, reason in reasons.items():
            path = write_wav(noise(0.1), name=f"{name}.wav")
            with pytest.raises(CrashError) as caught:
                drawn(minder, path, Preview(str(tmp_path / "preview.flac")))
            assert caught.value.reason == reason
        assert not [each for each in tmp_path.iterdir() if each.suffix != ".wav"]
        once = write_wav(noise(0.1), name="torn once.wav")
        drawn(minder, once, Preview(str(tmp_path / "preview.flac")))
        assert soundfile.info(tmp_path / "preview.flac").frames == 4410
        assert peaks(minder, once, 10)["points"] == 10


def test_memory_does_not_grow_with_the_duration(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros(20_000_000, np.int16), 44_100)
    drawings = (Peaks(1000), Spectrogram(500, 100), Preview(str(tmp_path / "preview.flac")))
    draw(str(path), Spectrogram(1, 2), limits=LIMITS)  # compiles
    for drawing in drawings:
        tracemalloc.start()
        draw(str(path), drawing, limits=LIMITS)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 30_000_000  # as floats the sound takes 80 MB


# Bombs: ten hours of silence


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Ten hours of silence in a few hundred kilobytes to a few megabytes, by container."""
    folder = tmp_path_factory.mktemp("bombs")
    paths = {name: folder / f"silence.{name}" for name in ("flac", "ogg", "wv")}
    hour = np.zeros(3600 * 8000, np.int16)
    with soundfile.SoundFile(paths["flac"], "w", 8000, 1, "PCM_16", compression_level=0) as file:
        for _ in range(10):
            file.write(hour)
    paths["ogg"].write_bytes(ogg_opus(seconds=36_000))
    with av.open(str(paths["wv"]), "w") as output:
        stream = output.add_stream("wavpack", rate=8000, layout="mono")
        for second in range(36_000):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16p", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = 8000, Fraction(1, 8000), 8000 * second
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return paths


@pytest.mark.parametrize("container", ["flac", "ogg", "wv"])
def test_ten_hours_of_silence_are_refused_at_once(
    minder: Minder, bombs: dict[str, Path], tmp_path: Path, container: str
) -> None:
    path = bombs[container]
    assert path.stat().st_size < 10_000_000
    answer = answer_of(minder, path, AnalysisLevel.STANDARD)
    assert isinstance(answer, LimitExceededError)
    assert "declares 36000 s of sound; the limit is 7200 s" in answer.reason
    for drawing in (Peaks(100), Spectrogram(100, 50), Preview(str(tmp_path / "preview.flac"))):
        with pytest.raises(LimitExceededError, match="declares 36000 s"):
            drawn(minder, path, drawing)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lie", ["flac of unknown length", "opus of 1 s", "wavpack of 1 s", "wav of unknown length"])
def test_what_a_header_conceals_is_counted(bombs: dict[str, Path], tmp_path: Path, lie: str) -> None:
    path, reason = tmp_path / "lie", "holds more than 64"
    if lie.startswith("flac"):
        path.write_bytes(flac_of_unknown_length(bombs["flac"].read_bytes()))
    elif lie.startswith("opus"):
        path.write_bytes(ogg_opus(36_000, declared_s=1))
    elif lie.startswith("wavpack"):
        content = bytearray(bombs["wv"].read_bytes())
        content[12:16] = struct.pack("<I", 8000)
        path.write_bytes(content)
    else:
        with path.open("wb") as file:  # with a hole, which takes no space
            file.write(riff(wav_format(), chunk(b"data", b"", size=0xFFFFFFFF)))
            file.truncate(36_000 * 16_000)
        reason = "holds 359"
    with minding(Limits(max_duration_s=600)) as minder:
        answer = answer_of(minder, path, AnalysisLevel.STANDARD)
        assert isinstance(answer, LimitExceededError)
        assert re.search(reason, answer.reason)
        for drawing in (Peaks(100), Spectrogram(100, 50), Preview(str(tmp_path / "preview.flac"))):
            with pytest.raises(LimitExceededError, match=reason):
                drawn(minder, path, drawing)
    assert [each.name for each in tmp_path.iterdir()] == ["lie"]


def vorbis(seconds: float, *, declared_s: float) -> bytes:
    """Ogg Vorbis whose last page declares a length."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(8000 * seconds)), 8000, format="OGG", subtype="VORBIS")
    content = file.getvalue()
    start = content.rindex(b"OggS")
    page = bytearray(content[start:])
    page[6:14] = struct.pack("<q", round(8000 * declared_s))
    page[22:26] = bytes(4)
    page[22:26] = struct.pack("<I", ogg_checksum(page))
    return content[:start] + page


def flac(seconds: float, *, declared_s: float) -> bytes:
    """FLAC whose header declares a length."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(8000 * seconds), np.int16), 8000, format="FLAC")
    content = bytearray(file.getvalue())
    content[22:26] = struct.pack(">I", round(8000 * declared_s))
    return bytes(content)


def wav(seconds: float, *, declared_s: float) -> bytes:
    """WAV whose header declares a length."""
    return riff(wav_format(), chunk(b"data", bytes(2 * round(8000 * seconds)), size=2 * round(8000 * declared_s)))


@pytest.mark.parametrize(
    ("write", "believed"), [(flac, True), (wav, True), (vorbis, False)], ids=["flac", "wav", "vorbis"]
)
def test_headers_that_lie_do_no_harm(minder: Minder, tmp_path: Path, write: Any, believed: bool) -> None:
    path = tmp_path / "lie"
    path.write_bytes(write(100, declared_s=5))  # what is not declared may be anything: it is not looked at
    assert peaks(minder, path, 100)["duration_s"] == pytest.approx(5, abs=0.1)
    path.write_bytes(write(5, declared_s=7000))
    assert peaks(minder, path, 100)["duration_s"] == pytest.approx(5, abs=0.1)
    answer = answer_of(minder, path, AnalysisLevel.STANDARD)
    assert isinstance(answer, AudioFeatures)
    assert answer.duration_s == pytest.approx(5, abs=0.1)
    assert shades(drawn(minder, path, Spectrogram(20, 10))).shape == (20, 10)
    if believed:  # libsndfile compares with the pages of Ogg
        assert any("declares 7000" in warning for warning in answer.warnings)
        path.write_bytes(write(5, declared_s=36_000))
        with pytest.raises(LimitExceededError, match="declares 36000 s"):
            peaks(minder, path, 100)


def test_all_limits_of_the_task_hold_for_drawings(minder: Minder, tmp_path: Path) -> None:
    path = tmp_path / "wide.wav"
    path.write_bytes(riff(wav_format(channels=33), chunk(b"data", bytes(6600))))
    with pytest.raises(LimitExceededError, match="33 channels; the limit is 32"):
        peaks(minder, path, 10)
