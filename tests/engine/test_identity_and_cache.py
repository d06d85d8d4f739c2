"""What is recognised, what is computed again: the three steps of identity, by counting decodes and calls."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from samplemind import AnalysisError, AudioEngine, AudioFeatures, FeatureCache
from samplemind.audio import AudioFile, file_digest
from samplemind.features import feature_graph
from samplemind.features.levels import ADDED, AnalysisLevel
from samplemind.pipeline import Analysis, analyze_file
from tests.conftest import WriteWav
from tests.signals import music, sine

Blocks = Iterator[NDArray[np.float32]]


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths whose samples were decoded, one entry a pass."""
    passes: list[str] = []
    original: Callable[..., Blocks] = AudioFile.blocks

    def counted(self: AudioFile, *args: Any, **options: Any) -> Blocks:
        passes.append("pass")
        return original(self, *args, **options)

    monkeypatch.setattr(AudioFile, "blocks", counted)
    return passes


def age(path: Path, seconds: float = 10) -> None:
    """Let a file look as if it had been left alone; its change time can't be set, so wait where it matters."""
    past = time.time() - seconds
    os.utime(path, (past, past))


def analysis(engine: AudioEngine, path: Path, level: AnalysisLevel = AnalysisLevel.BASIC) -> Analysis:
    return analyze_file(str(path), level=level, cache=engine.cache, limits=engine.limits)


def same_sound(a: AudioFeatures, b: AudioFeatures) -> bool:
    about_file = {"path", "file_digest", "container", "codec", "bit_depth", "file_size_bytes", "warnings"}
    mine, other = a.to_dict(), b.to_dict()
    return all(mine[name] == other[name] for name in mine.keys() - about_file)


def test_a_second_look_computes_nothing(engine: AudioEngine, write_wav: WriteWav, decodes: list[str]) -> None:
    path = write_wav(music(1.0))
    first = analysis(engine, path)
    again = analysis(engine, path)
    assert first.run is not None
    assert again.run is None
    assert again.features == first.features
    assert len(decodes) == 1


def test_another_process_gets_the_answer_without_decoding(
    tmp_path: Path, write_wav: WriteWav, decodes: list[str]
) -> None:
    path = write_wav(music(1.0))
    with AudioEngine(cache=FeatureCache.at(tmp_path / "shared")) as engine:
        first = engine.analyze_audio(path)
    with AudioEngine(cache=FeatureCache.at(tmp_path / "shared")) as engine:
        assert engine.analyze_audio(path) == first
        assert engine.stats()["from_cache"] == 1
        assert engine.stats()["cache"]["tiers"]["disk"]["hits"] > 0
    assert len(decodes) == 1


def test_a_copied_or_renamed_file_is_known_by_its_bytes(
    engine: AudioEngine, write_wav: WriteWav, decodes: list[str]
) -> None:
    path = write_wav(music(1.0))
    first = engine.analyze_audio(path)
    copy = Path(shutil.copy(path, path.with_name("copy.wav")))
    moved = path.rename(path.with_name("moved.wav"))
    for other in (copy, moved):
        features = engine.analyze_audio(other)
        assert same_sound(features, first)
        assert features.path == str(other)
        assert features.file_digest == first.file_digest
    assert len(decodes) == 1


def test_the_same_samples_in_another_file_are_decoded_but_not_analysed(
    engine: AudioEngine, write_wav: WriteWav, decodes: list[str]
) -> None:
    sound = np.round(music(1.0) * 32767) / 32768
    first = analysis(engine, write_wav(sound, subtype="PCM_16"))
    flac = write_wav(sound, name="same.flac", subtype="PCM_16")
    second = analysis(engine, flac)
    assert second.run is None
    assert len(decodes) == 2
    assert second.features.audio_digest == first.features.audio_digest
    assert second.features.file_digest != first.features.file_digest
    assert second.features.container == "flac"
    assert same_sound(second.features, first.features)


def test_a_sound_of_another_length_is_decoded_only_once(
    engine: AudioEngine, write_wav: WriteWav, decodes: list[str]
) -> None:
    analysis(engine, write_wav(music(1.0)))
    analysis(engine, write_wav(music(1.1), name="longer.wav"))
    assert len(decodes) == 2


def test_one_changed_sample_is_another_sound(engine: AudioEngine, write_wav: WriteWav) -> None:
    sound = music(2.0)
    first = engine.analyze_audio(write_wav(sound))
    edited = sound.copy()
    edited[len(sound) // 2] += 0.25
    second = engine.analyze_audio(write_wav(edited, name="edited.wav"))
    assert second.audio_digest != first.audio_digest
    assert second.rms != first.rms


def test_a_file_rewritten_in_place_is_seen_though_size_and_modification_time_stay(
    engine: AudioEngine, write_wav: WriteWav
) -> None:
    path = write_wav(sine(440, 1.0))
    age(path)
    before = path.stat()
    first = engine.analyze_audio(path)
    write_wav(sine(330, 1.0))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert engine.analyze_audio(path).audio_digest != first.audio_digest


def test_standard_after_basic_computes_only_the_difference(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(music(2.0))
    basic = analysis(engine, path, AnalysisLevel.BASIC)
    standard = analysis(engine, path, AnalysisLevel.STANDARD)
    assert basic.run is not None
    assert standard.run is not None
    again = set(ADDED[AnalysisLevel.BASIC]) & standard.run.calls.keys()
    assert not again
    with AudioEngine(cache=None) as fresh:
        assert fresh.analyze_audio(path) == standard.features


def test_basic_after_standard_computes_nothing(engine: AudioEngine, write_wav: WriteWav, decodes: list[str]) -> None:
    path = write_wav(music(2.0))
    engine.analyze_audio(path)
    assert analysis(engine, path, AnalysisLevel.BASIC).run is None
    assert len(decodes) == 1


def test_a_new_version_of_a_node_recomputes_it_and_its_dependents_alone(
    engine: AudioEngine, write_wav: WriteWav, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_wav(music(2.0))
    first = analysis(engine, path, AnalysisLevel.STANDARD)
    monkeypatch.setitem(feature_graph().fingerprints, "mfcc_moments", "another")
    second = analysis(engine, path, AnalysisLevel.STANDARD)
    assert second.run is not None
    outputs = {name for nodes in ADDED.values() for name in nodes}
    assert outputs & second.run.calls.keys() == {"mfcc_moments"}
    assert second.features == first.features
    assert analysis(engine, path, AnalysisLevel.STANDARD).run is None


def test_no_cache_leaves_no_trace(tmp_path: Path, write_wav: WriteWav) -> None:
    path = write_wav(music(1.0))
    with AudioEngine(cache=FeatureCache.at(tmp_path / "cache")) as engine:
        engine.analyze_audio(path, use_cache=False)
        assert engine.cache is not None
        assert [tier.state.entries for tier in engine.cache.stats().tiers if tier.state] == [0, 0]
    assert not (tmp_path / "cache").exists()


def test_another_decoder_version_decodes_again(
    engine: AudioEngine, write_wav: WriteWav, decodes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_wav(music(1.0))
    engine.analyze_audio(path)
    monkeypatch.setattr("samplemind.pipeline.is_current", lambda decoder: False)
    assert analysis(engine, path).run is None  # the samples are the same, so the answers hold
    assert len(decodes) == 2


def test_series_come_with_their_times_and_are_no_part_of_the_document(engine: AudioEngine, write_wav: WriteWav) -> None:
    path = write_wav(music(1.0))
    plain = engine.analyze_audio(path)
    features = engine.analyze_audio(path, series=True)
    assert features == plain
    assert features.series is not None
    assert features.series["mfcc"].shape == (1 + 44_100 // 512, 20)
    assert features.series["frames_times_s"] == pytest.approx(np.arange(87) * 512 / 44_100)
    assert "series" not in features.to_dict()


def test_retagged_flac_is_a_hit(engine: AudioEngine, write_wav: WriteWav, decodes: list[str]) -> None:
    path = write_wav(np.round(music(1.0) * 32767) / 32768, name="a.flac", subtype="PCM_16")
    analysis(engine, path)
    samples, rate = soundfile.read(path, dtype="int16")
    tagged = path.with_name("tagged.flac")
    with soundfile.SoundFile(tagged, "w", rate, 1, subtype="PCM_16") as file:
        file.title = "A title"
        file.write(samples)
    assert tagged.read_bytes() != path.read_bytes()
    assert analysis(engine, tagged).run is None


def test_a_file_replaced_after_it_was_hashed_poisons_nothing(
    engine: AudioEngine, write_wav: WriteWav, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both are as long as a sound that is cached, so that they are first decoded only to be recognised.
    engine.analyze_audio(write_wav(sine(220, 1.0), name="other.wav"))
    path = write_wav(sine(440, 1.0))
    original = path.read_bytes()
    expected = AudioEngine(cache=None).analyze_audio(path).audio_digest

    def replaced_after(path_: str) -> str:
        digest = file_digest(path_)
        write_wav(sine(330, 1.0, amplitude=0.1))
        return digest

    monkeypatch.setattr("samplemind.pipeline.file_digest", replaced_after)
    with pytest.raises(AnalysisError, match="changed while it was read"):
        engine.analyze_audio(path)
    monkeypatch.undo()
    copy = path.with_name("copy.wav")
    copy.write_bytes(original)
    assert engine.analyze_audio(copy).audio_digest == expected


def test_a_change_of_rights_while_it_is_read_does_not_matter(
    engine: AudioEngine, write_wav: WriteWav, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_wav(sine(440, 1.0))

    def with_other_rights(path_: str) -> str:
        digest = file_digest(path_)
        path.chmod(0o644 if path.stat().st_mode & 0o777 != 0o644 else 0o600)
        return digest

    monkeypatch.setattr("samplemind.pipeline.file_digest", with_other_rights)
    assert engine.analyze_audio(path).duration_s == 1.0


def test_what_basic_found_on_the_way_is_not_computed_again_for_standard(
    engine: AudioEngine, write_wav: WriteWav
) -> None:
    path = write_wav(music(2.0))
    analysis(engine, path, AnalysisLevel.BASIC)
    standard = analysis(engine, path, AnalysisLevel.STANDARD)
    assert standard.run is not None
    assert not {"tonal_frames", "tonal_power", "tempo_candidates", "k_weighted_power"} & standard.run.calls.keys()
