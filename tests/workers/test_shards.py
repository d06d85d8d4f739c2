"""Shards: every file is a row of one of them, whatever is interrupted, and numbers are what the document says."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samplemind import AudioEngine
from samplemind.audio import Limits
from samplemind.errors import CrashError, OutputError
from samplemind.features.levels import AnalysisLevel
from samplemind.result import document_hints
from samplemind.workers.cluster import executor_for, shards_on
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.process import Outcome
from samplemind.workers.shards import MANIFEST, Shard, ShardFolder, arrow_schema, shard_name
from tests.conftest import WriteWav
from tests.signals import noise, sine

pytest.importorskip("pyarrow", reason="pip install 'samplemind[parquet]'")


def shards(paths: list[str], output: str, *, rows: int = 8, **options: Any) -> Iterator[Shard]:
    settings: dict[str, Any] = {
        "level": AnalysisLevel.STANDARD,
        "use_cache": False,
        "redis_url": None,
        "limits": Limits(),
        "worker_limits": WorkerLimits(),
    }
    with executor_for(None, jobs=2) as (executor, slots):
        yield from shards_on(executor, paths, output, slots=slots, rows=rows, **{**settings, **options})


def rows_of(folder: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return [row for path in sorted(folder.glob("part-*")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture
def sounds(write_wav: WriteWav) -> list[str]:
    paths = [str(write_wav(noise(0.2, seed=number), name=f"{number}.wav")) for number in range(19)]
    return [*paths, str(write_wav(sine(440, 1.0), name="tone.wav"))]


def test_every_file_has_a_row_that_says_what_its_document_says(sounds: list[str], tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.wav")
    done = list(shards([*sounds, missing], str(tmp_path / "out")))
    assert sorted(shard.rows for shard in done) == [5, 8, 8]
    [failed] = [failure for shard in done for failure in shard.failed]
    assert failed == (missing, "FileAccessError", "no such file or directory")

    rows = {row["path"]: row for row in rows_of(tmp_path / "out")}
    assert rows.keys() == {*sounds, missing}
    assert rows[missing]["error_type"] == "FileAccessError"
    assert rows[missing]["duration_s"] is None
    with AudioEngine(cache=None) as engine:
        for path in sounds:
            document = engine.analyze_audio(path).to_dict()
            row = {**rows[path], "unknown": dict(rows[path]["unknown"])}
            assert (row.pop("error_type"), row.pop("error_reason"), row.pop("path_bytes")) == (None, None, None)
            assert row == document

    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert {name: manifest[name] for name in ("finished", "files", "ok", "failed", "skipped", "level")} == {
        "finished": True,
        "files": 21,
        "ok": 20,
        "failed": 1,
        "skipped": 0,
        "level": "standard",
    }
    names = {path.name: path.stat().st_size for path in (tmp_path / "out").glob("part-*")}
    assert {shard["name"]: shard["bytes"] for shard in manifest["shards"]} == names


def test_columns_have_the_types_of_the_fields() -> None:
    import pyarrow as pa

    schema = arrow_schema()
    assert [field.name for field in schema][:-3] == list(document_hints())
    assert schema.field("tempo_bpm").type == pa.float64()
    assert schema.field("channels").type == pa.int64()
    assert schema.field("key").type == pa.string()
    assert schema.field("level").type == pa.string()
    assert schema.field("mfcc_mean").type == pa.list_(pa.float64())
    assert [field.name for field in schema.field("rms").type] == ["mean", "std", "min", "max"]
    assert schema.field("unknown").type == pa.map_(pa.string(), pa.string())


def test_an_interrupted_run_goes_on_without_doubling_rows(sounds: list[str], tmp_path: Path) -> None:
    run = shards(sounds, str(tmp_path / "out"))
    first = next(run)
    run.close()  # type: ignore[attr-defined]
    there = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    assert first.name in there
    assert not json.loads((tmp_path / "out" / MANIFEST).read_text())["finished"]

    done = list(shards(sounds, str(tmp_path / "out")))
    assert {shard.name for shard in done if shard.skipped} == there.keys()
    assert sorted(row["path"] for row in rows_of(tmp_path / "out")) == sorted(sounds)
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == time for name, time in there.items())
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["skipped"] == sum(shard.rows for shard in done if shard.skipped)
    assert manifest["files"] == 20


def test_shards_of_a_list_that_has_changed_are_replaced(sounds: list[str], tmp_path: Path) -> None:
    run = shards(sounds, str(tmp_path / "out"))
    list(itertools.islice(run, 3))  # all are there, but the manifest is not
    run.close()  # type: ignore[attr-defined]
    list(shards(sounds[1:], str(tmp_path / "out")))
    assert sorted(row["path"] for row in rows_of(tmp_path / "out")) == sorted(sounds[1:])


def test_a_shard_that_was_cut_off_is_made_again(sounds: list[str], tmp_path: Path) -> None:
    run = shards(sounds, str(tmp_path / "out"))
    first = next(run)
    run.close()  # type: ignore[attr-defined]
    cut = tmp_path / "out" / first.name
    cut.write_bytes(cut.read_bytes()[:-20])
    list(shards(sounds, str(tmp_path / "out")))
    assert sorted(row["path"] for row in rows_of(tmp_path / "out")) == sorted(sounds)


def test_what_holds_other_results_is_refused(sounds: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run = shards(sounds[:2], str(folder), rows=1)
    next(run)
    run.close()  # type: ignore[attr-defined]
    with pytest.raises(OutputError, match="begun otherwise"):
        next(shards(sounds, str(folder), rows=8))
    with pytest.raises(OutputError, match="begun otherwise"):
        next(shards(sounds, str(folder), rows=1, level=AnalysisLevel.BASIC))
    list(shards(sounds[:2], str(folder), rows=1))
    with pytest.raises(OutputError, match="finished run"):
        next(shards(sounds, str(folder), rows=1))
    (folder / MANIFEST).unlink()
    with pytest.raises(OutputError, match=r"shards without a manifest"):
        next(shards(sounds, str(folder), rows=1))


def test_an_output_that_cannot_be_written_is_refused(sounds: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/out can't be used: "):
        next(shards(sounds, str(tmp_path / "file" / "out")))


@pytest.mark.skipif(sys.platform == "win32", reason="names there are text")
def test_names_that_are_no_text_come_back(tmp_path: Path) -> None:
    path = os.fsdecode(bytes(tmp_path) + b"/\xff.wav")
    Path(path).write_bytes(b"")
    list(shards([path], str(tmp_path / "out")))
    [row] = rows_of(tmp_path / "out")
    assert row["path"] == f"{tmp_path}/\\udcff.wav"
    assert row["path_bytes"] == os.fsencode(path)


def test_files_of_lost_groups_have_rows_and_are_tried_again(sounds: list[str], tmp_path: Path) -> None:
    lost = [Outcome(path, CrashError(path, "no node could analyse its group")) for path in sounds[:2]]
    folder = ShardFolder(str(tmp_path / "out"))
    folder.begin(level="standard", rows=2)
    name = shard_name(0, sounds[:2])
    assert len(folder.write(name, lost, lost=True).failed) == 2
    assert folder.found(name) is None
    [shard] = shards(sounds[:2], str(tmp_path / "out"), rows=2)
    assert (shard.name, shard.skipped, shard.failed) == (name, False, ())
    assert folder.found(name) is not None


def test_shards_go_to_urls(sounds: list[str], tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="pip install 'samplemind[remote]'")
    url = f"memory://shards-{os.getpid()}/out"
    run = shards(sounds, url)
    next(run)
    run.close()  # type: ignore[attr-defined]
    done = list(shards(sounds, url))
    assert any(shard.skipped for shard in done)
    fs = fsspec.filesystem("memory")
    names = {Path(name).name for name in fs.ls(url.removeprefix("memory:/"), detail=False)}
    assert names == {MANIFEST, *(shard.name for shard in done)}
    list(shards(sounds, (tmp_path / "out").as_uri()))
    assert len(rows_of(tmp_path / "out")) == len(sounds)


def test_answers_from_the_cache_make_the_same_rows(sounds: list[str], tmp_path: Path) -> None:
    list(shards(sounds, str(tmp_path / "one"), use_cache=True))
    list(shards(sounds, str(tmp_path / "two"), use_cache=True))
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two")
