"""A batch: answers that are known at once, the others from workers, and what they found into the cache."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable
from typing import Final

from samplemind.audio import Limits
from samplemind.cache import DiskTier, FeatureCache
from samplemind.errors import AnalysisError
from samplemind.features.levels import AnalysisLevel
from samplemind.pipeline import remembered
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.pool import Pool
from samplemind.workers.process import Outcome
from samplemind.workers.quarantine import noted, quarantined
from samplemind.workers.remote import is_url
from samplemind.workers.task import Task

_WRITTEN_BYTES: Final = 2**20
"""Bytes that are written at once, unless a tier is so small that it could not keep them."""


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
        if cache is None:
            return None
        try:
            return known_outcome(path, level=level, cache=cache, series=series, retry_quarantined=retry_quarantined)
        except AnalysisError as unreadable:
            return Outcome(path, unreadable.with_traceback(None))

    def store(outcomes: list[Outcome]) -> None:
        if cache is not None:
            keep(outcomes, cache)

    task = worker_task(level, series, cache, limits, worker_limits, retry_quarantined=retry_quarantined, alone=True)
    pool = Pool(task, workers=workers, limits=worker_limits)
    with contextlib.closing(pool.outcomes(paths, known=known, store=store)) as outcomes:
        yield from outcomes


def keep(outcomes: Iterable[Outcome], cache: FeatureCache) -> None:
    """Write what was found out about a group of files, and why some crashed, into the cache; count what was counted."""
    most = min([_WRITTEN_BYTES, *(tier.max_bytes // 10 for tier in cache.tiers if isinstance(tier, DiskTier))])
    entries: dict[str, bytes] = {}
    for outcome in map(noted, outcomes):
        cache.add_counts(outcome.counts)
        entries |= outcome.entries
        if sum(map(len, entries.values())) > most:
            cache.put(entries)
            entries = {}
    if entries:
        cache.put(entries)


def known_outcome(
    path: str, *, level: AnalysisLevel, cache: FeatureCache, series: bool = False, retry_quarantined: bool = False
) -> Outcome | None:
    """The outcome of a file that needs no worker, or None. Of a URL a worker finds that out: it may take a while.

    Frame-level series are not kept: who asks for those needs a worker, unless the file crashed one.

    Raises:
        FileAccessError: the file is missing or can't be looked at.
    """
    if is_url(path):
        return None
    analysis = None if series else remembered(path, level=level, cache=cache)
    if analysis is not None:
        return Outcome(path, analysis.features)
    error = None if retry_quarantined else quarantined(path, cache)
    return Outcome(path, error) if error is not None else None


def worker_task(
    level: AnalysisLevel,
    series: bool,
    cache: FeatureCache | None,
    limits: Limits,
    worker_limits: WorkerLimits,
    *,
    retry_quarantined: bool,
    alone: bool = False,
) -> Task:
    """What this process's workers are told."""
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
        retry_quarantined=retry_quarantined,
        alone=alone,
    )
