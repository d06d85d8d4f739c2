"""Functions become a feature graph.

A feature is a function. Its name is the node, its parameter names are what it needs, its annotations say how it
sees time::

    def onset_envelope(mel: PerFrame) -> PerFrame: ...               # per frame: blocks in, blocks out
    def mono(state: M | None, samples: Samples) -> tuple[M, Mono]: ...  # scan: carries state from block to block
    def peak(state: float | None, samples: Samples) -> float: ...    # fold: a scan whose last state is its value
    def tempo(onset_envelope: PerFrame) -> Tempo | Unknown: ...      # track: whole series, once, at the end

A parameter named ``state`` makes a scan; a result annotated with a `Stream` is a series that comes in blocks, all
else is a value. A scan that must flush asks for ``last``, which is True in the last block.

`Graph` checks all this when it is built, and knows for every node a fingerprint: a hash of its name, its version,
the settings it reads and the fingerprints of what it needs. `Graph.plan` is the smallest subgraph that answers a
request; `samplemind.execution` runs it, every node once. (The idea of functions as a DAG is Apache Hamilton's.)
"""

from __future__ import annotations

import functools
import graphlib
import hashlib
import inspect
import json
import operator
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from samplemind.errors import GraphError, UnknownFeatureError

F = TypeVar("F", bound=Callable[..., Any])
Kind = Literal["per-frame", "scan", "fold", "track"]

_STATE: Final = "state"
_LAST: Final = "last"


@dataclass(frozen=True)
class Stream:
    """Marks, inside `typing.Annotated`, arrays that come in blocks along their first axis, time.

    Args:
        name: streams of one name share their clock: row k of any two series is the same instant.
        rate_hz: rows per second, None where the file decides. Row k is at k / rate_hz seconds.
    """

    name: str
    rate_hz: float | None = None


@dataclass(frozen=True)
class Unknown:
    """The value of a feature that has no answer, and why.

    A node that needs an unknown value is unknown for the same reason, without being called, unless the
    annotation of its parameter admits `Unknown`.
    """

    reason: str


def node(*, version: int = 1, context: tuple[int, int] = (0, 0)) -> Callable[[F], F]:
    """Give a feature function what its signature can't say.

    Args:
        version: raise it when the function's numbers change; cached answers of older versions are then
            recomputed, with everything that depends on them.
        context: rows before and after its own that a per-frame function looks at. Its blocks then overlap by as
            much (less at the ends of the sound); it returns a row for every row that it gets.
    """

    def mark(function: F) -> F:
        function.__dict__["version"] = version
        function.__dict__["context"] = context
        return function

    return mark


@dataclass(frozen=True)
class Node:
    """One feature: its function, and what the graph read from it."""

    name: str
    function: Callable[..., Any]
    kind: Kind
    parameters: Mapping[str, Any]
    """Annotations of what it needs, by name, in the function's order; without ``state`` and ``last``."""
    result: Any
    """Annotation of what it gives: a stream's block, or a value."""
    wants_last: bool
    version: int
    context: tuple[int, int]

    @functools.cached_property
    def stream(self) -> Stream | None:
        """The stream that the node's rows belong to; None where it gives a value."""
        return stream_of(self.result)

    @functools.cached_property
    def admits_unknown(self) -> frozenset[str]:
        """The parameters that may be handed an `Unknown`."""
        return frozenset(name for name, hint in self.parameters.items() if Unknown in _members(hint))

    @functools.cached_property
    def known_result(self) -> Any:
        """Annotation of what it gives when it is not unknown."""
        return _without(self.result, Unknown)

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


@dataclass(frozen=True)
class Plan:
    """The smallest subgraph that gives the wanted nodes."""

    wanted: tuple[str, ...]
    streaming: tuple[Node, ...]
    """Per-frame nodes, scans and folds, each after what it needs: run for every block."""
    track: tuple[Node, ...]
    """Track nodes, each after what it needs: run once, when the last block has passed."""
    inputs: frozenset[str]
    """Names of inputs and given values that the nodes read."""
    kept: frozenset[str]
    """Streamed nodes whose whole series somebody reads."""
    spent: tuple[frozenset[str], ...]
    """For each track node, the nodes that nobody reads any more when it has run."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, in the order in which they run."""
        return self.streaming + self.track


class Graph:
    """A checked set of feature functions.

    Args:
        functions: the features, in any order.
        inputs: annotations of what a run hands in from outside (the samples, their rate …), by name. Inputs are
            properties of the sound, so they are no part of a fingerprint.
        settings: values that the user can set, by parameter name. A node's fingerprint contains those it reads.

    Raises:
        GraphError: two nodes of one name, a parameter that nothing provides, annotations that don't fit
            together, a node that would need the end of the sound before it, a cycle.
    """

    def __init__(
        self,
        functions: Iterable[Callable[..., Any]],
        *,
        inputs: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.inputs = dict(inputs)
        self.settings = dict(settings or {})
        nodes: dict[str, Node] = {}
        for function in functions:
            name = function.__name__
            if name in nodes or name in self.inputs or name in self.settings:
                raise GraphError(f"two things are named {name!r}")
            nodes[name] = _read(function)
        for member in nodes.values():
            self._check(member, nodes)
        order = graphlib.TopologicalSorter({n.name: n.parameters.keys() & nodes.keys() for n in nodes.values()})
        try:
            self.nodes: dict[str, Node] = {name: nodes[name] for name in order.static_order()}
        except graphlib.CycleError as error:
            raise GraphError(f"a cycle: {' → '.join(reversed(error.args[1]))}") from error
        self.fingerprints: dict[str, str] = {}
        for member in self.nodes.values():
            self.fingerprints[member.name] = self._fingerprint(member)
        self._plans: dict[tuple[frozenset[str], frozenset[str]], Plan] = {}

    def _check(self, member: Node, nodes: Mapping[str, Node]) -> None:
        for name, wanted in member.parameters.items():
            if name in self.settings:
                continue
            source = nodes.get(name)
            if source is None and name not in self.inputs:
                raise GraphError(f"{member.name!r} needs {name!r}, which nothing provides")
            offered = source.result if source else self.inputs[name]
            if not _fits(offered, wanted):
                raise GraphError(f"{member.name!r} wants {name!r} as {_show(wanted)}, but it is {_show(offered)}")
            if source and member.kind != "track" and source.stream is None:
                raise GraphError(f"{member.name!r} runs per block, but {name!r} is known only at the end")
        streams = {s.name for s in map(stream_of, member.parameters.values()) if s}
        if member.kind != "track" and len(streams) != 1:
            raise GraphError(f"{member.name!r} must read exactly one stream, not {sorted(streams)}")
        if member.kind == "per-frame" and member.stream and {member.stream.name} != streams:
            raise GraphError(
                f"{member.name!r} reads {sorted(streams)} but gives {member.stream.name!r}: make it a scan"
            )
        if member.kind != "per-frame" and member.context != (0, 0):
            raise GraphError(f"{member.name!r} is a {member.kind} node: only per-frame nodes have a context")

    def _fingerprint(self, member: Node) -> str:
        needs = {name: self.fingerprints.get(name, "input") for name in member.parameters if name not in self.settings}
        reads = {name: self.settings[name] for name in member.parameters if name in self.settings}
        identity = json.dumps([member.name, member.version, reads, needs], sort_keys=True)
        return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()

    def node(self, name: str) -> Node:
        """The node of this name.

        Raises:
            UnknownFeatureError: there is none.
        """
        try:
            return self.nodes[name]
        except KeyError:
            raise UnknownFeatureError(
                f"no feature is named {name!r}; there are {', '.join(sorted(self.nodes))}"
            ) from None

    def plan(self, wanted: Iterable[str], *, given: Iterable[str] = ()) -> Plan:
        """Find the smallest subgraph that gives `wanted`, with `given` known already.

        Raises:
            UnknownFeatureError: a name that is no node (nor, in `given`, an input).
        """
        key = (frozenset(wanted), frozenset(given))
        if key not in self._plans:
            self._plans[key] = self._plan(*key)
        return self._plans[key]

    def _plan(self, wanted: frozenset[str], given: frozenset[str]) -> Plan:
        for name in wanted | (given - self.inputs.keys()):
            self.node(name)
        needed: set[str] = set()
        inputs: set[str] = set(wanted & given)
        pending = sorted(wanted)
        while pending:
            name = pending.pop()
            if name in needed or name in self.settings:
                continue
            if name in given or name in self.inputs:
                inputs.add(name)
                continue
            needed.add(name)
            pending.extend(self.nodes[name].parameters)
        chosen = [member for name, member in self.nodes.items() if name in needed]
        track = tuple(member for member in chosen if member.kind == "track")
        read_whole = wanted.union(*(member.parameters for member in track))
        last_reader = {name: member.name for member in track for name in member.parameters if name in needed - wanted}
        spent = (frozenset(name for name, last in last_reader.items() if last == member.name) for member in track)
        return Plan(
            wanted=tuple(sorted(wanted)),
            streaming=tuple(member for member in chosen if member.kind != "track"),
            track=track,
            inputs=frozenset(inputs),
            kept=frozenset(member.name for member in chosen if member.stream and member.name in read_whole),
            spent=tuple(spent),
        )


def _read(function: Callable[..., Any]) -> Node:
    name = function.__name__
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters)
    missing = [p for p in [*parameters, "return"] if p not in hints]
    if missing:
        raise GraphError(f"{name!r} has no annotation for {', '.join(missing)}")
    result = hints["return"]
    kind: Kind
    if _STATE not in parameters:
        kind = "per-frame" if stream_of(result) else "track"
    elif get_origin(result) is tuple and len(get_args(result)) == 2 and stream_of(get_args(result)[1]):
        kind = "scan"
        result = get_args(result)[1]
    else:
        kind = "fold"
        result = _without(result, type(None))  # the state before the first row; no reader ever gets it
    return Node(
        name=name,
        function=function,
        kind=kind,
        parameters={p: hints[p] for p in parameters if p not in (_STATE, _LAST)},
        result=result,
        wants_last=_LAST in parameters,
        version=getattr(function, "version", 1),
        context=getattr(function, "context", (0, 0)),
    )


def stream_of(hint: Any) -> Stream | None:
    """The stream that an annotation names, or None for a plain value."""
    if get_origin(hint) is Annotated:
        return next((extra for extra in get_args(hint)[1:] if isinstance(extra, Stream)), None)
    return None


def _members(hint: Any) -> frozenset[Any]:
    """The members of a union, or the hint itself."""
    if get_origin(hint) in (Union, types.UnionType):
        return frozenset(get_args(hint))
    return frozenset([hint])


def _without(hint: Any, member: Any) -> Any:
    """The union without one of its members."""
    others = [each for each in get_args(hint) if each is not member]
    return functools.reduce(operator.or_, others) if member in _members(hint) else hint


def _fits(offered: Any, wanted: Any) -> bool:
    return wanted is Any or _members(offered) - {Unknown} <= _members(wanted)


def _show(hint: Any) -> str:
    stream = stream_of(hint)
    if stream:
        return f"rows of the stream {stream.name!r} ({_show(get_args(hint)[0])})"
    return hint.__name__ if isinstance(hint, type) else str(hint)
