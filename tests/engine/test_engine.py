"""What users hold: the engine, its ways in, and its answers."""

from __future__ import annotations

import asyncio
import io
import json
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import samplemind
from samplemind import AnalysisError, AnalysisLevel, AudioEngine, AudioFeatures, FeatureCache, Unknown
from samplemind.errors import InternalError, InvalidSamplesError, LevelUnavailableError, UnknownFeatureError
from samplemind.result import Statistics, document_hints, document_schema
from samplemind.settings import Settings
from tests.conftest import WriteWav
from tests.signals import SAMPLE_RATE, clicks, music, noise, sine

PUBLISHED = """
    schema_version analyzer_version level path file_digest audio_digest container codec duration_s
    sample_rate_hz channels bit_depth file_size_bytes tempo_bpm tempo_confidence tempo_candidates
    time_signature beats_s downbeats_s onsets_s tempo_curve groove swing_ratio key mode
    key_confidence key_candidates camelot open_key tuning_cents chroma_mean chords key_changes
    root_midi root_cents spectral_centroid_hz spectral_bandwidth_hz spectral_rolloff_hz
    spectral_flatness spectral_contrast_db zero_crossing_rate rms mfcc_mean mfcc_std loudness_lufs
    loudness_range_lu loudness_momentary_max_lufs loudness_short_term_max_lufs peak_dbfs
    true_peak_dbtp attack_s decay_s harmonic_ratio clipped_samples dc_offset phase_correlation
    leading_silence_s trailing_silence_s noise_floor_dbfs kind
"""


def test_three_lines(write_wav: WriteWav) -> None:
    features = samplemind.analyze(write_wav(clicks(120, 8.0)))
    assert features.level is AnalysisLevel.STANDARD
    assert features.tempo_bpm == pytest.approx(120, abs=0.05)


def test_the_document_survives_json_and_fits_its_schema(engine: AudioEngine, write_wav: WriteWav) -> None:
    for level in ("basic", "standard", "detailed"):
        features = engine.analyze_audio(write_wav(music(3.0)), level=level)
        document = json.loads(json.dumps(features.to_dict(), allow_nan=False))
        assert AudioFeatures.from_dict(document) == features
        jsonschema.validate(document, document_schema())


def test_every_null_has_its_reason_and_nothing_else_has_one(engine: AudioEngine, write_wav: WriteWav) -> None:
    for sound in (music(2.0), np.zeros(5000, np.float32)):
        for level in ("basic", "standard", "detailed"):
            features = engine.analyze_audio(write_wav(sound), level=level)
            nulls = {name for name, value in features.to_dict().items() if value is None}
            assert features.unknown.keys() == nulls
            assert all(features.unknown.values())


def test_a_newer_document_of_the_same_schema_can_be_read(engine: AudioEngine, write_wav: WriteWav) -> None:
    features = engine.analyze_audio(write_wav(music(1.0)))
    assert AudioFeatures.from_dict({**features.to_dict(), "a_field_of_tomorrow": 3}) == features
    with pytest.raises(ValueError, match="schema version 2"):
        AudioFeatures.from_dict({**features.to_dict(), "schema_version": 2})
    with pytest.raises(ValueError, match="mapping"):
        AudioFeatures.from_dict(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="duration_s"):
        AudioFeatures.from_dict({k: v for k, v in features.to_dict().items() if k != "duration_s"})


def test_the_published_fields_are_all_there() -> None:
    published = PUBLISHED.split()
    assert set(published) <= document_hints().keys()


def test_a_level_of_later_versions_is_refused(engine: AudioEngine, write_wav: WriteWav) -> None:
    with pytest.raises(LevelUnavailableError, match=r"professional.*highest is detailed"):
        engine.analyze_audio(write_wav(music(1.0)), level="professional")


def test_the_event_loop_goes_on_while_a_file_is_analysed(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(music(60.0))

    async def ticks_meanwhile() -> tuple[AudioFeatures, int]:
        analysis = asyncio.create_task(engine.analyze_audio_async(path))
        ticks = 0
        while not analysis.done():
            await asyncio.sleep(0.001)
            ticks += 1
        return await analysis, ticks

    features, ticks = asyncio.run(ticks_meanwhile())
    assert features == engine.analyze_audio(path)
    assert ticks > 10


@pytest.mark.parametrize("jobs", [0, 1, 3])
def test_a_batch_gives_every_file_and_goes_on_after_bad_ones(
    engine: AudioEngine, write_wav: WriteWav, tmp_path: Path, jobs: int
) -> None:
    paths: list[Path] = []
    for number in range(8):
        paths.append(write_wav(noise(0.5, seed=number), name=f"{number}.wav"))
    broken = tmp_path / "broken.wav"
    broken.write_text("no audio at all")
    paths[3:3] = [broken, tmp_path / "missing.wav"]
    answers = list(engine.batch_analyze(paths, level="basic", jobs=jobs))
    assert sorted(path for path, _ in answers) == sorted(str(path) for path in paths)
    if jobs == 0:
        assert [path for path, _ in answers] == [str(path) for path in paths]
    failed = {path: answer for path, answer in answers if isinstance(answer, AnalysisError)}
    assert failed.keys() == {str(broken), str(tmp_path / "missing.wav")}
    assert all(path in str(error) for path, error in failed.items())
    assert engine.stats()["failed"] == 2
    assert engine.stats()["analyzed"] == 8


def test_a_batch_reads_its_paths_as_it_goes(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(noise(0.2))
    read = 0

    def endless():  # type: ignore[no-untyped-def]
        nonlocal read
        while True:
            read += 1
            yield path

    for count, _ in enumerate(engine.batch_analyze(endless(), level="basic", jobs=2)):
        if count == 20:
            break
    assert read < 2000


def test_a_stream_is_analysed_like_the_file(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(music(1.0))
    features = engine.analyze_stream(io.BytesIO(path.read_bytes()))
    assert features.path == "<stdin>"
    assert features.file_digest == engine.analyze_audio(path).file_digest
    with pytest.raises(AnalysisError, match=r"^<stdin>: "):
        engine.analyze_stream(io.BytesIO(b"no audio"))


class TestExtract:
    """Single features of samples in memory."""

    def test_gives_series_and_values(self, engine: AudioEngine) -> None:
        sound = music(2.0)
        found = engine.extract(sound, SAMPLE_RATE, features=["mfcc", "rms_moments", "tempo"])
        assert found["mfcc"].shape == (1 + len(sound) // 512, 20)
        assert found["rms_moments"].count == 1 + len(sound) // 512
        assert found.keys() == {"mfcc", "rms_moments", "tempo"}

    def test_mono_twice_is_mono(self, engine: AudioEngine) -> None:
        sound = music(1.0)
        one = engine.extract(sound, SAMPLE_RATE, features=["mfcc"])["mfcc"]
        two = engine.extract(np.stack([sound, sound], axis=1), SAMPLE_RATE, features=["mfcc"])["mfcc"]
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-3)

    def test_given_values_replace_nodes(self, engine: AudioEngine) -> None:
        mel = np.random.default_rng(0).random((87, 128)).astype(np.float32)
        found = engine.extract(music(1.0), SAMPLE_RATE, features=["mfcc", "mel"], given={"mel": mel})
        assert found["mel"] is mel
        fresh = engine.extract(music(1.0), SAMPLE_RATE, features=["mfcc"], use_cache=False)
        assert not np.allclose(found["mfcc"], fresh["mfcc"])

    def test_is_cached_by_content_type_shape_and_rate(self, tmp_path: Path) -> None:
        sound = music(1.0)
        cache = FeatureCache.at(tmp_path)
        with AudioEngine(cache=cache) as engine:
            first = engine.extract(sound, SAMPLE_RATE, features=["mfcc"])

            def misses(samples: np.ndarray, rate: int) -> int:
                before = cache.stats().computed
                engine.extract(samples, rate, features=["mfcc"])
                return cache.stats().computed - before

            assert misses(sound.copy(), SAMPLE_RATE) == 0
            changed = sound.copy()
            changed[777] = np.nextafter(changed[777], np.float32(1))
            assert misses(changed, SAMPLE_RATE) == 1
            assert misses(sound.astype(np.float64), SAMPLE_RATE) == 1
            assert misses(sound.reshape(-1, 2), SAMPLE_RATE) == 1
            assert misses(sound, 48_000) == 1
        with AudioEngine(cache=FeatureCache.at(tmp_path)) as engine:
            again = engine.extract(sound, SAMPLE_RATE, features=["mfcc"])
            assert np.array_equal(again["mfcc"], first["mfcc"])

    def test_the_key_of_a_large_array_costs_a_fraction_of_hashing_its_copy_slowly(self) -> None:
        """Counts, not seconds: no copy of a contiguous array is made, whatever its size."""
        import tracemalloc

        from samplemind.audio import array_digest

        samples = np.zeros(4_000_000, np.float32)
        tracemalloc.start()
        array_digest(samples, SAMPLE_RATE)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < samples.nbytes / 10

    def test_unknown_is_a_value_with_its_reason(self, engine: AudioEngine) -> None:
        found = engine.extract(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE, features=["tempo"])
        assert isinstance(found["tempo"], Unknown)

    @pytest.mark.parametrize(
        ("samples", "rate", "reason"),
        [
            (np.zeros(0, np.float32), 44_100, "samples must be"),
            (np.zeros((2, 2, 2), np.float32), 44_100, "samples must be"),
            (np.zeros(10, np.int16), 44_100, "floating point"),
            (np.array([0.0, np.nan], np.float32), 44_100, "NaN"),
            (np.zeros(10, np.float32), 44_100.5, "whole number"),
            (np.full(10, 1e300), 44_100, "beyond"),
            (np.zeros((2, 44_100), np.float32), 44_100, "axes are samples, channels"),
        ],
    )
    def test_bad_samples_are_refused(self, engine: AudioEngine, samples: np.ndarray, rate: int, reason: str) -> None:
        with pytest.raises(InvalidSamplesError, match=reason):
            engine.extract(samples, rate, features=["rms"])

    def test_unknown_names_are_refused(self, engine: AudioEngine) -> None:
        with pytest.raises(UnknownFeatureError, match="harmony"):
            engine.extract(sine(440, 0.1), SAMPLE_RATE, features=["harmony"])


def test_stats_count_what_happened(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(music(1.0))
    engine.analyze_audio(path)
    engine.analyze_audio(path)
    with pytest.raises(AnalysisError):
        engine.analyze_audio(path.with_name("missing.wav"))
    stats = engine.stats()
    assert (stats["analyzed"], stats["from_cache"], stats["failed"]) == (1, 1, 1)


def test_a_file_that_grows_while_it_is_read_is_refused(
    engine: AudioEngine, write_wav: WriteWav, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_wav(music(1.0))
    from samplemind import pipeline

    def growing(*args, **options):  # type: ignore[no-untyped-def]
        with path.open("ab") as file:
            file.write(bytes(1000))
        time.sleep(0.01)
        return original(*args, **options)

    original = pipeline.compute
    monkeypatch.setattr(pipeline, "compute", growing)
    with pytest.raises(AnalysisError, match="changed while it was read"):
        engine.analyze_audio(path)


def test_a_mistake_in_a_feature_costs_one_file(
    engine: AudioEngine, write_wav: WriteWav, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samplemind import pipeline

    def failing(blocks, wanted, *, sample_rate, channels, given):  # type: ignore[no-untyped-def]
        if sample_rate == 22_050:
            raise ZeroDivisionError("a mistake")
        return original(blocks, wanted, sample_rate=sample_rate, channels=channels, given=given)

    original = pipeline.compute
    monkeypatch.setattr(pipeline, "compute", failing)
    paths = [write_wav(noise(0.1), name=f"{rate}.wav", sample_rate=rate) for rate in (44_100, 22_050, 48_000)]
    answers = [answer for _, answer in engine.batch_analyze(paths, level="basic", jobs=0)]
    assert [isinstance(answer, InternalError) for answer in answers] == [False, True, False]
    assert "a mistake" in str(answers[1])
    with pytest.raises(InternalError) as caught:
        engine.analyze_audio(paths[1])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_kept_errors_do_not_keep_the_sound(engine: AudioEngine, write_wav: WriteWav) -> None:
    bad = noise(1.0)
    bad[-1] = np.nan
    path = write_wav(bad)
    [(_, error)] = engine.batch_analyze([path], use_cache=False)
    assert isinstance(error, AnalysisError)
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)


def test_one_path_or_one_name_needs_no_list(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(noise(0.1))
    assert len(list(engine.batch_analyze(str(path), level="basic"))) == 1
    assert engine.extract(noise(0.1), SAMPLE_RATE, features="rms").keys() == {"rms"}
    assert engine.extract([0.0, 0.5, -0.5], np.int64(44_100), features="rms")["rms"].shape == (1,)


def test_a_level_that_does_not_exist_is_refused(engine: AudioEngine, write_wav: WriteWav) -> None:
    with pytest.raises(LevelUnavailableError, match=r"'thorough'.*basic, standard"):
        engine.analyze_audio(write_wav(noise(0.1)), level="thorough")


@pytest.mark.parametrize("rate", [4_000, 96_000, 384_000])
@pytest.mark.parametrize("frames", [1, 2, 7, 100])
def test_a_few_samples_at_any_rate_give_an_answer(
    engine: AudioEngine, write_wav: WriteWav, rate: int, frames: int
) -> None:
    features = engine.analyze_audio(write_wav(np.full(frames, 0.5, np.float32), sample_rate=rate))
    assert features.duration_s == frames / rate
    assert features.tempo_bpm is None


def test_an_engine_remembers_on_disk_without_being_told(tmp_path: Path, write_wav: WriteWav) -> None:
    path = write_wav(noise(0.5))
    settings = Settings(cache_dir=tmp_path / "own")
    with AudioEngine(settings=settings) as engine:
        engine.analyze_audio(path)
    assert (tmp_path / "own" / "cache.sqlite").is_file()
    with AudioEngine(settings=settings) as engine:
        engine.analyze_audio(path)
        assert engine.stats()["from_cache"] == 1


def test_silence_has_levels_of_zero_and_no_spectrum(engine: AudioEngine, write_wav: WriteWav) -> None:
    features = engine.analyze_audio(write_wav(np.zeros(SAMPLE_RATE, np.float32)))
    assert features.rms == Statistics(0, 0, 0, 0)
    for field in ("spectral_centroid_hz", "spectral_flatness", "chroma_mean", "mfcc_mean", "peak_dbfs", "kind"):
        assert getattr(features, field) is None
        assert features.unknown[field] == "every sample is zero"


def test_half_precision_is_enough_to_be_taken(engine: AudioEngine) -> None:
    sound = noise(0.5)
    half = engine.extract(sound.astype(np.float16), SAMPLE_RATE, features="rms")["rms"]
    assert half == pytest.approx(engine.extract(sound, SAMPLE_RATE, features="rms")["rms"], rel=1e-2)


def test_only_nodes_can_be_given(engine: AudioEngine) -> None:
    with pytest.raises(UnknownFeatureError, match="samples"):
        engine.extract(noise(0.1), SAMPLE_RATE, features="rms", given={"samples": noise(0.1)})
