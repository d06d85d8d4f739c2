"""Keys: nothing that differs shares one, nothing that sounds the same misses, and versions touch what they must."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from samplemind import AudioEngine
from samplemind.audio import AudioDigest, array_digest, file_digest
from samplemind.features import feature_graph
from samplemind.features.levels import KEPT, AnalysisLevel, outputs_of
from samplemind.pipeline import analyze_file
from tests.conftest import WriteWav
from tests.signals import music, noise


def test_two_thousand_pairs_that_differ_in_one_byte_have_different_keys(tmp_path: Path) -> None:
    """The predecessor read 3,000 samples of a sound, and gave two edits of a loop one answer."""
    generator = np.random.default_rng(4)
    path = tmp_path / "sound.raw"
    for _ in range(2000):
        samples = generator.integers(0, 256, 4 * generator.integers(1, 20_000), np.uint8)
        edited = samples.copy()
        edited[generator.integers(len(samples))] ^= generator.integers(1, 256, dtype=np.uint8)
        pairs = []
        for content in (samples, edited):
            path.write_bytes(content.tobytes())
            sound = content.view(np.float32)
            decoded = AudioDigest(44_100, 1)
            decoded.update(sound[:, None])
            pairs.append((file_digest(path), array_digest(sound, 44_100), decoded.hexdigest()))
        assert all(one != other for one, other in zip(*pairs, strict=True))


def id3(content: bytes) -> bytes:
    """An ID3v2.3 tag with a title before the frames, and an ID3v1 tag after them."""
    frame = b"TIT2" + struct.pack(">IH", 8, 0) + b"\0A title"
    return b"ID3\3\0\0" + bytes((0, 0, 0, len(frame))) + frame + content + b"TAG" + b"A title".ljust(125, b"\0")


def riff_info(content: bytes) -> bytes:
    """A LIST chunk with a title after the samples."""
    chunk = b"INFOINAM" + struct.pack("<I", 8) + b"A title\0"
    tagged = content + b"LIST" + struct.pack("<I", len(chunk)) + chunk
    return tagged[:4] + struct.pack("<I", len(tagged) - 8) + tagged[8:]


@pytest.mark.parametrize(("name", "retagged"), [("a.mp3", id3), ("a.wav", riff_info)])
def test_a_retagged_file_is_a_hit(
    engine: AudioEngine, write_wav: WriteWav, name: str, retagged: Callable[[bytes], bytes]
) -> None:
    path = write_wav(music(2.0), name=name, subtype="MPEG_LAYER_III" if name.endswith("mp3") else "PCM_16")
    first = engine.analyze_audio(path)
    tagged = path.with_name(f"tagged {name}")
    tagged.write_bytes(retagged(path.read_bytes()))
    analysis = analyze_file(str(tagged), level=AnalysisLevel.STANDARD, cache=engine.cache, limits=engine.limits)
    assert analysis.run is None
    assert analysis.features.audio_digest == first.audio_digest
    assert analysis.features.file_digest != first.file_digest


@pytest.mark.parametrize(("name", "subtype"), [("a.flac", "PCM_16"), ("a.ogg", "VORBIS")])
def test_other_vorbis_comments_are_a_hit(engine: AudioEngine, tmp_path: Path, name: str, subtype: str) -> None:
    samples = music(2.0)
    digests = []
    for title in ("One", "Another title"):
        path = tmp_path / f"{title} {name}"
        with soundfile.SoundFile(path, "w", 44_100, 1, subtype=subtype) as file:
            file.title = title
            file.write(samples)
        digests.append(engine.analyze_audio(path).file_digest)
    assert digests[0] != digests[1]
    assert engine.stats()["from_cache"] == 1


@pytest.mark.parametrize("changed", ["power", "mel", "onset_envelope", "tempo_candidates", "key", "true_peak"])
def test_a_nodes_new_version_recomputes_what_depends_on_it_and_nothing_else(
    engine: AudioEngine, write_wav: WriteWav, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    level = AnalysisLevel.DETAILED
    path = str(write_wav(np.stack([music(3.0), noise(3.0)], axis=1)))
    first = analyze_file(path, level=level, cache=engine.cache, limits=engine.limits)
    graph = feature_graph()
    affected = {changed}
    for node in graph.nodes.values():  # in an order in which each comes after what it needs
        if affected & node.parameters.keys():
            affected.add(node.name)
    for name in affected:
        monkeypatch.setitem(graph.fingerprints, name, f"{name} of another version")
    second = analyze_file(path, level=level, cache=engine.cache, limits=engine.limits)
    assert second.run is not None
    kept = {node for nodes in outputs_of(level).values() for node in nodes} | {n for ns in KEPT.values() for n in ns}
    assert kept & second.run.calls.keys() == kept & affected
    assert second.features == first.features
    assert analyze_file(path, level=level, cache=engine.cache, limits=engine.limits).run is None
