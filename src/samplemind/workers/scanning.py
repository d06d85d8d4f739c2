"""Scans: files that are as they were when they were last scanned cost a look at the file system."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from samplemind.audio import StatKey, settled, stat_key
from samplemind.cache import FeatureCache
from samplemind.errors import AnalysisError
from samplemind.features import feature_graph
from samplemind.features.levels import AnalysisLevel, outputs_of
from samplemind.pipeline import stat_entry
from samplemind.result import AudioFeatures
from samplemind.workers.process import Outcome

PREFIX: Final = "scanned/"
"""What keys begin with under which it is kept that a file was scanned, and under which fingerprints."""
_ASKED_AT_ONCE: Final = 500

Batch = Callable[..., Generator[Outcome, None, None]]
"""`samplemind.workers.batch.batch`, with all arguments given but the paths and `also_kept`."""


class Scan:
    """The outcomes of files that are new or changed, as they come; `unchanged` counts the others meanwhile.

    A file counts as unchanged if its path, size, times and inode are what they were when it was analysed, and nothing
    that the level's answers depend on has a new version. What has no answer is tried again by every scan.

    Args:
        paths: files, read as they are needed.
        level: how much to find out.
        cache: where it is kept what was scanned.
        batch: analyses those that need it.
    """

    def __init__(self, paths: Iterable[str], *, level: AnalysisLevel, cache: FeatureCache, batch: Batch) -> None:
        self.unchanged = 0
        self._cache = cache
        self._level = level
        self._batch = batch
        self._paths = paths
        self._today = _fingerprint(level).encode()
        self._begun: dict[str, StatKey] = {}

    def __iter__(self) -> Generator[Outcome, None, None]:
        """Outcomes of files that are new or changed."""
        outcomes = self._batch(self._changed(), also_kept=self._mark)
        try:
            yield from outcomes
        finally:
            outcomes.close()

    def _mark(self, outcome: Outcome) -> dict[str, bytes]:
        """What is kept of a file that was analysed: that it need not be again."""
        stat = self._begun.pop(outcome.path, None)
        if stat is None or not isinstance(outcome.answer, AudioFeatures):
            return {}
        return {self._key(stat): self._today}

    def _changed(self) -> Iterator[str]:
        paths = iter(self._paths)
        while some := list(itertools.islice(paths, _ASKED_AT_ONCE)):
            stats = {path: stat for path in some if (stat := _stat(path)) is not None}
            keys = {path: self._key(stat) for path, stat in stats.items()}
            scanned = self._cache.get_many(list(keys.values()))
            now = time.time_ns()
            for path in some:
                if path in keys and scanned.get(keys[path]) == self._today:
                    self.unchanged += 1
                    continue
                if path in stats and settled(stats[path], now):
                    self._begun[path] = stats[path]
                yield path

    def _key(self, stat: StatKey) -> str:
        return f"{PREFIX}{stat_entry(stat)}/{self._level}"


def _stat(path: str) -> StatKey | None:
    try:
        return stat_key(path)
    except AnalysisError:  # whoever opens it will say why
        return None


def _fingerprint(level: AnalysisLevel) -> str:
    """What the answers of a level depend on, but for the files: nodes, and the libraries that decode."""
    fingerprints = feature_graph().fingerprints
    parts = [fingerprints[node] for nodes in outputs_of(level).values() for node in nodes]
    for package in ("av", "soundfile"):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"no {package}")
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
