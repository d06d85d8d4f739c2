"""The short form of every campaign."""

from __future__ import annotations

import sys

import pytest

from tests.campaigns import batches, disk_full, kill, one_key


def test_killed_processes_leave_a_whole_file_with_true_entries() -> None:
    total = kill.run(8)
    assert total["killed"] >= 8
    assert total["entries"] > 0
    assert [total[what] for what in ("errors", "damaged", "bad integrity", "set aside")] == [0] * 4


def test_many_processes_use_one_key() -> None:
    total = one_key.run(5, processes=6)
    assert total["true"] > 0
    assert [total[what] for what in ("failed", "wrong", "errors", "damaged")] == [0] * 4


@pytest.mark.parametrize("trouble", ["limit", "full", "folder removed"])
def test_analysis_answers_and_warns_once(trouble: str) -> None:
    if not disk_full.possible(trouble):
        pytest.skip("not possible here")
    assert disk_full.run(1, troubles=(trouble,)) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space and processor time")
def test_files_that_kill_their_workers_cost_themselves() -> None:
    assert batches.bad_files(60) == {"ok": 57, "true": 3}


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space and processor time")
def test_files_that_kill_their_workers_on_dask_cost_themselves() -> None:
    pytest.importorskip("distributed", reason="pip install 'samplemind[cluster]'")
    assert batches.bad_files(60, on_dask=True) == {"ok": 57, "true": 3}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_shot_workers_lose_nothing() -> None:
    total = batches.shot_workers(40, 8, seconds=10.0)
    assert total["killed"] >= 8
    assert total["ok"] >= 40
    assert [total[what] for what in ("failed", "lost")] == [0, 0]


def test_shot_parents_lose_nothing_that_was_stored() -> None:
    total = batches.shot_parents(150, 2)
    assert total["killed"] == 2
    assert total["stored"] > 0
    assert [total[what] for what in ("failed", "again")] == [0, 0]
