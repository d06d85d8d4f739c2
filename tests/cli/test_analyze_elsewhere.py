"""``samplemind analyze`` into Parquet, and on a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke


def test_a_folder_gets_shards(invoke: Invoke, sounds: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    result = invoke("analyze", sounds, "-o", f"{tmp_path}/out/", "-j", 1)
    assert result.exit_code == 1
    assert result.stdout == "6 files: 5 analysed, 1 failed\n"
    assert result.stderr.startswith(f"samplemind: {sounds / 'broken.wav'}: ")
    rows = [row for file in (tmp_path / "out").glob("*.parquet") for row in parquet.read_table(file).to_pylist()]
    assert sorted(row["path"] for row in rows if row["error_type"] is None) == sorted(
        str(path) for path in sounds.rglob("*.*") if path.name not in ("broken.wav", "notes.txt")
    )
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["finished"]
    again = invoke("analyze", sounds, "-o", f"{tmp_path}/out/", "-j", 1)
    assert again.exit_code == 2
    assert "finished run" in again.stderr


@pytest.mark.parametrize("arguments", [["-o", "OUT/", "--series", "a.npz"]])
def test_shards_have_no_series(invoke: Invoke, tone: Path, tmp_path: Path, arguments: list[str]) -> None:
    result = invoke("analyze", tone, *(str(tmp_path) + "/" if each == "OUT/" else each for each in arguments))
    assert result.exit_code == 2
    assert "without series" in result.stderr


def test_a_scheduler_that_is_not_there_is_told(invoke: Invoke, sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("samplemind.workers.cluster._REACH_S", 0.5)
    result = invoke("analyze", sounds, "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert "can't be reached" in result.stderr
