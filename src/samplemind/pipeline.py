"""One file through the flow: identity, cache, decode, feature graph, result.

path ─▶ stat ─▶ file digest ─▶ audio digest ─▶ values of nodes
        each step is asked of the cache first; what is missing is decoded and computed, once
"""

from __future__ import annotations

import contextlib
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
    AudioFile,
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
from samplemind.cache.bundle import current_values, encode
from samplemind.errors import FileAccessError
from samplemind.execution import Run
from samplemind.features import feature_graph, with_times
from samplemind.features.computation import block_frames, compute, finite
from samplemind.features.levels import KEPT, SERIES, AnalysisLevel, outputs_of
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
        name: the file's name in results, if not its path.

    Raises:
        AnalysisError: the file has no answer; the error names it and the reason.
        LevelUnavailableError: this version can't compute the level.
    """
    outputs = outputs_of(level)
    stat = stat_key(path)
    entries: dict[str, bytes] = {}
    digest = _file_digest(stat, cache, entries)
    with contextlib.closing(_Sound(path, limits, _known_facts(digest, cache))) as sound:
        if sound.facts is None and cache is not None and _may_be_known(sound.info(), cache):
            for _ in sound.blocks():
                pass
        values = _known_values(sound.facts, level, cache)
        wanted = {node for nodes in outputs.values() for node in nodes} - values.keys()
        run = None
        if wanted or series:
            wanted |= {node for each in outputs for node in KEPT[each]} - values.keys() if wanted else set()
            form = sound.facts or sound.info()
            run = compute(
                sound.blocks,
                wanted | set(SERIES if series else ()),
                sample_rate=form.sample_rate,
                channels=form.channels,
                given=values,
            )
            values |= {node: finite(node, run.values[node]) for node in wanted}
        if sound.facts is None:
            raise AssertionError("a file was answered without being decoded or known")
        if sound.decoded:
            _refuse_changed(path, stat)
            if cache is not None:
                entries |= _entries(digest, sound.facts, level, values, wanted)
    if cache is not None and entries:
        cache.put(entries)
    features = _features(path if name is None else name, stat, digest, sound.facts, level=level, values=values)
    if series and run is not None:
        features = dataclasses.replace(features, series=with_times({node: run.values[node] for node in SERIES}))
    return Analysis(features, run)


class _Sound:
    """A file that is opened and decoded only when it has to be, and whose facts are known after that."""

    def __init__(self, path: str, limits: Limits, facts: FileFacts | None) -> None:
        self.path = path
        self.limits = limits
        self.facts = facts
        self.decoded = False
        self._opened: AudioFile | None = None

    def info(self) -> AudioInfo:
        """What the file's header says. Opening decodes the first samples: the file stays open for `blocks`."""
        if self._opened is None:
            self._opened = open_audio(self.path, limits=self.limits)
        return self._opened.info

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Decode the file; its digest is taken on the way if it is not known."""
        info = self.info()
        audio, self._opened = self._opened, None
        if audio is None:
            raise AssertionError("an open file is closed only by reading it")
        self.decoded = True
        with audio:
            digest = AudioDigest(info.sample_rate, info.channels) if self.facts is None else None
            for block in audio.blocks(frames=block_frames(info.sample_rate)):
                if digest is not None:
                    digest.update(block)
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
                    frames=audio.frames,
                    decoder=info.decoder,
                    warnings=audio.warnings,
                )

    def close(self) -> None:
        """Close the file if it is open."""
        if self._opened is not None:
            self._opened.close()


def _refuse_changed(path: str, before: StatKey) -> None:
    """Refuse a file whose content may be another than what was hashed."""
    now = stat_key(path)
    # Not the change time: reading rights or attributes may change meanwhile.
    if (now.size, now.mtime_ns, now.inode) != (before.size, before.mtime_ns, before.inode):
        raise FileAccessError(path, "changed while it was read")


def _file_digest(stat: StatKey, cache: FeatureCache | None, entries: dict[str, bytes]) -> str:
    # Hashed, because a path need not be text that a database can hold.
    key = f"stat/{hashlib.blake2b(repr(stat).encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
    known = cache.get(key) if cache else None
    if known is not None:
        return known.decode()
    hashed_ns = time.time_ns()
    digest = file_digest(stat.path)
    if settled(stat, hashed_ns):
        entries[key] = digest.encode()
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


def _may_be_known(info: AudioInfo, cache: FeatureCache) -> bool:
    """Whether some cached sound declares the same number of frames, rate and channels."""
    return info.declared_frames is not None and cache.get(_likeness(info)) is not None


def _likeness(info: AudioInfo | FileFacts) -> str:
    return f"like/{info.declared_frames}/{info.sample_rate}/{info.channels}"


def _bundle(facts: FileFacts, level: AnalysisLevel) -> str:
    return f"audio/{facts.audio_digest}/{level}"


def _known_values(facts: FileFacts | None, level: AnalysisLevel, cache: FeatureCache | None) -> dict[str, Any]:
    """Values of the level's nodes that the cache has under today's fingerprints."""
    if facts is None or cache is None:
        return {}
    values: dict[str, Any] = {}
    for each in level.included:
        values |= current_values(feature_graph(), cache.get_values(_bundle(facts, each)))
    return values


def _entries(
    digest: str, facts: FileFacts, level: AnalysisLevel, values: Mapping[str, Any], new: set[str]
) -> dict[str, bytes]:
    """What the cache should keep of a file that was decoded: its facts, and the bundles that something new is in."""
    fingerprints = feature_graph().fingerprints
    entries = {f"file/{digest}": json.dumps(to_plain(facts)).encode(), _likeness(facts): b""}
    for each, nodes in outputs_of(level).items():
        kept = (*nodes, *KEPT[each])
        if not new.isdisjoint(kept):
            entries[_bundle(facts, each)] = encode({node: (fingerprints[node], values[node]) for node in kept})
    return entries


def _features(
    name: str, stat: StatKey, digest: str, facts: FileFacts, *, level: AnalysisLevel, values: Mapping[str, Any]
) -> AudioFeatures:
    outputs: Iterable[str] = (node for nodes in outputs_of(level).values() for node in nodes)
    fields = fields_from({node: values[node] for node in outputs})
    channel = values["fitting_downmix"].channel
    if facts.bit_depth is None:
        fields["unknown"]["bit_depth"] = f"{facts.codec} does not store samples of a fixed number of bits"
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
