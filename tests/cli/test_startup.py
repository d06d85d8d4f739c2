"""What a command imports before it answers: counted, because time on a busy machine says little."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from samplemind.cli.commands import COMMANDS
from tests.cli.conftest import Invoke, Process
from tests.signals import SAMPLE_RATE, music

MODULES = """
import sys
sys.argv = ["samplemind", *sys.argv[1:]]
from samplemind.__main__ import main
try:
    main()
finally:
    print("MODULES", *sys.modules, file=sys.stderr)
"""
PEER = "import sys, typer; print('MODULES', *sys.modules, file=sys.stderr)"
BEYOND_TYPER = 12
"""So many small modules a command may take to be found, beside those of Typer."""


def modules(code: str, *arguments: object) -> set[str]:
    """The modules that are loaded when a program ends."""
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=60
    )
    return set(result.stderr.splitlines()[-1].split()[1:])


def of_commands(loaded: set[str]) -> set[str]:
    """Those that have commands."""
    return loaded & {f"samplemind.cli.{place.partition(':')[0]}" for place in COMMANDS.values()}


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "analyze"]])
def test_the_version_takes_what_typer_takes(arguments: list[str]) -> None:
    new = modules(MODULES, *arguments) - modules(PEER)
    assert {name.partition(".")[0] for name in new} <= {"samplemind", "typer", *sys.stdlib_module_names}
    assert len(new) <= BEYOND_TYPER, sorted(new)
    assert not of_commands(new)


def test_a_cached_analysis_loads_no_other_command(tmp_path: Path, process: Process) -> None:
    path = tmp_path / "music.wav"
    soundfile.write(path, music(3.0), SAMPLE_RATE)
    past = time.time() - 60  # a file that has just been written may still change: its digest is not trusted
    os.utime(path, (past, past))
    assert process("analyze", path).returncode == 0
    heavy = {"asyncio", "psutil", "sqlalchemy", "redis", "numba", "scipy", "soxr", "soundfile", "av", "rich"}
    for form in ("table", "json"):
        loaded = modules(MODULES, "analyze", path, "--format", form)
        assert of_commands(loaded) == {"samplemind.cli.analyze"}
        assert not loaded & heavy
        assert not loaded & {"samplemind.warmup", "samplemind.library", "samplemind.workers.child"}


def test_each_command_is_found_under_its_name(invoke: Invoke) -> None:
    for name in COMMANDS:
        shown = invoke(name, "--help").stdout
        assert shown.startswith(f"Usage: samplemind {name} ") or f"samplemind {name}" in shown.splitlines()[0]
    assert "Did you mean 'collection'?" in invoke("colection").stderr


SAYING_SO = "samplemind: compiling for this machine, once: "


def test_who_waits_for_a_compiler_is_told_so_once(tmp_path: Path, process: Process) -> None:
    """Machine code goes to a folder of the test's own, where at first there is none."""
    kept = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    path = tmp_path / "music.wav"
    soundfile.write(path, music(3.0), SAMPLE_RATE)

    first = process("analyze", path, "--no-cache", "--level", "basic", "--format", "json", **kept)
    assert first.returncode == 0
    [line] = first.stderr.decode().splitlines()
    assert line.startswith(SAYING_SO)
    assert "samplemind doctor --warm" in line
    again = process("analyze", path, "--no-cache", "--level", "basic", "--format", "json", **kept)
    assert (again.stdout, again.stderr) == (first.stdout, b"")

    warming = process("doctor", "--warm", **kept)
    assert warming.returncode == 0
    [line] = warming.stderr.decode().splitlines()
    assert line.startswith(SAYING_SO)
    assert "--warm" not in line
    compiled, took = warming.stdout.decode().split("✓ kernels ")[1].splitlines()[0].strip().split(" compiled in ")
    assert int(compiled) > 0
    assert " s, " in took
    assert kept["NUMBA_CACHE_DIR"] in warming.stdout.decode()
    warm = process("doctor", "--warm", **kept)
    assert warm.stderr == b""
    assert " were there, loaded in " in warm.stdout.decode()

    # Nothing is left to compile, whatever the sound: mono or stereo, long or short.
    for seconds, channels in ((3.0, 1), (0.3, 2), (8.0, 2)):
        sound = music(seconds)
        soundfile.write(path, sound if channels == 1 else sound[:, None].repeat(2, axis=1), SAMPLE_RATE)
        full = process("analyze", path, "--no-cache", "--level", "detailed", "--format", "jsonl", **kept)
        assert (full.returncode, full.stderr) == (0, b"")
    parted = process("separate", path, "-o", tmp_path, **kept)
    assert (parted.returncode, parted.stderr) == (0, b"")


def test_without_the_option_doctor_compiles_nothing(tmp_path: Path, process: Process) -> None:
    kept = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    result = process("doctor", **kept)
    assert (result.returncode, result.stderr) == (0, b"")
    assert "machine code" not in result.stdout.decode()
    assert not list(tmp_path.rglob("*.nbi"))
