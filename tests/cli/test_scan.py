"""``samplemind scan``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from tests.cli.conftest import Invoke, command_line
from tests.signals import SAMPLE_RATE, noise
from tests.workers.conftest import MISBEHAVIOUR


def test_totals_are_honest(invoke: Invoke, sounds: Path) -> None:
    first = invoke("scan", sounds, "-j", 1)
    assert first.exit_code == 1
    assert first.stdout == "6 files: 5 analysed, 0 unchanged, 1 failed\n"
    assert first.stderr.startswith(f"samplemind: {sounds / 'broken.wav'}: ")
    named = invoke("scan", sounds / "a tone.wav", sounds / "missing.wav", "-j", 1)
    assert named.exit_code == 1
    assert named.stdout.startswith("2 files: ")
    assert named.stderr == f"samplemind: {sounds / 'missing.wav'}: no such file or directory\n"


def test_what_was_scanned_is_not_computed_again(invoke: Invoke, sounds: Path) -> None:
    tone = sounds / "a tone.wav"
    assert invoke("scan", tone, "-j", 1).stdout == "1 file: 1 analysed, 0 unchanged, 0 failed\n"
    assert invoke("analyze", tone, "--format", "json").exit_code == 0
    found = json.loads(invoke("cache", "info", "--format", "json").stdout)
    assert found["computed"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupted_scan_names_all_failures_and_counts_what_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(60):
        soundfile.write(folder / f"{number:02}.wav", noise(0.2, seed=number), SAMPLE_RATE)
    for number in (1, 2, 3):
        (folder / f"0{number}.wav").write_bytes(b"broken %d".ljust(17_686) % number)  # as long as a sound
    (folder / "08.wav").rename(folder / "08 waiting.wav")
    command = command_line("scan", folder, "-j", 1, "--level", "basic")
    environment = {**os.environ, "PYTHONPATH": str(MISBEHAVIOUR)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes) as running:
        deadline = time.monotonic() + 60
        while not (folder / "08 waiting.wav.begun").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(3)  # those before it have come, and wait to be recorded with it
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    *failed, last = errors.decode().splitlines()
    assert [line.partition(": ")[2].partition(": ")[0] for line in failed] == [
        str(folder / f"0{number}.wav") for number in (1, 2, 3)
    ]
    assert last == "samplemind: interrupted: 8 files: 5 analysed, 0 unchanged, 3 failed, 52 not done"


def test_what_is_not_there_any_more_is_named(invoke: Invoke, sounds: Path) -> None:
    (sounds / "broken.wav").unlink()
    away = sounds.with_name("away")
    assert invoke("scan", sounds, "-j", 1).exit_code == 0
    sounds.rename(away)
    for missing in ("; 5 missing", ""):  # the second time none is missing that was there before
        gone = invoke("scan", sounds, "-j", 1)
        assert gone.stdout == f"0 files: 0 analysed, 0 unchanged, 0 failed{missing}\n"
        assert gone.stderr == f"samplemind: {sounds}: nothing is there, 5 files missing\n"
        assert gone.exit_code == 0
    sounds.mkdir()  # where a drive is mounted that is not there
    assert invoke("scan", sounds, "-j", 1).stderr == f"samplemind: {sounds}: nothing is there, 5 files missing\n"
    shutil.copytree(away, sounds, dirs_exist_ok=True)
    back = invoke("scan", sounds, "-j", 1)
    assert back.stdout.startswith("5 files: ")
    assert back.stderr == ""


def test_a_folder_that_can_not_be_listed_is_no_file(
    invoke: Invoke, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    (sounds / "broken.wav").unlink()
    result = invoke("scan", sounds, "-j", 1)
    assert result.stdout == "3 files: 3 analysed, 0 unchanged, 0 failed; 1 folder could not be read\n"
    assert result.stderr == f"samplemind: {sounds / 'more'}: the folder can't be read: Permission denied\n"
    assert result.exit_code == 1


@pytest.mark.parametrize("command", ["scan", "watch"])
def test_a_library_takes_no_urls(invoke: Invoke, command: str) -> None:
    result = invoke(command, "s3://me:hush@bucket/")
    assert result.exit_code == 2
    assert "files of this machine" in " ".join(result.stderr.split())
    assert "hush" not in result.stderr
