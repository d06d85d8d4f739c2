"""``samplemind analyze`` into Parquet, and on a cluster."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import soundfile

from samplemind import AudioEngine
from tests.cli.conftest import Invoke, command_line
from tests.signals import SAMPLE_RATE, noise
from tests.workers.clusters import Dask

PATIENCE_S = 60


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
    monkeypatch.setattr("samplemind.workers.executors._REACH_S", 0.5)
    result = invoke("analyze", sounds, "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert "can't be reached" in result.stderr


def test_nothing_is_written_of_no_files(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = invoke("analyze", tmp_path / "empty", "-o", f"{tmp_path}/out/")
    assert result.exit_code == 2
    assert "there are no audio files in it" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "table"])
def test_secrets_of_urls_are_not_printed(invoke: Invoke, tone: Path, form: str) -> None:
    pytest.importorskip("fsspec", reason="pip install 'samplemind[remote]'")
    for others in ([], [tone, tone, tone]):
        result = invoke("analyze", "nowhere://me:hush@127.0.0.1/x.wav?token=hush", *others, "--format", form)
        assert result.exit_code == 1
        assert "nowhere://***@127.0.0.1/x.wav?token=***: " in result.stderr
        assert form == "table" or "nowhere://***@127.0.0.1/x.wav?token=***" in result.stdout
        assert "hush" not in result.stdout + result.stderr


def test_secrets_of_urls_are_not_in_shards(invoke: Invoke, tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="pip install 'samplemind[remote]'")
    pytest.importorskip("aiohttp", reason="pip install 'samplemind[remote]'")
    parquet = pytest.importorskip("pyarrow.parquet")
    result = invoke("analyze", "http://me:hush@127.0.0.1:9/x.wav?token=hush", "-o", f"{tmp_path}/out/", "-j", 1)
    assert result.stderr.startswith("samplemind: http://***@127.0.0.1:9/x.wav?token=***: can't be fetched: ")
    [shard] = (tmp_path / "out").glob("part-*")
    [row] = parquet.read_table(shard).to_pylist()
    assert row["path"] == "http://***@127.0.0.1:9/x.wav?token=***"
    assert "hush" not in f"{result.stdout}{result.stderr}{row}"


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder of 300 sounds."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(300):
        soundfile.write(folder / f"{number}.wav", noise(0.5, seed=number), SAMPLE_RATE)
    return folder


def interrupted(process: subprocess.Popen[bytes]) -> str:
    """Interrupt a process with all that it has started, as a terminal does, and return what it says."""
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    started = time.monotonic()
    while any(_group_of(each) == process.pid for each in psutil.process_iter()):  # workers end a moment later
        assert time.monotonic() - started < PATIENCE_S
        time.sleep(0.05)
    return errors.decode()


def _group_of(process: psutil.Process) -> int | None:
    with contextlib.suppress(ProcessLookupError, psutil.Error):
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getpgid(process.pid)
    return None


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("where", [["-j", "2"], ["--scheduler", "local:2"]])
def test_what_was_done_before_an_interrupt_is_kept(many: Path, tmp_path: Path, where: list[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    if "--scheduler" in where:
        pytest.importorskip("distributed")
    out = tmp_path / "out"
    command = command_line("analyze", many, *where, "-o", f"{out}/")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    started = time.monotonic()
    while not list(out.glob("part-*")):
        assert time.monotonic() - started < PATIENCE_S
        time.sleep(0.01)
    errors = interrupted(process)
    rows = sum(parquet.read_metadata(file).num_rows for file in out.glob("part-*"))
    counts = f"{rows} files: {rows} analysed, 0 failed, {300 - rows} not done"
    assert errors == f"samplemind: interrupted: {counts}; run it again to go on\n"
    result = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE_S)
    assert result.stdout.decode() == f"300 files: 300 analysed, 0 failed, {rows} of them by an earlier run\n"
    with AudioEngine() as engine:
        assert engine.cache is not None
        assert engine.cache.stats_of_all().computed == 300


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_of_a_local_cluster_is_quiet(many: Path) -> None:
    pytest.importorskip("distributed")
    command = command_line("analyze", many, "--scheduler", "local:2", "--format", "jsonl", "--no-cache")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    errors = interrupted(process)
    assert re.fullmatch(
        r"samplemind: interrupted: \d+ files? analysed, \d+ not done( of those found so far)?\n", errors
    )


@pytest.mark.parametrize("output", [[], ["-o", "OUT/"]])
def test_a_run_that_is_aborted_tells_its_totals(many: Path, tmp_path: Path, output: list[str]) -> None:
    pytest.importorskip("pyarrow.parquet")
    with contextlib.closing(Dask(tmp_path)) as dask:
        dask.worker()
        where = [each.replace("OUT", str(tmp_path / "out")) for each in output]
        command = command_line("analyze", many, "--scheduler", dask.address, "--no-cache", *where)
        environment = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            if output:
                started = time.monotonic()
                while not list(tmp_path.glob("out/part-*")) and time.monotonic() - started < PATIENCE_S:
                    time.sleep(0.01)
            else:
                process.stdout.readline()
                process.stdout.readline()
            dask.scheduler.kill()
            _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    *_, totals, reason = errors.decode().splitlines()
    assert re.match(r"samplemind: ended early: \d+ files.* analysed, (0 failed, )?\d+ not done", totals)
    assert re.match(r"samplemind: (the scheduler is gone|the executor takes no more work)", reason)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_cluster_without_workers_is_waited_for_and_told(sounds: Path, tmp_path: Path) -> None:
    with contextlib.closing(Dask(tmp_path)) as dask:
        command = command_line("analyze", sounds, "--scheduler", dask.address, "--no-cache", "--format", "jsonl")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
        process = subprocess.Popen(command, **pipes)
        assert process.stderr is not None
        waiting = f"samplemind: the scheduler {dask.address} has no workers: waiting for some\n"
        assert process.stderr.readline().decode() == waiting
        assert interrupted(process) == "samplemind: interrupted: 0 files analysed, 6 not done\n"
        process = subprocess.Popen(command, **pipes)
        assert process.stderr is not None
        assert process.stderr.readline().decode() == waiting
        dask.worker()
        answers, _ = process.communicate(timeout=PATIENCE_S)
        assert len(answers.splitlines()) == 6
