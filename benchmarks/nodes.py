"""What each node of a level costs for one file, and how far the whole is from the floor.

    python -m benchmarks.nodes [--seconds 180] [--level detailed] [--runs 7]

The floor is what no analysis of spectra can do without: the samples decoded and mixed to one channel, their short-time
Fourier transform, and one pass over it for the power, by the library's own functions, block by block. One thread, no
cache; floor, whole and nodes take turns. The table is Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Final

import benchmarks.one_thread  # noqa: F401 (before NumPy)
from benchmarks.paired import as_time, machine, row, seconds, table
from benchmarks.sounds import write_track
from samplemind import AudioEngine
from samplemind.audio import Limits, open_audio
from samplemind.execution import GraphStream
from samplemind.explain import Cost, Explanation, explain
from samplemind.features import feature_graph
from samplemind.features.computation import block_frames

SPECTRUM: Final = "power"
"""The node that is the one pass over the transform; what it needs runs with it."""
_SHOWN: Final = 0.005
"""Nodes with a smaller share of the time are added up in one row."""


def floor(path: Path) -> None:
    """Decode a file and take its spectrum; keep nothing."""
    with open_audio(path, limits=Limits()) as audio:
        rate = audio.info.sample_rate
        inputs = {"sample_rate": rate, "mono_channel": None}
        stream = GraphStream(feature_graph(), [SPECTRUM], source="samples", inputs=inputs)
        blocks = audio.blocks(frames=block_frames(rate))
        ahead = next(blocks)
        for block in blocks:
            stream.push(ahead, last=False)
            ahead = block
        stream.push(ahead, last=True)


def measured(explanation: Explanation) -> Cost:
    """The cost that an explanation of a file has."""
    if explanation.cost is None:
        raise AssertionError("the explanation had a file")
    return explanation.cost


def main() -> None:
    """Print what nodes cost, dearest first, and the floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--level", default="detailed")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    machine("numpy", "scipy", "numba")
    with tempfile.TemporaryDirectory() as name, AudioEngine(cache=None) as engine:
        path = Path(name) / "sound.wav"
        write_track(path, arguments.seconds)
        floors, wholes, explanations = [], [], []
        engine.analyze_audio(path, level=arguments.level)
        for _ in range(arguments.runs):
            explanations.append(explain(arguments.level, str(path)))
            floors.append(seconds(lambda: floor(path)))
            wholes.append(seconds(lambda: engine.analyze_audio(path, level=arguments.level)))
    costs = list(map(measured, explanations))
    total = statistics.median(cost.total_s for cost in costs)

    def line(name: str, kind: str, calls: str, each_s: list[float]) -> None:
        taken = statistics.median(each_s)
        row(name, kind, calls, as_time(taken), f"{100 * taken / total:.1f} %")

    table(f"{arguments.level.upper()} of {arguments.seconds:g} s", "kind", "calls", "takes", "share")
    line("decoding", "–", "–", [cost.decode_s for cost in costs])
    nodes = {node.name: node for node in explanations[0].nodes if node.name in costs[0].node_s}
    taken = {name: statistics.median(cost.node_s[name] for cost in costs) for name in nodes}
    shown = [name for name in sorted(nodes, key=taken.__getitem__, reverse=True) if taken[name] >= _SHOWN * total]
    for name in shown:
        calls = str(costs[0].node_calls[name])
        line(f"`{name}`", nodes[name].kind, calls, [cost.node_s[name] for cost in costs])
    others = nodes.keys() - set(shown)
    line(f"{len(others)} more nodes", "–", "–", [sum(cost.node_s[name] for name in others) for cost in costs])
    line("between nodes", "–", "–", [cost.overhead_s for cost in costs])
    line("all of it", "–", "–", [cost.total_s for cost in costs])
    print()
    table("", "takes", "whole / floor")
    ratio = statistics.median(whole / least for whole, least in zip(wholes, floors, strict=True))
    row("floor: decoding, Fourier transform, one pass over it", as_time(statistics.median(floors)), "1")
    row("whole, not measured from within", as_time(statistics.median(wholes)), f"{ratio:.2f}")


if __name__ == "__main__":
    main()
