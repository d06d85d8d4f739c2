"""Groups in flight: submitted to an executor a bounded number at a time, and again where they were lost."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from samplemind.errors import CrashError, OutputError, SettingsError, WorkerStartError
from samplemind.plain import to_plain
from samplemind.version import __version__
from samplemind.workers.node import GroupTask, analyze_group
from samplemind.workers.process import Outcome
from samplemind.workers.remote import line_of, shown

AHEAD: Final = 4
"""Groups in flight for each one that can be worked on: the next ones are there before they are asked for."""
_TRIES: Final = 4
"""How often a group is submitted until it is given up."""
_WAIT_S: Final = 5.0
"""Seconds without news after which it is asked whether anybody is there."""
_FOR_ALL: Final = {kind.__name__: kind for kind in (WorkerStartError, OutputError, SettingsError)}
"""Errors of nodes that would be the same for all groups."""

Slots = Callable[[], int]
"""How many groups can be worked on at a time."""


@runtime_checkable
class Choosing(Protocol):
    """An executor that can do without nodes of another version."""

    def leave_out_others(self) -> None:
        """Send nothing more to nodes of another version, one of which has refused a group.

        Raises:
            WorkerStartError: there are no others.
        """


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


Group = tuple[list[str], str | None]
"""Paths, and the name of the shard that they become."""


@dataclass(frozen=True)
class _Flight:
    """A group that was submitted."""

    paths: list[str]
    shard: str | None
    tries: int


def flown(
    executor: Executor, items: Iterator[Outcome | Group], task: GroupTask, slots: Slots
) -> Generator[Outcome | Lost | dict[str, Any], None, None]:
    """Submit groups, a bounded number at a time, and give what became of them; outcomes are handed through."""
    task_json = json.dumps(to_plain(task))
    flying: dict[Future[dict[str, Any]], _Flight] = {}
    landed: queue.SimpleQueue[Future[dict[str, Any]]] = queue.SimpleQueue()

    def submit(flight: _Flight) -> None:
        try:
            future = executor.submit(analyze_group, task_json, flight.paths, flight.shard)
        except Exception as error:  # it is broken, or was shut down: each kind of executor has its own errors
            raise WorkerStartError(f"the executor takes no more work: {line_of(error)}") from error
        flying[future] = flight
        future.add_done_callback(landed.put)

    def most() -> int:
        try:
            return AHEAD * max(1, slots())
        except Exception:
            flying.clear()  # nobody is there who could call them off
            raise

    left = True
    try:
        while left or flying:
            # What has landed goes first: the next path may be long in coming.
            if left and landed.empty() and len(flying) < most():
                item = next(items, None)
                if item is None:
                    left = False
                elif isinstance(item, Outcome):
                    yield item
                else:
                    submit(_Flight(*item, tries=1))
                continue
            try:
                future = landed.get(timeout=_WAIT_S)
            except queue.Empty:
                most()  # Dask does not say of every future that it will never land, but here that nobody is there
                continue
            flight = flying.pop(future)
            result = _landed(future, flight, executor)
            if result is None:
                submit(_Flight(flight.paths, flight.shard, flight.tries + 1))
            else:
                yield result
    finally:
        for future in flying:
            future.cancel()


def _landed(future: Future[dict[str, Any]], flight: _Flight, executor: Executor) -> dict[str, Any] | Lost | None:
    """What became of a group; None if it should be submitted again."""
    try:
        result = future.result()
    except Exception as error:  # whatever an executor raises when a node is gone
        result = {"failed": ["", line_of(error)]}
    if "refused" in result:
        if isinstance(executor, Choosing) and flight.tries < _TRIES:
            executor.leave_out_others()
            return None
        raise WorkerStartError(f"{result['refused']}, and this is {__version__}")
    if "failed" not in result:
        return result
    if flight.tries < _TRIES:
        return None
    name, text = result["failed"]
    if name in _FOR_ALL:
        raise _FOR_ALL[name](text)
    return Lost(tuple(flight.paths), flight.shard, f"no node could analyse its group, in {_TRIES} tries: {text}")
