"""Shards: every file is a row of one of them, whatever is interrupted, and numbers are what the document says."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from samplemind import AudioEngine
from samplemind.audio import Limits
from samplemind.errors import CrashError, OutputError
from samplemind.features.levels import AnalysisLevel
from samplemind.result import document_hints
from samplemind.workers.cluster import shards_on
from samplemind.workers.executors import executor_for
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.process import Outcome
from samplemind.workers.shards import MANIFEST, Shard, ShardFolder, arrow_schema, shard_name
from tests.conftest import WriteWav
from tests.signals import noise, sine

pytest.importorskip("pyarrow", reason="pip install 'samplemind[parquet]'")


def shards(paths: Iterable[str], output: str, *, rows: int | None = 8, **options: Any) -> Iterator[Shard]:
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


def test_few_files_are_shared_among_all_who_work(tmp_path: Path) -> None:
    missing = [str(tmp_path / f"{number}.wav") for number in range(300)]
    assert sorted(shard.rows for shard in shards(missing, str(tmp_path / "out"), rows=None)) == [34, *[38] * 7]
    fewer = shards(missing[:6], str(tmp_path / "fewer"), rows=None)
    assert [shard.rows for shard in fewer] == [3, 3]
    few = shards(missing[:70], str(tmp_path / "few"), rows=None)
    assert [shard.rows for shard in sorted(few, key=lambda shard: shard.name)] == [32, 32, 6]
    many = (f"{path} {number}" for number in range(30) for path in missing)
    assert [shard.rows for shard in shards(many, str(tmp_path / "many"), rows=None)] == [1000] * 9


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_run_that_was_killed_goes_on(sounds: list[str], tmp_path: Path) -> None:
    output = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", RUN, str(output), *sounds], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # a shard is there
    process.kill()
    process.communicate()
    there = {path.name for path in output.glob("part-*")}
    assert there
    done = list(shards(sounds, str(output), rows=2))
    assert there <= {shard.name for shard in done if shard.skipped}
    assert sorted(row["path"] for row in rows_of(output)) == sorted(sounds)
    assert {path.name for path in output.iterdir()} == {MANIFEST, *(shard.name for shard in done)}


RUN = """
import sys
import pytest

from tests.workers.test_shards import shards
for _ in shards(sys.argv[2:], sys.argv[1], rows=2):
    print("shard", flush=True)
"""


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
        next(shards(sounds, str(folder), rows=1, level=AnalysisLevel.BASIC))
    list(shards(sounds[:2], str(folder), rows=8))
    assert len(list(folder.glob("part-*"))) == 2  # as it was begun
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


def test_a_finished_run_that_lost_files_goes_on(sounds: list[str], tmp_path: Path) -> None:
    lost = [Outcome(path, CrashError(path, "no node could analyse its group")) for path in sounds[:2]]
    folder = ShardFolder(str(tmp_path / "out"))
    run = folder.begin(level="standard", rows=2)
    run.add(folder.write(shard_name(0, sounds[:2]), lost, lost=True))
    assert run.finish()["lost"] == 2
    [shard] = shards(sounds[:2], str(tmp_path / "out"), rows=2)
    assert shard.failed == ()
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert (manifest["finished"], manifest["ok"], manifest["lost"]) == (True, 2, 0)
    with pytest.raises(OutputError, match="finished run"):
        folder.begin(level="standard", rows=2)


def test_two_runs_in_one_folder_are_told(sounds: list[str], tmp_path: Path) -> None:
    folder = ShardFolder(str(tmp_path / "out"))
    run = folder.begin(level="standard", rows=8)
    failed = [Outcome(path, CrashError(path, "crashed")) for path in sounds[:2]]
    run.add(folder.write(shard_name(0, sounds[:2]), failed))
    list(shards(sounds[2:4], str(tmp_path / "out")))
    with pytest.raises(OutputError, match=r"lacks part-00000-.*, which was there: does another run write there\?"):
        run.finish()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("as_url", [False, True])
def test_nothing_is_left_of_who_died_while_writing(sounds: list[str], tmp_path: Path, as_url: bool) -> None:
    if as_url:
        pytest.importorskip("fsspec", reason="pip install 'samplemind[remote]'")
    output = (tmp_path / "out").as_uri() if as_url else str(tmp_path / "out")
    killed = subprocess.run([sys.executable, "-c", KILLED, output], check=False)
    assert killed.returncode == -signal.SIGKILL
    [left] = (path.name for path in (tmp_path / "out").glob(".*"))
    assert left.startswith(f".{shard_name(0, ['a'])}-")
    (tmp_path / "out" / ".keep").write_text("somebody else's")
    list(shards(sounds[:2], output))
    assert {path.name for path in (tmp_path / "out").glob(".*")} == {".keep"}
    assert len(rows_of(tmp_path / "out")) == 2


KILLED = """
import os, shutil, signal, sys
from samplemind.workers.shards import ShardFolder, shard_name
folder = ShardFolder(sys.argv[1])
folder.begin(level="standard", rows=8)
os.replace = os.rename = shutil.move = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
folder.write(shard_name(0, ["a"]), [])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    folder = ShardFolder(str(tmp_path / "out"))
    folder.begin(level="standard", rows=8)
    before = (tmp_path / "out" / MANIFEST).read_bytes()
    with pytest.raises(OutputError, match="File too large"), file_size_limit(50):
        folder.put(MANIFEST, bytes(100))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [MANIFEST]
    assert (tmp_path / "out" / MANIFEST).read_bytes() == before


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as if there were no more room."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX rights")
def test_threads_write_files_with_the_rights_that_the_user_wants(tmp_path: Path) -> None:
    folder = ShardFolder(str(tmp_path))
    before = os.umask(0o027)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: folder.put(f"part-{number}.parquet", b""), range(200)))
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


@pytest.mark.parametrize("text", ["[]", '{"name": "a web app"}'])
def test_a_manifest_of_something_else_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(OutputError, match=r"holds a manifest\.json of something else"):
        ShardFolder(str(tmp_path)).begin(level="standard", rows=8)
    assert (tmp_path / MANIFEST).read_text() == text


def test_no_password_is_in_what_is_said_of_an_output(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = pytest.importorskip("fsspec.implementations.memory", reason="pip install 'samplemind[remote]'")

    def refuse(*_: object) -> None:
        raise OSError("PUT https://me:hush@host/out?token=hush: 503")

    monkeypatch.setattr(memory.MemoryFileSystem, "pipe_file", refuse)
    with pytest.raises(OutputError, match=r"PUT https://\*\*\*@host/out\?token=\*\*\*"):
        ShardFolder("memory://refused").begin(level="standard", rows=8)
    with pytest.raises(OutputError) as caught:
        ShardFolder("http://me:hush@127.0.0.1:9/out?token=hush").begin(level="standard", rows=8)
    assert "hush" not in str(caught.value)
    with pytest.raises(OutputError, match="gcsfs"):
        ShardFolder("gs://bucket/out")


def test_copies_in_shards_are_computed_once(write_wav: WriteWav, tmp_path: Path) -> None:
    path = write_wav(noise(0.3))
    copies = [str(shutil.copy(path, path.with_name(f"copy {number}.wav"))) for number in range(80)]
    done = list(shards(copies, str(tmp_path / "out"), rows=40, use_cache=True))
    assert sum(shard.rows for shard in done) == 80
    with AudioEngine() as engine:
        assert engine.cache is not None
        assert engine.cache.stats_of_all().computed == 1


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
