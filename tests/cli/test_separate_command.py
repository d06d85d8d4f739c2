"""``samplemind separate``: what it says, what it leaves behind, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.cli.conftest import Invoke, Process
from tests.conftest import WriteWav
from tests.signals import SAMPLE_RATE, noise

_WITH_FILE_LIMIT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from samplemind.cli import main
main()
"""
"""The command in a process that may write only so many bytes to a file: it fails as on a full disk."""


def test_damage_is_told_on_standard_error(invoke: Invoke, write_wav: WriteWav, tmp_path: Path) -> None:
    path = write_wav(noise(4.0), subtype="PCM_16")
    os.truncate(path, 100_000)
    done = invoke("separate", path, "-o", tmp_path / "parts")
    assert done.exit_code == 0
    assert done.stderr == f"samplemind: warning: {path}: the header declares 4.00 s, the file holds 1.13 s\n"
    assert [Path(line).name for line in done.stdout.splitlines()] == ["sound.harmonic.wav", "sound.percussive.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
@pytest.mark.parametrize("missing", [1, 3_000_000])
def test_a_full_disk(write_wav: WriteWav, tmp_path: Path, missing: int) -> None:
    path = write_wav(noise(20.0), name="ok.wav")
    whole = 94 + 4 * 20 * SAMPLE_RATE

    def run(most: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", _WITH_FILE_LIMIT, str(most), "separate", "ok.wav", "-o", "parts"]
        return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=120, check=False)

    refused = run(whole - missing)
    target = os.path.join("parts", "ok.harmonic.wav")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"samplemind: [Errno 27] File too large: {target!r}\n"
    assert os.listdir(tmp_path / "parts") == []
    assert run(whole).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_names_that_are_no_text(process: Process, write_wav: WriteWav, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\xff.wav")
    write_wav(noise(0.5)).rename(tmp_path / name)
    done = process("separate", tmp_path / name, "-o", tmp_path / "parts")
    assert (done.returncode, done.stderr) == (0, b"")
    assert [os.path.basename(line) for line in done.stdout.splitlines()] == [
        b"caf\xe9\xff.harmonic.wav",
        b"caf\xe9\xff.percussive.wav",
    ]
    for line in done.stdout.splitlines():
        with open(line, "rb") as file:
            assert soundfile.info(file).frames == SAMPLE_RATE // 2


def test_parts_of_another_file_are_not_replaced(invoke: Invoke, tmp_path: Path) -> None:
    for name, seconds in (("a.wav", 0.1), ("a.flac", 0.2)):
        soundfile.write(tmp_path / name, noise(seconds), SAMPLE_RATE)
    assert invoke("separate", tmp_path / "a.wav", "-o", tmp_path / "parts").exit_code == 0
    refused = invoke("separate", tmp_path / "a.flac", "-o", tmp_path / "parts")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "a.harmonic.wav" in refused.stderr
    assert soundfile.info(tmp_path / "parts" / "a.harmonic.wav").frames == 4410
    assert invoke("separate", tmp_path / "a.flac", "-o", tmp_path / "parts", "--overwrite").exit_code == 0
    assert soundfile.info(tmp_path / "parts" / "a.harmonic.wav").frames == 8820


def test_a_folder_where_a_part_belongs(invoke: Invoke, write_wav: WriteWav, tmp_path: Path) -> None:
    (tmp_path / "parts" / "sound.percussive.wav").mkdir(parents=True)
    for options in ((), ("--overwrite",)):
        refused = invoke("separate", write_wav(noise(0.1)), "-o", tmp_path / "parts", *options)
        assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
        assert "sound.percussive.wav" in refused.stderr
        assert os.listdir(tmp_path / "parts") == ["sound.percussive.wav"]


@pytest.mark.parametrize("margin", ["0.5", "inf", "nan", "1e39"])
def test_a_margin_that_makes_no_sense(invoke: Invoke, write_wav: WriteWav, tmp_path: Path, margin: str) -> None:
    refused = invoke("separate", write_wav(noise(0.1)), "-o", tmp_path / "parts", "--margin", margin)
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "margin" in refused.stderr
    assert not (tmp_path / "parts").exists()


def test_no_folder_is_made_for_what_is_no_sound(invoke: Invoke, sounds: Path, tmp_path: Path) -> None:
    assert invoke("separate", sounds / "broken.wav", "-o", tmp_path / "parts").exit_code == 1
    assert not (tmp_path / "parts").exists()
