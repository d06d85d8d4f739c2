"""Many files among many machines: groups of paths on any executor."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor
from typing import Final

from samplemind.audio import Limits
from samplemind.cache import FeatureCache
from samplemind.errors import AnalysisError
from samplemind.features.levels import AnalysisLevel
from samplemind.plain import from_plain
from samplemind.workers.batch import keep, known_outcome
from samplemind.workers.flights import AHEAD, Group, Lost, Slots, flown
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.node import GroupTask, unpacked
from samplemind.workers.order import GROUP_BYTES, GROUP_FILES, size_of
from samplemind.workers.process import Outcome
from samplemind.workers.remote import is_url
from samplemind.workers.shards import Shard, ShardFolder, shard_name

_ROWS: Final = 1000
"""Most files of a shard: some megabytes of Parquet, and some minutes of one core if they are whole tracks."""
_LOOKED: Final = 100_000
"""Paths that are looked at to find out how many there are: some megabytes."""


def batch_on(
    executor: Executor,
    paths: Iterable[str],
    *,
    level: AnalysisLevel,
    cache: FeatureCache | None,
    limits: Limits,
    worker_limits: WorkerLimits,
    slots: Slots,
    series: bool = False,
    retry_quarantined: bool = False,
) -> Generator[Outcome, None, None]:
    """Analyse files on an executor, as `workers.batch.batch` does on this machine.

    Args:
        executor: runs `analyze_group` wherever it likes, with plain arguments.
        paths: files as the nodes know them, and URLs. They are read in the caller's thread as they are needed, while it
            waits for an outcome. Relative ones are meant from this process's folder.
        level: how much to find out.
        cache: where answers are looked up and kept by this process; None for neither, nor by the nodes.
        limits: what is refused.
        worker_limits: what one file may cost.
        slots: how many groups can be worked on at a time; asked now and then, as nodes come and go. What it raises
            ends the run.
        series: also give frame-level series.
        retry_quarantined: try files again that crashed their workers.

    Yields:
        Outcomes as they come, in no particular order: one for each path. Where a group is lost again and again, for
        example because its nodes die, each of its paths has a `CrashError` that says so.

    Raises:
        WorkerStartError: nodes are of another version or can't start workers, or the executor takes no more work.
    """

    def known(path: str) -> Outcome | None:
        if cache is None:
            return None
        with contextlib.suppress(AnalysisError):  # a file that is not here may well be there
            return known_outcome(path, level=level, cache=cache, series=series, retry_quarantined=retry_quarantined)
        return None

    task = GroupTask(
        level=level,
        series=series,
        folder=os.getcwd(),
        use_cache=cache is not None,
        redis_url=_redis_url(cache),
        limits=limits,
        worker_limits=worker_limits,
        retry_quarantined=retry_quarantined,
    )
    given: Iterator[Outcome | Group] = (
        (item, None) if isinstance(item, list) else item for item in _grouped(paths, known)
    )
    with contextlib.closing(flown(executor, given, task, slots)) as items:
        for item in items:
            if isinstance(item, Outcome):
                yield item
            elif isinstance(item, Lost):
                yield from item.outcomes()
            else:
                outcomes = [*map(unpacked, item["outcomes"])]
                if cache is not None:
                    keep(outcomes, cache)
                yield from outcomes


def shards_on(
    executor: Executor,
    paths: Iterable[str],
    output: str,
    *,
    level: AnalysisLevel,
    use_cache: bool,
    redis_url: str | None,
    limits: Limits,
    worker_limits: WorkerLimits,
    slots: Slots,
    rows: int | None = None,
    retry_quarantined: bool = False,
    begun: Callable[[str], object] = lambda name: None,
) -> Generator[Shard, None, None]:
    """Analyse files on an executor whose nodes write the results themselves: only counts and failures come back here.

    Begun again after an interruption with the same paths in the same order, it goes on: shards that are there are not
    made again.

    Args:
        executor: as for `batch_on`.
        paths: likewise.
        output: folder that all nodes share, or a URL.
        level: how much to find out.
        use_cache: the nodes look answers up and keep them, in the caches that their own settings name.
        redis_url: a cache that nodes share; it wins over their settings.
        limits: what is refused.
        worker_limits: what one file may cost.
        slots: as for `batch_on`.
        rows: files of a shard, the last one's fewer. By default a thousand, or fewer so that all have something to do.
            A run that goes on has as many as before.
        retry_quarantined: try files again that crashed their workers.
        begun: is told the name of each shard before its group is sent. Of those begun and not given when the run is cut
            short, some may be there.

    Yields:
        Shards as they are done, with the files that have failed. At the end the manifest is there.

    Raises:
        WorkerStartError: as for `batch_on`.
        OutputError: the output can't be written, holds a finished run, or one that was begun otherwise.
    """
    task = GroupTask(
        level=level,
        series=False,
        folder=os.getcwd(),
        use_cache=use_cache,
        redis_url=redis_url,
        limits=limits,
        worker_limits=worker_limits,
        retry_quarantined=retry_quarantined,
        output=output if is_url(output) else os.path.abspath(output),
    )
    folder = ShardFolder(output)
    if rows is None:
        rows, paths = _fair_rows(paths, slots())
    run = folder.begin(level=level, rows=rows)

    def groups() -> Iterator[Outcome | Group]:
        for number, group in enumerate(_chunks(paths, run.rows)):
            name = shard_name(number, group)
            begun(name)
            yield group, name

    with contextlib.closing(flown(executor, groups(), task, slots)) as items:
        for item in items:
            if isinstance(item, Outcome):
                raise AssertionError("nothing is known of a shard before its node was asked")
            if isinstance(item, Lost):
                shard = folder.write(item.shard or "", list(item.outcomes()), lost=True)
            else:
                shard = from_plain(Shard, item["shard"])
            run.add(shard)
            yield shard
    run.finish()


def _grouped(paths: Iterable[str], known: Callable[[str], Outcome | None]) -> Iterator[Outcome | list[str]]:
    """Outcomes that are known, and the other paths in groups."""
    group: list[str] = []
    total = 0
    for path in paths:
        outcome = known(path)
        if outcome is not None:
            yield outcome
            continue
        group.append(path)
        total += size_of(path)
        if len(group) == GROUP_FILES or total > GROUP_BYTES:
            yield group
            group, total = [], 0
    if group:
        yield group


def _chunks(paths: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(paths)
    while some := list(itertools.islice(rest, size)):
        yield some


def _fair_rows(paths: Iterable[str], slots: int) -> tuple[int, Iterable[str]]:
    """How many files a shard should have; and the paths, of which some were read.

    A shard has as many as are worked on together, or more, unless that leaves some slots with nothing to do.
    """
    slots = max(1, slots)
    shards = AHEAD * slots
    rest = iter(paths)
    first = [*itertools.islice(rest, min(_LOOKED, _ROWS * shards))]
    more = next(rest, None)
    if more is not None:
        return _ROWS, itertools.chain(first, [more], rest)
    least = min(GROUP_FILES, math.ceil(len(first) / slots))
    return max(1, least, math.ceil(len(first) / shards)), first


def _redis_url(cache: FeatureCache | None) -> str | None:
    tiers = cache.tiers if cache is not None else ()
    return next((url for tier in tiers if (url := getattr(tier, "url", None)) is not None), None)
