"""One file through the flow: identity, cache, decode, feature graph, result.

path ─▶ stat ─▶ file digest ─▶ audio digest ─▶ values of nodes
        each step is asked of the cache first; what is missing is decoded and computed, once
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samplemind.audio import (
    AudioDigest,
    AudioInfo,
    Limits,
    StatKey,
    file_digest,
    is_current,
    open_audio,
    settled,
    stat_key,
)
from samplemind.cache import FeatureCache
from samplemind.errors import FileAccessError
from samplemind.execution import Run
from samplemind.features import feature_graph, with_times
from samplemind.features.computation import block_frames, compute
from samplemind.features.levels import SERIES, AnalysisLevel, outputs_of
from samplemind.graph import Unknown
from samplemind.plain import from_plain, to_plain
from samplemind.result import AudioFeatures, fields_from


@dataclass(frozen=True)
class FileFacts:
    """What decoding a file told about the file, rather than about its sound."""

    audio_digest: str
    container: str
    codec: str
    sample_rate: int
    channels: int
    bit_depth: int | None
    declared_frames: int | None
    frames: int
    decoder: str
    """The decoder and its version: another one may decode the file to other samples."""
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Analysis:
    """What came of one file."""

    features: AudioFeatures
    run: Run | None
    """What had to be computed; None if the cache had all of it."""


def analyze_file(
    path: str,
    *,
    level: AnalysisLevel,
    cache: FeatureCache | None,
    limits: Limits,
    series: bool = False,
    name: str | None = None,
) -> Analysis:
    """Take one file through the flow.

    Args:
        path: the file.
        level: how much to find out.
        cache: where answers are looked for and kept; None for neither.
        limits: what is refused.
        series: also give frame-level series; these are always computed.
        name: the file's name in results and errors, if not its path.

    Raises:
        AnalysisError: the file has no answer; the error names it and the reason.
        LevelUnavailableError: this version can't compute the level.
    """
    name = path if name is None else name
    outputs = outputs_of(level)
    stat = stat_key(path)
    digest = _file_digest(stat, cache)
    sound = _Sound(path, limits, _known_facts(digest, cache))
    if sound.facts is None and cache is not None and _may_be_known(sound, cache):
        for _ in sound.blocks():
            pass
        _keep_facts(digest, sound, cache)
    values = _known_values(sound.facts, level, cache)
    wanted = [node for nodes in outputs.values() for node in nodes if node not in values]
    run = None
    if wanted or series:
        info = sound.facts or sound.info()
        run = compute(
            sound.blocks,
            {*wanted, *(SERIES if series else ())},
            sample_rate=info.sample_rate,
            channels=info.channels,
            given=values,
        )
        if stat_key(path) != stat:
            raise FileAccessError(name, "changed while it was read")
        values |= {node: _finite(node, run.values[node]) for node in wanted}
        _keep_facts(digest, sound, cache)
        _keep_values(sound.facts, level, values, set(wanted), cache)
    if sound.facts is None:
        raise AssertionError("a file was answered without being decoded or known")
    features = _features(name, stat, digest, sound.facts, level=level, values=values)
    if series and run is not None:
        features = dataclasses.replace(features, series=with_times({node: run.values[node] for node in SERIES}))
    return Analysis(features, run)


class _Sound:
    """A file that is decoded only when its blocks are asked for, and whose facts are known after that."""

    def __init__(self, path: str, limits: Limits, facts: FileFacts | None) -> None:
        self.path = path
        self.limits = limits
        self.facts = facts

    def info(self) -> AudioInfo:
        """What the file's header says."""
        with open_audio(self.path, limits=self.limits) as audio:
            return audio.info

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Decode the file; its digest is taken on the way if it is not known."""
        with open_audio(self.path, limits=self.limits) as audio:
            info = audio.info
            digest = AudioDigest(info.sample_rate, info.channels) if self.facts is None else None
            frames = 0
            for block in audio.blocks(frames=block_frames(info.sample_rate)):
                if digest is not None:
                    digest.update(block)
                frames += len(block)
                yield block
            if digest is not None:
                self.facts = FileFacts(
                    audio_digest=digest.hexdigest(),
                    container=info.container,
                    codec=info.codec,
                    sample_rate=info.sample_rate,
                    channels=info.channels,
                    bit_depth=info.bit_depth,
                    declared_frames=info.declared_frames,
                    frames=frames,
                    decoder=info.decoder,
                    warnings=tuple(audio.warnings),
                )


def _file_digest(stat: StatKey, cache: FeatureCache | None) -> str:
    # Hashed, because a path need not be text that a database can hold.
    key = f"stat/{hashlib.blake2b(repr(stat).encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
    known = cache.get(key) if cache else None
    if known is not None:
        return known.decode()
    hashed_ns = time.time_ns()
    digest = file_digest(stat.path)
    if cache and settled(stat, hashed_ns):
        cache.put(key, digest.encode())
    return digest


def _known_facts(digest: str, cache: FeatureCache | None) -> FileFacts | None:
    data = cache.get(f"file/{digest}") if cache else None
    if data is None:
        return None
    try:
        facts: FileFacts = from_plain(FileFacts, json.loads(data))
    except ValueError:
        return None
    return facts if is_current(facts.decoder) else None


def _keep_facts(digest: str, sound: _Sound, cache: FeatureCache | None) -> None:
    if cache and sound.facts is not None:
        cache.put(f"file/{digest}", json.dumps(to_plain(sound.facts)).encode())


def _may_be_known(sound: _Sound, cache: FeatureCache) -> bool:
    """Whether some cached sound declares the same number of frames, rate and channels."""
    return cache.get(_likeness(sound.info())) is not None


def _likeness(info: AudioInfo | FileFacts) -> str:
    return f"like/{info.declared_frames}/{info.sample_rate}/{info.channels}"


def _bundle(facts: FileFacts, level: AnalysisLevel) -> str:
    return f"audio/{facts.audio_digest}/{level}"


def _known_values(facts: FileFacts | None, level: AnalysisLevel, cache: FeatureCache | None) -> dict[str, Any]:
    """Values of the level's nodes that the cache has under today's fingerprints."""
    values: dict[str, Any] = {}
    if facts is None or cache is None:
        return values
    graph = feature_graph()
    for each, nodes in outputs_of(level).items():
        stored = cache.get_values(_bundle(facts, each))
        for node in nodes:
            if node in stored and stored[node].fingerprint == graph.fingerprints[node]:
                try:
                    values[node] = stored[node].value(graph.nodes[node].result | Unknown)
                except (ValueError, KeyError):
                    continue
    return values


def _keep_values(
    facts: FileFacts | None, level: AnalysisLevel, values: Mapping[str, Any], new: set[str], cache: FeatureCache | None
) -> None:
    if facts is None or cache is None:
        return
    fingerprints = feature_graph().fingerprints
    for each, nodes in outputs_of(level).items():
        if not new.isdisjoint(nodes):
            cache.put_values(_bundle(facts, each), {node: (fingerprints[node], values[node]) for node in nodes})
    cache.put(_likeness(facts), b"")


def _finite(node: str, value: Any) -> Any:
    """The value, or `Unknown` if a number in it is not finite."""
    try:
        to_plain(value)
    except ValueError as error:
        return Unknown(f"the computation of {node} failed: {error}")
    return value


def _features(
    name: str, stat: StatKey, digest: str, facts: FileFacts, *, level: AnalysisLevel, values: Mapping[str, Any]
) -> AudioFeatures:
    outputs: Iterable[str] = (node for nodes in outputs_of(level).values() for node in nodes)
    fields = fields_from({node: values[node] for node in outputs})
    channel = values["fitting_downmix"].channel
    warnings = facts.warnings
    if channel is not None:
        warnings += (f"the channels cancel each other in the mean; channel {channel + 1} stands for the sound",)
    return AudioFeatures(
        level=level,
        path=name,
        file_digest=digest,
        audio_digest=facts.audio_digest,
        container=facts.container,
        codec=facts.codec,
        duration_s=values["duration_s"],
        sample_rate_hz=facts.sample_rate,
        channels=facts.channels,
        bit_depth=facts.bit_depth,
        file_size_bytes=stat.size,
        warnings=warnings,
        **fields,
    )
