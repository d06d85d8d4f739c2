"""A real service: the command ``samplemind serve`` as a process, on a free port, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

PATIENCE_S: Final = 60.0
_SERVING: Final = re.compile(r"^samplemind: serving at (http://\S+)", re.MULTILINE)
_COMMAND: Final = (sys.executable, "-m", "samplemind")


@dataclass(frozen=True)
class RunningService:
    """A service that runs."""

    url: str
    folder: Path
    """Its data folder."""
    process: subprocess.Popen[bytes]
    log: Path

    def new_key(self, scope: str = "write") -> str:
        """A key for it."""
        return new_key(self.folder, scope)


def new_key(folder: Path, scope: str = "write") -> str:
    """A key for the service of a data folder, whether it runs or not."""
    command = [*_COMMAND, "keys", "create", "test", "--scope", scope, "--data-dir", str(folder)]
    made = subprocess.run(
        command, env=_environment(folder), capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    return made.stdout.strip()


@contextlib.contextmanager
def running(folder: Path, *options: str, stop: signal.Signals = signal.SIGTERM) -> Iterator[RunningService]:
    """A service with these options of the command line, until the end of the block.

    Args:
        folder: for its data, and for a log beside it.
        *options: as ``--require-key``.
        stop: how it is told to end.
    """
    log = folder.with_name(f"{folder.name}.log")
    command = [*_COMMAND, "serve", "--port", "0", "--data-dir", str(folder), *options]
    if guard := shutil.which("setpriv"):  # on Linux: no service outlives tests that are killed
        command = [guard, "--pdeathsig", "KILL", *command]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, env=_environment(folder), stdout=stderr, stderr=stderr)
    try:
        yield RunningService(_address(process, log), folder, process, log)
    finally:
        if process.poll() is None:
            process.send_signal(stop)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        found = _SERVING.search(log.read_text(encoding="utf-8"))
        if found is not None:
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.02)
    pytest.fail(f"the service did not start: {log.read_text(encoding='utf-8')}")


def _environment(folder: Path) -> dict[str, str]:
    """Without what the user set, or the test that runs."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SAMPLEMIND_")}
    return {**own, "XDG_CONFIG_HOME": str(folder.with_name(f"{folder.name}.config")), "PYTHONUNBUFFERED": "1"}
