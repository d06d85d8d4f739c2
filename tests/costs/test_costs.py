"""What every node costs, in counts that no busy machine changes: how often it is called, the bytes that it allocates
and hands on, the numbers that it puts through Fourier transforms; and the calls that Python makes for one one-shot.

    python -m tests.costs.test_costs     writes baseline.json anew

More than in the baseline is a regression; less is a gain, which is to be written down so that it can't be lost again.
Rows that still hold stay as they are: small steps don't add up unseen. Instructions, as Valgrind counts them, are not
here: NumPy, SciPy and Numba choose other code on another processor, and would give another count.
"""

from __future__ import annotations

import functools
import itertools
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray

from samplemind import AudioEngine
from samplemind.demo import RATE, chord_progression, drum_loop, pluck, wav
from samplemind.dsp.compiled import compiled
from samplemind.execution import run_graph
from samplemind.features import feature_graph
from samplemind.features.computation import block_frames, compute
from samplemind.features.levels import ADDED, outputs_of
from samplemind.features.streams import HOP_LENGTH, N_FFT
from samplemind.graph import Graph, Stream
from tests.costs.counting import Cost, counted_nodes, python_calls

BASELINE = Path(__file__).with_name("baseline.json")
WRITE = "if it is meant, write the baseline anew: python -m tests.costs.test_costs"
TOLERANCES = {"calls": (0.0, 0), "allocated": (0.02, 4096), "returned": (0.02, 0), "transformed": (0.02, 0)}
"""A share, and what is added to it. Allocations vary by a hundred bytes from run to run, and by a thousand between
versions of Python and NumPy: small objects, and the room that lists and dictionaries keep. The other counts don't vary;
the share is for arrays whose length is a number of onsets, which another processor may find elsewhere."""
CALLS_TOLERANCE = 0.02
"""Of Python's calls: they are the same at every run, but libraries' own functions change with their versions."""

Costs = dict[str, dict[str, Any]]
"""By node: the lowest level that runs it, and the counts of `TOLERANCES`."""
Counts = dict[str, Any]
"""Costs by sound, and calls by module."""


def track() -> NDArray[np.float32]:
    """30 s of drums and chords, shape (n, 2)."""
    drums = np.tile(drum_loop(), (4, 1))[: 30 * RATE]
    chords = np.tile(chord_progression(), 4)[: 30 * RATE]
    return ((drums + chords[:, None]) / 2).astype(np.float32)


def one_shot() -> NDArray[np.float32]:
    """Half a second of a pluck, shape (n, 1)."""
    return pluck()[: RATE // 2, None].astype(np.float32)


SOUNDS: dict[str, Callable[[], NDArray[np.float32]]] = {
    "track, 30 s stereo": track,
    "one-shot, 0.5 s mono": one_shot,
}


REQUESTS: dict[str, tuple[str, ...]] = {
    **{level.value: tuple(itertools.chain(*outputs_of(level).values())) for level in ADDED},
    "none": tuple(feature_graph().nodes),
}
"""Names of nodes by level; at last all that there are, for those that no level has."""


def request_costs(samples: NDArray[np.float32]) -> dict[str, dict[str, Cost]]:
    """What nodes cost for a sound at each of the requests, once all is loaded."""

    def blocks() -> Iterator[NDArray[np.float32]]:
        length = block_frames(RATE)
        return (samples[start : start + length] for start in range(0, len(samples), length))

    def run(request: str) -> None:
        compute(blocks, REQUESTS[request], sample_rate=RATE, channels=samples.shape[1])

    for request in REQUESTS:
        run(request)
    costs = {}
    for request in REQUESTS:
        with counted_nodes() as costs[request]:
            run(request)
    return costs


def rows(costs: dict[str, dict[str, Cost]]) -> Costs:
    """One row for each node: a node is a pure function, and costs the same whatever else is computed."""
    found: Costs = {}
    for request, nodes in costs.items():
        for node, cost in nodes.items():
            row = found.setdefault(node, {"level": request} | dict.fromkeys(TOLERANCES, 0))
            row |= {count: max(row[count], getattr(cost, count)) for count in TOLERANCES}
    return found


def one_shot_calls() -> Counter[str]:
    """Calls that Python makes to analyse a one-shot's file at the level STANDARD, once all is loaded."""
    with tempfile.TemporaryDirectory() as folder, AudioEngine(cache=None) as engine:
        path = Path(folder) / "one-shot.wav"
        path.write_bytes(wav(one_shot()[:, 0].astype(np.float64)))
        for _ in range(2):
            engine.analyze_audio(path)
        return python_calls(functools.partial(engine.analyze_audio, path))


def node_complaints(now: Costs, then: Costs) -> dict[str, str]:
    """What is wrong, by node."""
    found = {node: f"{node} is in the baseline, but doesn't run" for node in then.keys() - now.keys()}
    for node, row in now.items():
        expected = then.get(node)
        if expected is None:
            found[node] = f"{node} has no row"
            continue
        wrong = [
            f"{count} {row[count]:,} ({'more' if row[count] > expected[count] else 'less'} than {expected[count]:,})"
            for count, (share, slack) in TOLERANCES.items()
            if abs(row[count] - expected[count]) > share * expected[count] + slack
        ]
        if row["level"] != expected["level"]:
            wrong.append(f"level {row['level']} (was {expected['level']})")
        if wrong:
            found[node] = f"{node}: {', '.join(wrong)}"
    return found


def call_complaints(now: dict[str, int], then: dict[str, int]) -> list[str]:
    """What is wrong with the number of all calls, and where they became more or less."""
    total, expected = sum(now.values()), sum(then.values())
    if abs(total - expected) <= CALLS_TOLERANCE * expected:
        return []
    changes = {module: now.get(module, 0) - then.get(module, 0) for module in now | then}
    where = [f"{module} {change:+d}" for module, change in changes.items() if change]
    more = "more" if total > expected else "less"
    return [f"{total:,} calls for a one-shot ({more} than {expected:,}): {', '.join(where)}"]


def renewed(now: Counts, then: Counts) -> Counts:
    """The baseline that is to be: what holds of the present one, and what is new."""
    new: Counts = {"calls": now["calls"] if call_complaints(now["calls"], then.get("calls", {})) else then["calls"]}
    for sound in SOUNDS:
        old = then.get(sound, {})
        wrong = node_complaints(now[sound], old)
        new[sound] = {node: row if node in wrong else old[node] for node, row in now[sound].items()}
    return new


@pytest.fixture(scope="module")
def costs() -> dict[str, dict[str, dict[str, Cost]]]:
    return {name: request_costs(sound()) for name, sound in SOUNDS.items()}


@pytest.fixture(scope="module")
def baseline() -> Counts:
    content: Counts = json.loads(BASELINE.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("sound", SOUNDS)
def test_every_node_costs_what_it_did(
    costs: dict[str, dict[str, dict[str, Cost]]], baseline: Counts, sound: str
) -> None:
    found = node_complaints(rows(costs[sound]), baseline[sound])
    assert not found, "\n".join([f"{sound}; {WRITE}", *found.values()])


def test_every_node_runs_for_one_of_the_sounds(costs: dict[str, dict[str, dict[str, Cost]]]) -> None:
    assert set().union(*(rows(each) for each in costs.values())) == feature_graph().nodes.keys()


def test_a_one_shot_takes_as_many_calls_as_it_did(baseline: Counts) -> None:
    found = call_complaints(one_shot_calls(), baseline["calls"])
    assert not found, "\n".join([WRITE, *found])


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("request_", REQUESTS)
def test_there_is_one_full_band_spectrum(
    costs: dict[str, dict[str, dict[str, Cost]]], sound: str, request_: str
) -> None:
    frames = {node: cost.transforms[N_FFT] for node, cost in costs[sound][request_].items() if cost.transforms[N_FFT]}
    assert frames == {"spectrum": 1 + len(SOUNDS[sound]()) // HOP_LENGTH}


Row = Annotated[NDArray[np.float64], Stream("rows")]


@compiled
def _reversed_twice(block: NDArray[np.float64]) -> NDArray[np.float64]:
    scratch, result = np.empty_like(block), np.empty_like(block)
    for index in range(len(block)):
        scratch[index] = block[len(block) - 1 - index]
    for index in range(len(block)):
        result[index] = scratch[len(block) - 1 - index]
    return result


def test_what_is_counted_is_what_was_done() -> None:
    def doubled(rows: Row) -> Row:
        return 2 * rows

    def first(rows: Row) -> Row:
        return rows[:, :1].copy()

    def kernel(doubled: Row) -> Row:
        return _reversed_twice(doubled.ravel()).reshape(doubled.shape)

    def transformed(doubled: Row) -> float:
        there = scipy.fft.rfft(doubled, 32, axis=1)  # 3 blocks of 200 rows
        return float(np.fft.irfft(there[0]).sum())  # the last one's first

    graph = Graph([doubled, first, kernel, transformed], inputs={"rows": Row})
    block = np.ones((200, 30))
    _reversed_twice(block.ravel())
    with counted_nodes() as costs:
        run_graph(graph, graph.nodes, blocks=[block] * 3, source="rows")
    size, slack = block.nbytes, 2000
    assert {node: cost.calls for node, cost in costs.items()} == {
        "doubled": 3,
        "first": 3,
        "kernel": 3,
        "transformed": 1,
    }
    assert [costs[node].returned for node in graph.nodes] == [size, size // 30, size, 0]
    assert size <= costs["doubled"].allocated < size + slack
    assert 2 * size <= costs["kernel"].allocated < 2 * size + slack
    assert costs["transformed"].transforms == {32: 600 + 1}
    assert not costs["doubled"].transforms


def test_calls_are_counted_where_they_are_made() -> None:
    def work() -> None:
        [len([index]) for index in range(10)]

    assert python_calls(work)["tests"] == 1 + 10 + 1  # the last one ends the counting


CAUSE = {"level": "basic", "calls": 11, "allocated": 1_000_000, "returned": 1000, "transformed": 100}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"calls": 12}, "cause: calls 12 (more than 11)"),
        ({"calls": 10}, "cause: calls 10 (less than 11)"),
        ({"allocated": 1_030_000}, "cause: allocated 1,030,000 (more than 1,000,000)"),
        ({"allocated": 970_000}, "cause: allocated 970,000 (less than 1,000,000)"),
        ({"returned": 2000}, "cause: returned 2,000 (more than 1,000)"),
        ({"transformed": 200}, "cause: transformed 200 (more than 100)"),
        ({"level": "standard"}, "cause: level standard (was basic)"),
        ({"allocated": 1_023_000, "returned": 1019}, None),
    ],
)
def test_a_change_is_told_with_its_node(change: dict[str, Any], complaint: str | None) -> None:
    found = node_complaints({"cause": CAUSE | change, "other": CAUSE}, {"cause": CAUSE, "other": CAUSE})
    assert found == ({} if complaint is None else {"cause": complaint})


def test_a_node_needs_a_row_and_a_row_a_node() -> None:
    assert node_complaints({"new": CAUSE}, {"gone": CAUSE}) == {
        "gone": "gone is in the baseline, but doesn't run",
        "new": "new has no row",
    }


def test_calls_that_became_more_are_told_with_their_module() -> None:
    assert not call_complaints({"a": 51, "b": 50}, {"a": 50, "b": 50})
    assert call_complaints({"a": 53, "b": 50}, {"a": 50, "b": 50}) == ["103 calls for a one-shot (more than 100): a +3"]
    assert call_complaints({"a": 40}, {"a": 50}) == ["40 calls for a one-shot (less than 50): a -10"]


def test_a_new_baseline_keeps_what_holds() -> None:
    def counts(calls: int, nodes: Costs) -> Counts:
        return {"calls": {"a": calls}} | dict.fromkeys(SOUNDS, nodes)

    then = counts(100, {"same": CAUSE, "other": CAUSE, "gone": CAUSE})
    now = counts(101, {"same": CAUSE | {"allocated": 1_000_001}, "other": CAUSE | {"calls": 12}, "new": CAUSE})
    assert renewed(now, then) == counts(100, {"same": CAUSE, "other": CAUSE | {"calls": 12}, "new": CAUSE})
    assert renewed(now, {}) == now


def main() -> None:
    """Write the baseline anew, a node on a line."""
    now: Counts = {"calls": one_shot_calls()}
    now |= {name: rows(request_costs(sound())) for name, sound in SOUNDS.items()}
    then = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    tables = []
    for table, lines in sorted(renewed(now, then).items()):
        inside = ",\n".join(f"  {json.dumps(name)}: {json.dumps(lines[name])}" for name in sorted(lines))
        tables.append(f" {json.dumps(table)}: {{\n{inside}\n }}")
    BASELINE.write_text("{\n" + ",\n".join(tables) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
