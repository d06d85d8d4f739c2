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
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from samplemind.errors import FileAccessError, InternalError, SampleMindError
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
    digest: str | None = None,
    refuse: Callable[[], object] = lambda: None,
) -> Analysis:
    """Take one file through the flow: the boundary at which whatever goes wrong is one file's error.

    Args:
        path: the file.
        level: how much to find out.
        cache: where answers are looked for and kept; None for neither.
        limits: what is refused.
        series: also give frame-level series; these are always computed.
        name: the file's name in results, if not its path.
        digest: the file's digest, if it is known already.
        refuse: called before the file is opened by a decoder; what it raises is raised.

    Raises:
        AnalysisError: the file has no answer; the error names it and the reason.
        LevelUnavailableError: this version can't compute the level.
    """
    try:
        return _analyzed(path, level, cache, limits, series=series, name=name, digest=digest, refuse=refuse)
    except SampleMindError:
        raise
    except Exception as error:  # a mistake of ours must not stop a batch
        where = " ".join(["failed inside samplemind", *getattr(error, "__notes__", ())])
        raise InternalError(path, f"{where}: {error!r}") from error


def _analyzed(
    path: str,
    level: AnalysisLevel,
    cache: FeatureCache | None,
    limits: Limits,
    *,
    series: bool,
    name: str | None,
    digest: str | None,
    refuse: Callable[[], object],
) -> Analysis:
    stat = stat_key(path)
    entries: dict[str, bytes] = {}
    digest = digest or _file_digest(stat, cache, entries)
    known = _known(_known_facts(digest, cache), level, cache)
    run = None
    if series or not known.complete:
        # Whoever else wants the same file's sound waits here, and then finds it.
        with cache.computing(f"file/{digest}") if cache else contextlib.nullcontext(False) as waited:
            if cache:
                if waited:
                    cache.count_waited()
                # Somebody may have found it since: while we waited, or just before.
                known = _known(_known_facts(digest, cache), level, cache)
            if series or not known.complete:
                refuse()
                with contextlib.closing(_Sound(path, limits, known.facts)) as sound:
                    known, run = _completed(known, sound, level, cache, series=series)
                    if sound.decoded:
                        _refuse_changed(path, stat)
                    if cache and sound.facts and (sound.decoded or known.new):
                        entries |= _entries(digest, sound.facts, known, level, run.seconds if run else {})
            if cache and entries:
                cache.put(entries)
    elif cache and entries:
        cache.put(entries)
    if cache:
        cache.count(computed_s=known.elapsed_s, saved_s=known.cached_s)
    features = _features(path if name is None else name, stat.size, digest, known, level)
    if series and run is not None:
        features = dataclasses.replace(features, series=with_times({node: run.values[node] for node in SERIES}))
    return Analysis(features, run)


def remembered(path: str, *, level: AnalysisLevel, cache: FeatureCache) -> Analysis | None:
    """The answer to a file that was not touched since it was analysed, or None: it costs a stat and a few lookups.

    Raises:
        FileAccessError: the file is missing or can't be looked at.
    """
    stat = stat_key(path)
    digest = cache.get(stat_entry(stat))
    return remembered_bytes(path, digest.decode(), stat.size, level=level, cache=cache) if digest is not None else None


def remembered_bytes(
    name: str, digest: str, size: int, *, level: AnalysisLevel, cache: FeatureCache
) -> Analysis | None:
    """The answer to a file of this digest and size in bytes, or None. `name` is the file's in results."""
    known = _known(_known_facts(digest, cache), level, cache)
    if not known.complete:
        return None
    cache.count(computed_s=0.0, saved_s=known.cached_s)
    return Analysis(_features(name, size, digest, known, level), None)


@dataclass(frozen=True)
class _Known:
    """What is known of a file's sound: its facts, if it was ever decoded, and values of nodes.

    `missing` are the level's nodes without a value. Computing what the cache had took `cached_s` seconds once;
    computing `new`, just now, `elapsed_s`.
    """

    facts: FileFacts | None
    values: Mapping[str, Any]
    missing: frozenset[str]
    cached_s: float
    new: frozenset[str] = frozenset()
    elapsed_s: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether nothing is left to compute."""
        return self.facts is not None and not self.missing


def _known(facts: FileFacts | None, level: AnalysisLevel, cache: FeatureCache | None) -> _Known:
    """What the cache has of a sound, under today's fingerprints."""
    values: dict[str, Any] = {}
    seconds = 0.0
    if facts is not None and cache is not None:
        for each in level.included:
            bundle = cache.get_bundle(_bundle(facts, each))
            values |= current_values(feature_graph(), bundle)
            seconds += bundle.seconds if bundle else 0.0
    needed = {node for nodes in outputs_of(level).values() for node in nodes}
    return _Known(facts, values, frozenset(needed - values.keys()), seconds)


def _completed(
    known: _Known, sound: _Sound, level: AnalysisLevel, cache: FeatureCache | None, *, series: bool
) -> tuple[_Known, Run | None]:
    """Compute what is missing, unless the sound turns out to be known from another file."""
    if sound.facts is None and cache is not None and _may_be_known(sound.info(), cache):
        for _ in sound.blocks():
            pass
        known = _known(sound.facts, level, cache)
    if known.complete and not series:
        return known, None
    wanted = set(known.missing)
    for each in outputs_of(level) if wanted else ():
        wanted |= set(KEPT[each]) - known.values.keys()
    form = sound.facts or sound.info()
    started = time.perf_counter()
    run = compute(
        sound.blocks,
        wanted | set(SERIES if series else ()),
        sample_rate=form.sample_rate,
        channels=form.channels,
        given=known.values,
    )
    values = {**known.values, **finite({node: run.values[node] for node in wanted})}
    elapsed_s = time.perf_counter() - started
    return _Known(sound.facts, values, frozenset(), known.cached_s, frozenset(wanted), elapsed_s), run


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
    key = stat_entry(stat)
    known = cache.get(key) if cache else None
    if known is not None:
        return known.decode()
    hashed_ns = time.time_ns()
    digest = file_digest(stat.path)
    if settled(stat, hashed_ns):
        entries[key] = digest.encode()
    return digest


def stat_entry(stat: StatKey) -> str:
    """The key under which the cache keeps the digest of a file that was not touched."""
    # Hashed, because a path need not be text that a database can hold.
    return f"stat/{hashlib.blake2b(repr(stat).encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


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


def _entries(
    digest: str, facts: FileFacts, known: _Known, level: AnalysisLevel, seconds: Mapping[str, float]
) -> dict[str, bytes]:
    """What the cache should keep of a file that was decoded: its facts, and the bundles that something new is in.

    Args:
        digest: of the file.
        facts: of the file.
        known: all that is known of its sound.
        level: what was asked for.
        seconds: time in each node that ran. A bundle is told its nodes' share of all the time that passed.
    """
    graph = feature_graph()
    entries = {f"file/{digest}": json.dumps(to_plain(facts)).encode(), _likeness(facts): b""}
    uncounted = dict(seconds)
    for each, nodes in outputs_of(level).items():
        kept = (*nodes, *KEPT[each])
        if known.new.isdisjoint(kept):
            continue
        plan = graph.plan(kept)
        behind = sum(uncounted.pop(node.name, 0.0) for node in (*plan.streaming, *plan.track))
        share = behind / sum(seconds.values()) if behind else 0.0
        values = {node: (graph.fingerprints[node], known.values[node]) for node in kept}
        entries[_bundle(facts, each)] = encode(values, seconds=share * known.elapsed_s)
    return entries


def _features(name: str, size: int, digest: str, known: _Known, level: AnalysisLevel) -> AudioFeatures:
    facts, values = known.facts, known.values
    if facts is None:
        raise AssertionError("a file was answered without being decoded or known")
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
        file_size_bytes=size,
        warnings=warnings,
        **fields,
    )
