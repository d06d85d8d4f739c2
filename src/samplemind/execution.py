"""Running a plan over a sound: block by block, every node once per row, memory bounded by the block.

Every streamed node has a feed: the rows that it has given and that somebody still needs. In each step the sources
(the sound, and series that the caller gave) put one block into their feeds, and each node takes as many rows as all
its inputs have, less the context that it wants to see after them. So contexts add up along the graph by
themselves, and no node knows how the sound was cut. When the last block has passed, track nodes see whole series.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samplemind.errors import GraphError
from samplemind.graph import Graph, Node, Plan, Unknown, stream_of

Rows = NDArray[Any]

_GIVEN_ELEMENTS = 2**17
"""Numbers of a given series per step: as many samples as a block has, or 128 rows of a spectrum."""
_PIECE_BYTES = 2**20
"""A series of a few minutes fits in one piece."""
_TOO_SHORT = Unknown("the sound is too short for a single frame")


@dataclass
class Run:
    """What a run gave, and what it cost."""

    values: dict[str, Any]
    """The wanted nodes: arrays for series, else the node's value or `Unknown`."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time spent in each node's function."""
    calls: dict[str, int] = field(default_factory=dict)
    """Calls of each node's function."""


class _Feed:
    """The rows of one series that have come and are still needed."""

    def __init__(self) -> None:
        self.rows: Rows | None = None
        self.start = 0
        self.end = 0
        self.finished = False

    def push(self, rows: Rows) -> None:
        kept = self.rows is not None and self.end > self.start
        self.rows = np.concatenate([self.rows, rows]) if kept and self.rows is not None else rows
        self.end += len(rows)

    def between(self, low: int, high: int) -> Rows:
        if self.rows is None:
            raise GraphError("a series was read before its first block")
        return self.rows[low - self.start : high - self.start]

    def forget_before(self, row: int) -> None:
        if self.rows is not None and row > self.start:
            self.rows = self.rows[row - self.start :]
            self.start = row


class _Series:
    """All rows of one series, in pieces that go back to the system one by one.

    An array that grows would be there twice while it does, and what it left would stay with the process.
    """

    def __init__(self) -> None:
        self._pieces: deque[Rows] = deque()
        self._room = 0
        """Rows that the last piece has left."""

    def append(self, rows: Rows) -> None:
        if not self._pieces:
            self._pieces.append(rows)  # most sounds have one block
            return
        while len(rows):
            if not self._room:
                self._room = max(1, _PIECE_BYTES // max(1, rows[:1].nbytes))
                self._pieces.append(_mapped((self._room, *rows.shape[1:]), rows.dtype))
            piece, taken = self._pieces[-1], rows[: self._room]
            start = len(piece) - self._room
            piece[start : start + len(taken)] = taken
            self._room -= len(taken)
            rows = rows[len(taken) :]

    def whole(self) -> Rows:
        """The series; its pieces are gone then."""
        if not self._pieces:
            raise GraphError("a series is read that never had a row")
        if len(self._pieces) == 1:
            return self._pieces.pop()
        first = self._pieces[0]
        whole = np.empty((sum(map(len, self._pieces)) - self._room, *first.shape[1:]), first.dtype)
        start = 0
        while self._pieces:
            piece = self._pieces.popleft()[: len(whole) - start]
            whole[start : start + len(piece)] = piece
            start += len(piece)
        return whole


def _mapped(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Rows:
    """An array in memory of its own, which the system has back when the array is gone."""
    size = math.prod(shape)
    return np.frombuffer(mmap.mmap(-1, max(1, size * dtype.itemsize)), dtype, size).reshape(shape)


class _Step:
    """A streaming node at work."""

    def __init__(self, node: Node, feeds: Mapping[str, _Feed], constants: Mapping[str, Any], run: Run) -> None:
        self.node = node
        self.inputs = {name: feeds[name] for name in node.parameters if name in feeds}
        self.feeds = tuple(self.inputs.values())
        self.constants = {name: constants[name] for name in node.parameters if name not in feeds}
        self.feed = feeds.get(node.name)
        self.state: Any = None
        self.done = 0
        self.finished = False
        self.run = run

    def advance(self) -> Rows | None:
        """Take the rows that are there; give the rows that come of them."""
        before, after = self.node.context
        if len(self.feeds) == 1:  # as nearly always
            end, finished = self.feeds[0].end, self.feeds[0].finished
        else:
            end = min(feed.end for feed in self.feeds)
            finished = all(feed.finished for feed in self.feeds)
            if finished and not self.finished:
                self._check_lengths(end)
        finishing = finished and not self.finished
        high = end if finishing else end - after
        started = self.node.name in self.run.calls
        if high <= self.done and not (finishing and (self.node.wants_last or not started)):
            self.finished = self.finished or finishing
            self._finish_feed()
            return None
        low, stop = max(0, self.done - before), min(high + after, end)
        arguments = {**self.constants, **{name: feed.between(low, stop) for name, feed in self.inputs.items()}}
        if self.node.wants_last:
            arguments["last"] = finishing
        rows: Rows | None
        if self.node.kind == "per-frame":
            rows = result = _timed(self.node, arguments, self.run)
            if len(result) != stop - low:
                raise GraphError(f"{self.node.name!r} gave {len(result)} rows for {stop - low}")
            if low < self.done or high < stop:
                rows = result[self.done - low : high - low]
        else:
            result = _timed(self.node, {**arguments, "state": self.state}, self.run)
            self.state, rows = result if self.node.kind == "scan" else (result, None)
        self.done = max(self.done, high)
        self.finished = finishing
        if self.feed is not None and rows is not None:
            self.feed.push(rows)
        self._finish_feed()
        return rows

    def needs_from(self) -> int:
        """The first row of its inputs that the node will still look at."""
        return max(0, self.done - self.node.context[0])

    def _finish_feed(self) -> None:
        if self.finished and self.feed is not None:
            self.feed.finished = True

    def _check_lengths(self, end: int) -> None:
        lengths = {name: feed.end for name, feed in self.inputs.items()}
        if any(length != end for length in lengths.values()):
            raise GraphError(f"{self.node.name!r} needs series of equal length, not {lengths}")


def _timed(node: Node, arguments: Mapping[str, Any], run: Run) -> Any:
    started = time.perf_counter()
    try:
        return node.function(**arguments)
    except Exception as error:
        error.add_note(f"in the feature {node.name!r}")
        raise
    finally:
        run.seconds[node.name] = run.seconds.get(node.name, 0.0) + time.perf_counter() - started
        run.calls[node.name] = run.calls.get(node.name, 0) + 1


def run_graph(
    graph: Graph,
    wanted: Iterable[str],
    *,
    blocks: Iterable[Rows] = (),
    source: str = "samples",
    inputs: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Run:
    """Compute the wanted nodes.

    Args:
        graph: where they are.
        wanted: names of nodes. Of a streamed node the whole series is returned.
        blocks: the sound, shape (n, …) each; read only as far as a node needs it.
        source: the input that the blocks are.
        inputs: the graph's other inputs, by name.
        given: values that replace nodes: nothing runs only for their sake. Of a streamed node, the whole series.

    Raises:
        UnknownFeatureError: a name that the graph hasn't got.
        GraphError: an input is missing, or given series are not as long as those that they meet.
    """
    given = dict(given or {})
    plan = graph.plan(wanted, given=given)
    constants: dict[str, Any] = {**graph.settings, **(inputs or {}), **given}
    missing = sorted(plan.inputs - constants.keys() - {source})
    if missing:
        raise GraphError(f"nothing was handed in for {', '.join(missing)}")
    whole = {name: _array(name, value) for name, value in given.items() if _is_series(graph, name)}
    sources = {name: _cut(rows) for name, rows in whole.items() if name in plan.inputs}
    if source in plan.inputs and source not in sources:
        sources[source] = iter(blocks)
    run = Run(values={})
    machine = _Machine(plan, constants, sources, run)
    kept = {name: _Series() for name in plan.kept}
    with contextlib.ExitStack() as closing:
        for rows_of in sources.values():
            if isinstance(rows_of, Generator):  # an error below must not leave the file open
                closing.callback(rows_of.close)
        for arrived in _lockstep({name: rows for name, rows in sources.items() if name in machine.feeds}):
            for name, rows in machine.advance(arrived).items():
                if name in kept:
                    kept[name].append(rows)
    for name, series in kept.items():
        constants[name] = series.whole()
    for step in machine.steps:
        if step.node.kind == "fold":
            constants[step.node.name] = _TOO_SHORT if step.state is None else step.state
    for member, spent in zip(plan.track, plan.spent, strict=True):
        constants[member.name] = _value(member, constants, run)
        for name in spent:  # a long sound's series would add up
            del constants[name]
    run.values = {name: constants[name] for name in plan.wanted}
    return run


class GraphStream:
    """A graph that takes a sound block by block and gives streamed nodes block by block: nothing is kept.

    Args:
        graph: where the nodes are.
        wanted: names of streamed nodes.
        source: the input that the blocks are.
        inputs: the graph's other inputs, by name.

    Raises:
        UnknownFeatureError: a name that the graph hasn't got.
        GraphError: a wanted node has no rows, or an input is missing.
    """

    def __init__(
        self, graph: Graph, wanted: Iterable[str], *, source: str, inputs: Mapping[str, Any] | None = None
    ) -> None:
        plan = graph.plan(wanted)
        constants = {**graph.settings, **(inputs or {})}
        missing = sorted(plan.inputs - constants.keys() - {source})
        if plan.track or missing:
            raise GraphError(f"not streamed: {[node.name for node in plan.track]}; not handed in: {missing}")
        self._source = source
        self._wanted = frozenset(plan.wanted)
        self._machine = _Machine(plan, constants, [source], Run(values={}))

    def push(self, block: Rows, *, last: bool) -> dict[str, Rows]:
        """Hand in the next block; what it completes of each wanted node, if anything."""
        given = self._machine.advance({self._source: (block, last)})
        return {name: rows for name, rows in given.items() if name in self._wanted}


class _Machine:
    """All streaming nodes of a plan, at work."""

    def __init__(self, plan: Plan, constants: Mapping[str, Any], sources: Iterable[str], run: Run) -> None:
        consumers = {name for member in plan.streaming for name in member.parameters}
        self.feeds = {member.name: _Feed() for member in plan.streaming if member.stream and member.name in consumers}
        self.feeds |= {name: _Feed() for name in sources if name in consumers}
        self.steps = [_Step(member, self.feeds, constants, run) for member in plan.streaming]
        self._readers: dict[str, list[_Step]] = {name: [] for name in self.feeds}
        for step in self.steps:
            for name in step.inputs:
                self._readers[name].append(step)

    def advance(self, arrived: Mapping[str, tuple[Rows, bool]]) -> dict[str, Rows]:
        """Take one block of each source, and whether it is its last; give the rows that every node made of them."""
        for name, (block, last) in arrived.items():
            self.feeds[name].push(block)
            self.feeds[name].finished = last
        made: dict[str, Rows] = {}
        for step in self.steps:
            rows = step.advance()
            if rows is not None:
                made[step.node.name] = rows
        for name, feed in self.feeds.items():
            feed.forget_before(min([step.needs_from() for step in self._readers[name]]))
        return made


def _value(member: Node, constants: Mapping[str, Any], run: Run) -> Any:
    arguments = {name: constants[name] for name in member.parameters}
    for name, argument in arguments.items():
        if isinstance(argument, Unknown) and name not in member.admits_unknown:
            return argument
    return _timed(member, arguments, run)


def _is_series(graph: Graph, name: str) -> bool:
    hint = graph.inputs[name] if name in graph.inputs else graph.node(name).result
    return stream_of(hint) is not None


def _array(name: str, value: Any) -> Rows:
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        raise GraphError(f"{name!r} is a series: give an array whose first axis is time, not {type(value).__name__}")
    return value


def _cut(series: Rows) -> Iterator[Rows]:
    rows = max(1, _GIVEN_ELEMENTS * len(series) // max(1, series.size))
    for start in range(0, max(len(series), 1), rows):
        yield series[start : start + rows]


def _lockstep(sources: Mapping[str, Iterator[Rows]]) -> Iterator[dict[str, tuple[Rows, bool]]]:
    """One block of every source at a time, each with whether it is the source's last."""
    ahead: dict[str, Rows] = {}
    for name, blocks in sources.items():
        first = next(blocks, None)
        if first is None:
            raise GraphError(f"{name!r} has no rows at all")
        ahead[name] = first
    while ahead:
        arrived: dict[str, tuple[Rows, bool]] = {}
        for name, block in list(ahead.items()):
            following = next(sources[name], None)
            arrived[name] = (block, following is None)
            if following is None:
                del ahead[name]
            else:
                ahead[name] = following
        yield arrived
