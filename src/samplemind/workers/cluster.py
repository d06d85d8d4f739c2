"""Many files among many machines: groups of paths on any executor, and Dask's as one of them."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import platform
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from samplemind.audio import Limits
from samplemind.cache import FeatureCache
from samplemind.errors import AnalysisError, WorkerStartError
from samplemind.features.levels import AnalysisLevel
from samplemind.plain import from_plain
from samplemind.version import __version__
from samplemind.workers.batch import keep, known_outcome
from samplemind.workers.flights import AHEAD, Group, Lost, Slots, flown
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.node import GroupTask, end_workers, unpacked
from samplemind.workers.order import GROUP_BYTES, GROUP_FILES, size_of
from samplemind.workers.process import Outcome
from samplemind.workers.remote import line_of, scheme
from samplemind.workers.shards import Shard, ShardFolder, shard_name

if TYPE_CHECKING:
    from distributed import Client

_REACH_S: Final = 10.0
"""Seconds in which a scheduler must answer."""
_ASKED_S: Final = 5.0
"""How often a scheduler is asked how many workers it has."""
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
        paths: files as the nodes know them, and URLs; read as they are needed.
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
        if cache is None or series:
            return None
        with contextlib.suppress(AnalysisError):  # a file that is not here may well be there
            return known_outcome(path, level=level, cache=cache, retry_quarantined=retry_quarantined)
        return None

    task = GroupTask(
        level=level,
        series=series,
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
        rows: files of a shard, the last one's fewer. By default a thousand, or else so many that all that is worked on
            at a time has some shards. A run that goes on has as many as before.
        retry_quarantined: try files again that crashed their workers.

    Yields:
        Shards as they are done, with the files that have failed. At the end the manifest is there.

    Raises:
        WorkerStartError: as for `batch_on`.
        OutputError: the output can't be written, holds a finished run, or one that was begun otherwise.
    """
    task = GroupTask(
        level=level,
        series=False,
        use_cache=use_cache,
        redis_url=redis_url,
        limits=limits,
        worker_limits=worker_limits,
        retry_quarantined=retry_quarantined,
        output=output,
    )
    folder = ShardFolder(output)
    if rows is None:
        rows, paths = _fair_rows(paths, slots())
    run = folder.begin(level=level, rows=rows)
    groups: Iterator[Outcome | Group] = (
        (group, shard_name(number, group)) for number, group in enumerate(_chunks(paths, run.rows))
    )
    with contextlib.closing(flown(executor, groups, task, slots)) as items:
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
    """How many files a shard should have, so that all slots have some; and the paths, of which some were read."""
    shards = AHEAD * max(1, slots)
    rest = iter(paths)
    first = [*itertools.islice(rest, min(_LOOKED, _ROWS * shards))]
    more = next(rest, None)
    if more is not None:
        return _ROWS, itertools.chain(first, [more], rest)
    return min(_ROWS, max(GROUP_FILES, math.ceil(len(first) / shards))), first


def _redis_url(cache: FeatureCache | None) -> str | None:
    tiers = cache.tiers if cache is not None else ()
    return next((url for tier in tiers if (url := getattr(tier, "url", None)) is not None), None)


@contextlib.contextmanager
def executor_for(scheduler: str | None, *, jobs: int) -> Iterator[tuple[Executor, Slots]]:
    """An executor and how many groups it works on at a time.

    Args:
        scheduler: the address of Dask's, as ``tcp://host:8786`` or ``tls://…``; ``local:4`` for four Dask workers on
            this machine; None for threads of this process, which have a worker process each.
        jobs: threads of this process.

    Raises:
        WorkerStartError: Dask is missing, the scheduler does not answer, or a node has another version of samplemind
            or Python.
    """
    if scheduler is not None:
        with dask_executor(scheduler) as found:
            yield found
        return
    threads = ThreadPoolExecutor(jobs)
    try:
        yield threads, lambda: jobs
    finally:
        end_workers()  # first: it makes the threads end
        threads.shutdown(cancel_futures=True)


@contextlib.contextmanager
def dask_executor(scheduler: str) -> Iterator[tuple[Executor, Slots]]:
    """Dask's workers as an executor; each of their threads has a worker process of ours on its node.

    Args:
        scheduler: its address, or ``local:N``. What ``tls://`` needs is in Dask's own configuration.

    Raises:
        WorkerStartError: as for `executor_for`.
    """
    try:
        import distributed
    except ImportError:
        raise WorkerStartError("a cluster needs the package distributed: pip install 'samplemind[cluster]'") from None
    with contextlib.ExitStack() as ends:
        kind, _, count = scheduler.partition(":")
        if kind == "local" and count and not (count.isdecimal() and int(count) > 0):
            raise WorkerStartError(f"{scheduler} is no scheduler: name a number of workers, as in local:4")
        try:
            address: Any = scheduler
            if kind == "local":
                # Files are analysed outside of Dask's processes, which so need no limit.
                address = ends.enter_context(
                    distributed.LocalCluster(
                        n_workers=int(count or 1),
                        threads_per_worker=1,
                        dashboard_address=None,
                        memory_limit=0,
                        silence_logs=logging.ERROR,  # that groups are called off is no news
                    )
                )
            elif scheme(scheduler) == "tls" and _tls_context() is None:
                # Asked here, because a client that finds it out stays half open, and stands in the next one's way.
                raise WorkerStartError(f"{scheduler} needs certificates: distributed.comm.tls in Dask's configuration")
            client = ends.enter_context(distributed.Client(address, timeout=_REACH_S, set_as_default=False))
        except (OSError, ValueError, TypeError) as error:
            raise WorkerStartError(f"the scheduler {scheduler} can't be reached: {line_of(error)}") from error
        _refuse_skew(client)
        slots = _Slots(client)
        # Not pure: a group that was lost is not to be answered with the loss.
        executor = client.get_executor(pure=False)
        ends.callback(_call_off, executor, client)
        yield executor, slots


def _tls_context() -> object:
    import distributed

    return distributed.Security().get_connection_args("client").get("ssl_context")


def _call_off(executor: Executor, client: Client) -> None:
    if client.status != "closed":
        executor.shutdown(wait=False)


class _Slots:
    """How many threads Dask's workers have, asked anew every few seconds, unless the scheduler is gone for good."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked = -math.inf
        self._count = 1

    def __call__(self) -> int:
        if time.monotonic() - self._asked > _ASKED_S:
            with contextlib.suppress(Exception):  # it may come back
                self._count = sum(self._client.nthreads().values())
            self._asked = time.monotonic()
        if self._client.status == "closed":
            raise WorkerStartError("the scheduler is gone")
        return self._count


def versions() -> tuple[str, str]:
    """Versions that must be the same on all nodes: samplemind's, and the first two numbers of Python's."""
    return __version__, ".".join(platform.python_version_tuple()[:2])


def _refuse_skew(client: Client) -> None:
    """Refuse nodes whose answers would be other ones, or could not be understood."""
    own = versions()
    found = client.run(versions, on_error="return")
    wrong = []
    for address, theirs in sorted(found.items()):
        if isinstance(theirs, BaseException):
            wrong.append(f"{address} has no samplemind that can be asked: {line_of(theirs)}")
        elif tuple(theirs) != own:
            wrong.append(f"{address} has samplemind {theirs[0]} with Python {theirs[1]}")
    if wrong:
        raise WorkerStartError(
            f"all nodes must have samplemind {own[0]} with Python {own[1]}, as this machine has: {'; '.join(wrong)}"
        )
