"""The graph by itself, on small functions whose answers are plain arithmetic."""

from __future__ import annotations

import weakref
from typing import Annotated, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from samplemind.errors import GraphError, UnknownFeatureError
from samplemind.execution import run_graph
from samplemind.graph import Graph, Stream, Unknown, node

Ticks = Annotated[NDArray[np.float32], Stream("ticks")]
Pairs = Annotated[NDArray[np.float32], Stream("pairs")]

INPUTS = {"ticks": Ticks, "rate": int}


def doubled(ticks: Ticks) -> Ticks:
    return ticks * 2


@node(context=(2, 1))
def neighbourhood(doubled: Ticks) -> Ticks:
    """Sum of two rows before, the row, and one after."""
    padded = np.concatenate([np.zeros(2), doubled, np.zeros(1)])
    return np.convolve(padded, np.ones(4), mode="valid").astype(np.float32)


@node(context=(1, 3))
def spread(neighbourhood: Ticks, doubled: Ticks) -> Ticks:
    """Largest of the row before to three rows after, less the row itself."""
    padded = np.concatenate([np.full(1, -np.inf), neighbourhood, np.full(3, -np.inf)])
    largest = np.lib.stride_tricks.sliding_window_view(padded, 5).max(axis=1)
    return (largest - doubled).astype(np.float32)


def paired(state: NDArray[np.float32] | None, doubled: Ticks, last: bool) -> tuple[NDArray[np.float32], Pairs]:
    """Every two rows added up; an odd one at the end stands alone."""
    rows = doubled if state is None else np.concatenate([state, doubled])
    if last and len(rows) % 2:
        rows = np.append(rows, np.float32(0))
    whole = len(rows) // 2 * 2
    return rows[whole:], rows[:whole].reshape(-1, 2).sum(axis=1)


def total(state: float | None, paired: Pairs) -> float:
    return (state or 0.0) + float(paired.sum())


def scaled_total(total: float, rate: int, unit: float) -> float:
    return total / rate * unit


def nothing(total: float) -> float | Unknown:
    return Unknown(f"no answer for {total:g}")


def after_nothing(nothing: float) -> float | Unknown:
    raise AssertionError("must not run: what it needs is unknown")


def in_spite_of_nothing(nothing: float | Unknown) -> str:
    return "unknown" if isinstance(nothing, Unknown) else "known"


def largest_of_series(spread: Ticks) -> float:
    return float(spread.max())


FUNCTIONS = (
    largest_of_series,
    in_spite_of_nothing,
    after_nothing,
    nothing,
    scaled_total,
    total,
    paired,
    spread,
    neighbourhood,
    doubled,
)


def graph(**settings: Any) -> Graph:
    return Graph(FUNCTIONS, inputs=INPUTS, settings={"unit": 1.0, **settings})


def blocks(rows: int, size: int) -> list[NDArray[np.float32]]:
    ticks = np.random.default_rng(rows).integers(-9, 9, rows).astype(np.float32)
    return [ticks[start : start + size] for start in range(0, rows, size)]


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 40, 41])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 100])
def test_the_cut_into_blocks_changes_nothing(rows: int, size: int) -> None:
    wanted = ["spread", "neighbourhood", "paired", "total", "largest_of_series"]
    ticks = np.concatenate(blocks(rows, rows))
    run = run_graph(graph(), wanted, blocks=blocks(rows, size), source="ticks", inputs={"rate": 4})

    near = neighbourhood(ticks * 2)
    assert np.array_equal(run.values["neighbourhood"], near)
    assert np.array_equal(run.values["spread"], spread(near, ticks * 2))
    assert run.values["total"] == float(ticks.sum() * 2)
    assert len(run.values["paired"]) == (rows + 1) // 2
    assert run.values["largest_of_series"] == float(spread(near, ticks * 2).max())


@pytest.mark.parametrize("size", [999, 70_000, 262_144, 300_000])
def test_series_of_megabytes_are_whole(size: int) -> None:
    ticks = np.arange(900_000, dtype=np.float32)
    cut = [ticks[start : start + size] for start in range(0, len(ticks), size)]
    found = run_graph(graph(unit=0.5), ["doubled", "spread"], blocks=cut, source="ticks", inputs={"rate": 2}).values
    np.testing.assert_array_equal(found["doubled"], ticks * 2)
    assert len(found["spread"]) == len(ticks)


def test_what_nobody_reads_any_more_is_let_go() -> None:
    seen: list[weakref.ref[Any]] = []

    def last_of_series(doubled: Ticks) -> float:
        seen.append(weakref.ref(doubled))
        return float(doubled[-1])

    def alive(last_of_series: float) -> bool:
        return seen[0]() is not None

    functions = (doubled, last_of_series, alive)
    for wanted, kept in ((["alive"], False), (["alive", "doubled"], True)):
        seen.clear()
        run = run_graph(Graph(functions, inputs=INPUTS), wanted, blocks=blocks(20, 5), source="ticks")
        assert run.values["alive"] is kept


def test_every_node_runs_once_per_block_however_many_need_it() -> None:
    wanted = ["spread", "neighbourhood", "total", "scaled_total", "largest_of_series"]
    run = run_graph(graph(), wanted, blocks=blocks(12, 3), source="ticks", inputs={"rate": 4})
    assert run.calls["doubled"] == 4
    assert run.calls["paired"] == 4
    assert run.calls["scaled_total"] == 1
    assert run.seconds.keys() == run.calls.keys()


def test_only_what_is_asked_for_runs() -> None:
    run = run_graph(graph(), ["total"], blocks=blocks(12, 3), source="ticks")
    assert run.calls.keys() == {"doubled", "paired", "total"}


def test_a_given_value_replaces_its_node_and_all_that_only_it_needed() -> None:
    run = run_graph(graph(), ["scaled_total"], inputs={"rate": 4}, given={"total": 10.0})
    assert run.values["scaled_total"] == 2.5
    assert run.calls.keys() == {"scaled_total"}


def test_a_given_series_is_the_whole_series_and_meets_computed_ones_row_by_row() -> None:
    rows = 1000
    sound = blocks(rows, 7)
    ticks = np.concatenate(sound)
    near = np.arange(rows, dtype=np.float32)
    run = run_graph(graph(), ["spread"], blocks=sound, source="ticks", given={"neighbourhood": near})
    assert np.array_equal(run.values["spread"], spread(near, ticks * 2))
    assert "neighbourhood" not in run.calls


def test_given_series_alone_need_no_sound() -> None:
    series = np.arange(600, dtype=np.float32)
    run = run_graph(graph(), ["paired", "doubled"], given={"doubled": series})
    assert np.array_equal(run.values["paired"], series.reshape(-1, 2).sum(axis=1))
    assert run.values["doubled"] is series


def test_a_given_series_of_another_length_is_refused() -> None:
    with pytest.raises(GraphError, match="equal length"):
        run_graph(graph(), ["spread"], blocks=blocks(9, 3), source="ticks", given={"neighbourhood": np.zeros(5)})


def test_unknown_passes_through_with_its_reason() -> None:
    wanted = ["after_nothing", "in_spite_of_nothing"]
    run = run_graph(graph(), wanted, given={"total": 3.0})
    assert run.values["after_nothing"] == Unknown("no answer for 3")
    assert run.values["in_spite_of_nothing"] == "unknown"


def test_an_error_in_a_feature_names_the_feature() -> None:
    def broken(total: float) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run_graph(Graph([*FUNCTIONS, broken], inputs=INPUTS, settings={"unit": 1.0}), ["broken"], given={"total": 1.0})
    assert "'broken'" in str(caught.value.__notes__)


def test_a_missing_input_is_named() -> None:
    with pytest.raises(GraphError, match="rate"):
        run_graph(graph(), ["scaled_total"], given={"total": 1.0})


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownFeatureError, match="'tonality'"):
        graph().plan(["tonality"])
    with pytest.raises(UnknownFeatureError, match="'tonality'"):
        graph().plan(["total"], given=["tonality"])


class TestBuildErrors:
    """What is wrong is found when the graph is built, and named."""

    def build(self, *functions: Any) -> Graph:
        return Graph([doubled, paired, total, *functions], inputs=INPUTS)

    def test_two_of_one_name(self) -> None:
        with pytest.raises(GraphError, match="two things are named 'doubled'"):
            self.build(doubled)

    def test_a_parameter_that_nothing_provides(self) -> None:
        def lost(totall: float) -> float:
            return totall

        with pytest.raises(GraphError, match="'lost' needs 'totall'"):
            self.build(lost)

    def test_values_of_different_types(self) -> None:
        def wordy(total: str) -> str:
            return total

        with pytest.raises(GraphError, match="'wordy' wants 'total' as str, but it is float"):
            self.build(wordy)

    def test_streams_of_different_clocks(self) -> None:
        def crossed(paired: Ticks) -> Ticks:
            return paired

        with pytest.raises(GraphError, match=r"'ticks'.*'pairs'"):
            self.build(crossed)

    def test_two_clocks_in_one_node(self) -> None:
        def both(paired: Pairs, doubled: Ticks) -> Ticks:
            return doubled

        with pytest.raises(GraphError, match="exactly one stream"):
            self.build(both)

    def test_a_change_of_clock_without_state(self) -> None:
        def slower(doubled: Ticks) -> Pairs:
            return doubled[::2]

        with pytest.raises(GraphError, match="make it a scan"):
            self.build(slower)

    def test_the_end_needed_before_the_end(self) -> None:
        def normalised(doubled: Ticks, total: float) -> Ticks:
            return doubled / np.float32(total)

        with pytest.raises(GraphError, match="known only at the end"):
            self.build(normalised)

    def test_a_cycle(self) -> None:
        def hen(egg: float) -> float:
            return egg

        def egg(hen: float) -> float:
            return hen

        with pytest.raises(GraphError, match=r"a cycle: .*hen.*egg|a cycle: .*egg.*hen"):
            self.build(hen, egg)

    def test_a_parameter_without_annotation(self) -> None:
        def bare(total) -> float:  # type: ignore[no-untyped-def]
            return float(total)

        with pytest.raises(GraphError, match="no annotation for total"):
            self.build(bare)

    def test_context_of_a_node_that_is_not_per_frame(self) -> None:
        @node(context=(1, 1))
        def wide(total: float) -> float:
            return total

        with pytest.raises(GraphError, match="only per-frame nodes"):
            self.build(wide)

    def test_rows_lost_by_a_per_frame_node(self) -> None:
        def shorter(doubled: Ticks) -> Ticks:
            return doubled[1:]

        with pytest.raises(GraphError, match="'shorter' gave 2 rows for 3"):
            run_graph(self.build(shorter), ["shorter"], blocks=blocks(9, 3), source="ticks")


class TestFingerprints:
    """A change reaches what depends on it, and nothing else."""

    def with_version(self, version: int) -> Graph:
        @node(version=version)
        def paired(state: Any | None, doubled: Ticks, last: bool) -> tuple[Any, Pairs]:
            return state, doubled[::2]

        functions = [paired, *(f for f in FUNCTIONS if f.__name__ != "paired")]
        return Graph(functions, inputs=INPUTS, settings={"unit": 1.0})

    def test_a_version_changes_the_node_and_its_dependents_only(self) -> None:
        before, after = self.with_version(1).fingerprints, self.with_version(2).fingerprints
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"paired", "total", "scaled_total", "nothing", "after_nothing", "in_spite_of_nothing"}

    def test_a_setting_changes_the_nodes_that_read_it(self) -> None:
        before, after = graph().fingerprints, graph(unit=2.0).fingerprints
        assert {name for name in before if before[name] != after[name]} == {"scaled_total"}

    def test_fingerprints_are_the_same_in_every_process(self) -> None:
        known = Graph([doubled], inputs=INPUTS).fingerprints["doubled"]
        assert known == "b0e8431752b1befadf83bccfd01e99e9"
