"""Who groups of files may be sent to: threads of this process, or Dask's workers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from typing import Any, Final

from samplemind.errors import WorkerStartError
from samplemind.workers.fitting import FittingNodes
from samplemind.workers.flights import Slots
from samplemind.workers.node import without_workers
from samplemind.workers.remote import line_of, scheme, shown

_REACH_S: Final = 10.0
"""Seconds in which a scheduler must answer."""


@contextlib.contextmanager
def executor_for(
    scheduler: str | None, *, jobs: int, tell: Callable[[str], object] = lambda line: None
) -> Iterator[tuple[Executor, Slots]]:
    """An executor and how many groups it works on at a time.

    Args:
        scheduler: the address of Dask's, as ``tcp://host:8786`` or ``tls://…``; ``local:4`` for four Dask workers on
            this machine; None for threads of this process, which have a worker process each.
        jobs: threads of this process.
        tell: is told, as a line for people, when there is nobody to work.

    Raises:
        WorkerStartError: Dask is missing, the scheduler does not answer, or a node has another version of samplemind
            or Python.
    """
    if scheduler is not None:
        with dask_executor(scheduler, tell=tell) as found:
            yield found
        return
    threads = ThreadPoolExecutor(jobs)
    try:
        yield threads, lambda: jobs
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        with without_workers():  # it makes the threads end
            threads.shutdown()


@contextlib.contextmanager
def dask_executor(
    scheduler: str, *, tell: Callable[[str], object] = lambda line: None
) -> Iterator[tuple[Executor, Slots]]:
    """Dask's workers as an executor; each of their threads has a worker process of ours on its node.

    Args:
        scheduler: its address, or ``local:N``. What ``tls://`` needs is in Dask's own configuration.
        tell: as for `executor_for`.

    Raises:
        WorkerStartError: as for `executor_for`.
    """
    try:
        import distributed
    except ImportError:
        raise WorkerStartError("a cluster needs the package distributed: pip install 'samplemind[cluster]'") from None
    with _hushed(), contextlib.ExitStack() as closing, contextlib.ExitStack() as ends:
        kind, _, count = scheduler.partition(":")
        if kind == "local" and count and not (count.isdecimal() and int(count) > 0):
            raise WorkerStartError(f"{scheduler} is no scheduler: name a number of workers, as in local:4")
        if kind != "local":
            _refuse_nonsense(scheduler)
        try:
            address: Any = scheduler
            if kind == "local":
                # Dask's side is threads of this process, so that what is sent to all processes of a terminal, as an
                # interrupt is, finds none of Dask's. Files are analysed in other processes: there is no limit here.
                address = ends.enter_context(
                    distributed.LocalCluster(
                        n_workers=int(count or 1),
                        threads_per_worker=1,
                        processes=False,
                        protocol="tcp://",
                        dashboard_address=None,
                        # Its pages can't be done without, but need no port that somebody else may have.
                        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
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
        nodes = FittingNodes(client, scheduler, tell)
        if kind == "local":  # its threads would wait for their groups
            ends.callback(lambda: closing.enter_context(without_workers()))
        ends.callback(nodes.shutdown, wait=False)
        yield nodes, nodes.slots


def _refuse_nonsense(scheduler: str) -> None:
    """Refuse what is no address: Dask's client finds it out late, and ends even later."""
    from distributed.comm.addressing import parse_address, parse_host_port
    from distributed.comm.registry import backends

    try:
        kind, place = parse_address(scheduler)
        host, port = parse_host_port(place)
    except ValueError:
        kind, host, port = "", "", 0
    if kind not in backends or not host or not 0 < port < 2**16:
        raise WorkerStartError(
            f"{shown(scheduler)} is no scheduler: name its address, as in tcp://host:8786, or local:4"
        )


def _tls_context() -> object:
    import distributed

    return distributed.Security().get_connection_args("client").get("ssl_context")


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Have the loop that Dask runs in say nothing about groups that are called off while their answers are coming."""

    def news(record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], CancelledError))

    log = logging.getLogger("tornado.application")
    log.addFilter(news)
    try:
        yield
    finally:
        log.removeFilter(news)
