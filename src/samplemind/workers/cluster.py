"""Many files among many machines: groups of paths on any executor, and Dask's as one of them."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import math
import platform
import queue
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from samplemind.audio import Limits
from samplemind.cache import FeatureCache
from samplemind.errors import AnalysisError, CrashError, SampleMindError, WorkerStartError
from samplemind.features.levels import AnalysisLevel
from samplemind.plain import from_plain, to_plain
from samplemind.version import __version__
from samplemind.workers.batch import keep, known_outcome
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.node import GroupTask, analyze_group, end_workers, unpacked
from samplemind.workers.order import GROUP_BYTES, GROUP_FILES, size_of
from samplemind.workers.process import Outcome
from samplemind.workers.remote import shown
from samplemind.workers.shards import Shard, ShardFolder, shard_name

if TYPE_CHECKING:
    from distributed import Client

_AHEAD: Final = 4
"""Groups in flight for each one that can be worked on: the next ones are there before they are asked for."""
_TRIES: Final = 4
"""How often a group is submitted until it is given up."""
_REACH_S: Final = 10.0
"""Seconds in which a scheduler must answer."""
_ASKED_S: Final = 5.0
"""How often a scheduler is asked how many workers it has."""
_ROWS: Final = 1000
"""Files of a shard: some megabytes of Parquet, and half an hour of one core if they are whole tracks."""

Slots = Callable[[], int]


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
    also_kept: Callable[[Outcome], Mapping[str, bytes]] | None = None,
) -> Generator[Outcome, None, None]:
    """Analyse files on an executor, as `workers.batch.batch` does on this machine.

    Args:
        executor: runs `analyze_group` wherever it likes, with plain arguments.
        paths: files as the nodes know them, and URLs; read as they are needed.
        level: how much to find out.
        cache: where answers are looked up and kept by this process; None for neither, nor by the nodes.
        limits: what is refused.
        worker_limits: what one file may cost.
        slots: how many groups can be worked on at a time; asked now and then, as nodes come and go.
        series: also give frame-level series.
        retry_quarantined: try files again that crashed their workers.
        also_kept: what else the cache should keep of an outcome, written together with it.

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
    given: Iterator[Outcome | _Group] = (
        (item, None) if isinstance(item, list) else item for item in _grouped(paths, known)
    )
    with contextlib.closing(_flown(executor, given, task, slots)) as items:
        for item in items:
            if isinstance(item, Outcome):
                yield item
            elif isinstance(item, Lost):
                yield from item.outcomes()
            else:
                outcomes = [*map(unpacked, item["outcomes"])]
                if cache is not None:
                    keep(outcomes, cache, also_kept)
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
    rows: int = _ROWS,
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
        rows: files of a shard, the last one's fewer.
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
    run = folder.begin(level=level, rows=rows)
    groups: Iterator[Outcome | _Group] = (
        (group, shard_name(number, group)) for number, group in enumerate(_chunks(paths, rows))
    )
    with contextlib.closing(_flown(executor, groups, task, slots)) as items:
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


@dataclass(frozen=True)
class Lost:
    """A group that no node could be had for, and why."""

    paths: tuple[str, ...]
    shard: str | None
    reason: str

    def outcomes(self) -> Iterator[Outcome]:
        """An error for each path. The cache keeps none of them: the files may be all right."""
        for path in self.paths:
            yield Outcome(path, CrashError(shown(path), self.reason))


_Group = tuple[list[str], str | None]


@dataclass(frozen=True)
class _Flight:
    """A group that was submitted."""

    paths: list[str]
    shard: str | None
    tries: int


def _flown(
    executor: Executor, items: Iterator[Outcome | _Group], task: GroupTask, slots: Slots
) -> Generator[Outcome | Lost | dict[str, Any], None, None]:
    """Submit groups, a bounded number at a time, and give what became of them; outcomes are handed through."""
    task_json = json.dumps(to_plain(task))
    flying: dict[Future[dict[str, Any]], _Flight] = {}
    landed: queue.SimpleQueue[Future[dict[str, Any]]] = queue.SimpleQueue()

    def submit(flight: _Flight) -> None:
        try:
            future = executor.submit(analyze_group, task_json, flight.paths, flight.shard)
        except RuntimeError as error:  # it is broken, or was shut down
            raise WorkerStartError(f"the executor takes no more work: {_line(error)}") from error
        flying[future] = flight
        future.add_done_callback(landed.put)

    left = True
    try:
        while left or flying:
            while left and len(flying) < _AHEAD * max(1, slots()):
                item = next(items, None)
                if item is None:
                    left = False
                elif isinstance(item, Outcome):
                    yield item
                else:
                    submit(_Flight(*item, tries=1))
            if not flying:
                continue
            future = landed.get()
            flight = flying.pop(future)
            result = _landed(future, flight)
            if result is None:
                submit(_Flight(flight.paths, flight.shard, flight.tries + 1))
            else:
                yield result
    finally:
        for future in flying:
            future.cancel()


def _landed(future: Future[dict[str, Any]], flight: _Flight) -> dict[str, Any] | Lost | None:
    """What became of a group; None if it should be submitted again."""
    try:
        result = future.result()
    except Exception as error:  # whatever an executor raises when a node is gone
        if flight.tries < _TRIES:
            return None
        if isinstance(error, SampleMindError):
            raise  # not a node that is gone: it would be the same for all groups
        reason = f"no node could analyse its group, in {_TRIES} tries: {_line(error)}"
        return Lost(tuple(flight.paths), flight.shard, reason)
    if "refused" in result:
        raise WorkerStartError(f"{result['refused']}, and this is {__version__}")
    return result


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


def _redis_url(cache: FeatureCache | None) -> str | None:
    tiers = cache.tiers if cache is not None else ()
    return next((url for tier in tiers if (url := getattr(tier, "url", None)) is not None), None)


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


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
            client = ends.enter_context(distributed.Client(address, timeout=_REACH_S))
        except (OSError, ValueError, TypeError) as error:
            raise WorkerStartError(f"the scheduler {scheduler} can't be reached: {_line(error)}") from error
        _refuse_skew(client)
        slots = _Slots(client)
        # Not pure: a group that was lost is not to be answered with the loss.
        executor = client.get_executor(pure=False)
        ends.callback(executor.shutdown, wait=False)
        yield executor, slots


class _Slots:
    """How many threads Dask's workers have, asked anew every few seconds."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked = -math.inf
        self._count = 1

    def __call__(self) -> int:
        if time.monotonic() - self._asked > _ASKED_S:
            self._count = sum(self._client.nthreads().values())
            self._asked = time.monotonic()
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
            wrong.append(f"{address} has no samplemind that can be asked: {_line(theirs)}")
        elif tuple(theirs) != own:
            wrong.append(f"{address} has samplemind {theirs[0]} with Python {theirs[1]}")
    if wrong:
        raise WorkerStartError(
            f"all nodes must have samplemind {own[0]} with Python {own[1]}, as this machine has: {'; '.join(wrong)}"
        )
