"""A batch: answers that are known at once, the others from workers, and what they found into the cache."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Generator, Iterable
from typing import Final

from samplemind.audio import Limits
from samplemind.cache import DiskTier, FeatureCache
from samplemind.errors import AnalysisError, CrashError, QuarantinedError
from samplemind.features.levels import AnalysisLevel
from samplemind.pipeline import remembered
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.pool import Pool
from samplemind.workers.process import Outcome
from samplemind.workers.quarantine import quarantine, quarantined
from samplemind.workers.task import Task

_WRITTEN_EVERY_S: Final = 1.0
"""How long what was found out may wait to be written with what comes after it."""
_WRITTEN_BYTES: Final = 2**20
"""Bytes that are written at once."""


def batch(
    paths: Iterable[str],
    *,
    level: AnalysisLevel,
    cache: FeatureCache | None,
    limits: Limits,
    workers: int,
    worker_limits: WorkerLimits,
    series: bool = False,
    retry_quarantined: bool = False,
) -> Generator[Outcome, None, None]:
    """Analyse files in worker processes.

    Args:
        paths: files, read as they are needed.
        level: how much to find out.
        cache: where answers are looked up and kept; None for neither.
        limits: what is refused.
        workers: how many processes.
        worker_limits: what one file may cost.
        series: also give frame-level series.
        retry_quarantined: try files again that crashed their workers.

    Yields:
        Outcomes as they come, in no particular order.
    """

    def known(path: str) -> Outcome | None:
        if cache is None or series:
            return None
        try:
            analysis = remembered(path, level=level, cache=cache)
            if analysis is not None:
                return Outcome(path, analysis.features)
            error = None if retry_quarantined else quarantined(path, cache)
        except AnalysisError as unreadable:
            return Outcome(path, unreadable.with_traceback(None))
        return Outcome(path, error) if error is not None else None

    pool = Pool(_task(level, series, cache, limits, worker_limits), workers=workers, limits=worker_limits)
    with contextlib.ExitStack() as ends, contextlib.closing(pool.outcomes(paths, known)) as outcomes:
        writer = _Writer(cache) if cache is not None else None
        if writer is not None:
            ends.callback(writer.flush)
        for outcome in outcomes:
            if writer is not None:
                writer.take(outcome)
            yield outcome


class _Writer:
    """Collects what should be kept, and writes it now and then: one transaction for many files."""

    def __init__(self, cache: FeatureCache) -> None:
        self._cache = cache
        self._waiting: dict[str, bytes] = {}
        self._size = 0
        self._written = time.monotonic()

    def take(self, outcome: Outcome) -> None:
        """Keep what an outcome brought."""
        if isinstance(outcome.answer, CrashError) and not isinstance(outcome.answer, QuarantinedError):
            quarantine(outcome.answer, self._cache)
        self._cache.add_counts(outcome.counts)
        self._waiting |= outcome.entries
        self._size += sum(map(len, outcome.entries.values()))
        if self._size > _WRITTEN_BYTES or time.monotonic() - self._written > _WRITTEN_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._cache.put(self._waiting)
        self._waiting = {}
        self._size = 0
        self._written = time.monotonic()


def _task(
    level: AnalysisLevel, series: bool, cache: FeatureCache | None, limits: Limits, worker_limits: WorkerLimits
) -> Task:
    tiers = cache.tiers if cache is not None else ()
    files = [str(tier.path.absolute()) for tier in tiers if isinstance(tier, DiskTier)]
    urls = [url for tier in tiers if (url := getattr(tier, "url", None)) is not None]
    return Task(
        level=level,
        series=series,
        use_cache=cache is not None,
        cache_file=files[0] if files else None,
        redis_url=urls[0] if urls else None,
        limits=limits,
        memory_bytes=worker_limits.memory_bytes,
        parent=os.getpid(),
    )
