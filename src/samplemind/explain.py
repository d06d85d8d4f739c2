"""What a level computes, in which order, from what; and with a file, what each step costs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.audio import Limits, open_audio
from samplemind.features import feature_graph
from samplemind.features.computation import block_frames, compute
from samplemind.features.levels import AnalysisLevel, named_level, outputs_of
from samplemind.graph import Kind, Node

_SHORT: Final = 8
"""Characters of a fingerprint that tell it from others at a glance."""
_DOT_SHAPES: Final[Mapping[Kind, str]] = {"per-frame": "box", "scan": "cds", "fold": "invhouse", "track": "ellipse"}


@dataclass(frozen=True)
class NodePlan:
    """One node of a plan. Nodes come in the order in which they run."""

    name: str
    kind: Kind
    stream: str | None
    """The stream that its rows belong to; None where it gives one value."""
    version: int
    needs: tuple[str, ...]
    fingerprint: str
    output: bool
    """Whether the level asks for it; else it is there because others need it."""
    summary: str


@dataclass(frozen=True)
class Cost:
    """What it took to analyse one file, in seconds, without cache and with everything loaded."""

    path: str
    duration_s: float
    total_s: float
    decode_s: float
    node_s: Mapping[str, float] = field(default_factory=dict)
    node_calls: Mapping[str, int] = field(default_factory=dict)

    @property
    def overhead_s(self) -> float:
        """What went into handing blocks from node to node."""
        return max(0.0, self.total_s - self.decode_s - sum(self.node_s.values()))


@dataclass(frozen=True)
class Explanation:
    """The plan of a level, and its cost if there was a file."""

    level: AnalysisLevel
    inputs: tuple[str, ...]
    nodes: tuple[NodePlan, ...]
    cost: Cost | None = None


def explain(
    level: AnalysisLevel | str = AnalysisLevel.STANDARD, path: str | None = None, *, limits: Limits | None = None
) -> Explanation:
    """Explain a level.

    Args:
        level: which one.
        path: a file to measure. It is analysed twice: the first time loads libraries and machine code.
        limits: what is refused.

    Raises:
        LevelUnavailableError: this version can't compute the level.
        AnalysisError: the file has no answer.
    """
    level = named_level(level)
    outputs = [node for nodes in outputs_of(level).values() for node in nodes]
    graph = feature_graph()
    plan = graph.plan(outputs)
    nodes = tuple(_node_plan(node, graph.fingerprints[node.name], node.name in outputs) for node in plan.nodes)
    cost = None
    if path is not None:
        _cost(path, outputs, limits or Limits())  # once before, so that kernels are loaded
        cost = _cost(path, outputs, limits or Limits())
    return Explanation(level, tuple(sorted(plan.inputs)), nodes, cost)


def _node_plan(node: Node, fingerprint: str, output: bool) -> NodePlan:
    return NodePlan(
        name=node.name,
        kind=node.kind,
        stream=node.stream.name if node.stream else None,
        version=node.version,
        needs=tuple(node.parameters),
        fingerprint=fingerprint,
        output=output,
        summary=node.summary,
    )


def _cost(path: str, outputs: list[str], limits: Limits) -> Cost:
    started = time.perf_counter()
    decode_s = 0.0
    frames = 0
    with open_audio(path, limits=limits) as audio:
        info = audio.info

    def blocks() -> Iterator[NDArray[np.float32]]:
        nonlocal decode_s, frames
        frames = 0
        asked = time.perf_counter()
        with open_audio(path, limits=limits) as audio:
            for block in audio.blocks(frames=block_frames(info.sample_rate)):
                decode_s += time.perf_counter() - asked
                frames += len(block)
                yield block
                asked = time.perf_counter()
        decode_s += time.perf_counter() - asked

    decode_s = time.perf_counter() - started
    run = compute(blocks, outputs, sample_rate=info.sample_rate, channels=info.channels)
    total_s = time.perf_counter() - started
    return Cost(path, frames / info.sample_rate, total_s, decode_s, run.seconds, run.calls)


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain data."""
    cost = explanation.cost
    nodes = []
    for node in explanation.nodes:
        document: dict[str, Any] = {**vars(node), "needs": list(node.needs)}
        if cost is not None:
            document |= {"seconds": cost.node_s.get(node.name, 0.0), "calls": cost.node_calls.get(node.name, 0)}
        nodes.append(document)
    document = {"level": explanation.level.value, "inputs": list(explanation.inputs), "nodes": nodes}
    if cost is not None:
        document["file"] = {
            "path": cost.path,
            "duration_s": cost.duration_s,
            "total_s": cost.total_s,
            "decode_s": cost.decode_s,
            "overhead_s": cost.overhead_s,
        }
    return document


def as_dot(explanation: Explanation) -> str:
    """The explanation as a drawing for Graphviz: what the level asks for is filled."""
    lines = [f'digraph "{explanation.level}" {{', "  rankdir=LR;", '  node [fontname="sans-serif"];']
    lines += [f'  "{name}" [shape=plaintext];' for name in explanation.inputs]
    for node in explanation.nodes:
        label = node.name
        if explanation.cost is not None:
            label += f"\\n{1000 * explanation.cost.node_s.get(node.name, 0.0):.1f} ms"
        filled = ", style=filled, fillcolor=lightblue" if node.output else ""
        lines.append(f'  "{node.name}" [shape={_DOT_SHAPES[node.kind]}, label="{label}"{filled}];')
    lines += [f'  "{need}" -> "{node.name}";' for node in explanation.nodes for need in node.needs]
    return "\n".join([*lines, "}"])


def as_text(explanation: Explanation) -> str:
    """The explanation to read, in the order in which nodes run."""
    cost = explanation.cost
    streamed = [node for node in explanation.nodes if node.kind != "track"]
    track = [node for node in explanation.nodes if node.kind == "track"]
    wide = max(len(node.name) for node in explanation.nodes)
    lines = [f"level {explanation.level}: {len(explanation.nodes)} nodes; * is what the level asks for"]
    for title, nodes in (("for every block of the sound", streamed), ("once, over whole series", track)):
        lines += ["", title]
        for node in nodes:
            row = f"{'*' if node.output else ' '} {node.name:{wide}}  {node.kind:9}  {node.stream or '':12}"
            row += f"  v{node.version}"
            if cost is not None:
                row += f"  {1000 * cost.node_s.get(node.name, 0.0):8.2f} ms  {cost.node_calls.get(node.name, 0)}×"
            origin = f"needs {', '.join(node.needs) or 'nothing'} · {node.fingerprint[:_SHORT]}"
            lines += [row.rstrip(), f"    {node.summary}", f"    {origin}"]
    if cost is not None:
        lines += [
            "",
            f"{cost.path}: {cost.duration_s:.3f} s of sound in {1000 * cost.total_s:.1f} ms",
            f"decoding {1000 * cost.decode_s:.1f} ms, nodes {1000 * sum(cost.node_s.values()):.1f} ms, "
            f"between nodes {1000 * cost.overhead_s:.1f} ms",
        ]
    return "\n".join(lines)
