"""A Dask cluster of real processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


class Dask:
    """A scheduler and workers, each a process of its own on this machine.

    Args:
        folder: where they log.
        protocol: by which they talk.
        **environment: variables that they get.
    """

    def __init__(self, folder: Path, *, protocol: str = "tcp", **environment: str) -> None:
        pytest.importorskip("distributed", reason="pip install 'samplemind[cluster]'")
        self._folder = folder
        self._environment = environment
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self.address = f"{protocol}://127.0.0.1:{port}"
        self._processes: list[subprocess.Popen[bytes]] = []
        place = ("--host", "127.0.0.1", "--port", str(port), "--protocol", protocol)
        self.scheduler = self._start("dask_scheduler", *place, "--no-dashboard")

    def worker(self, *, path: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a worker; `path` comes first among the folders where it looks for modules."""
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        return self._start("dask_worker", self.address, *options, path=path)

    def log(self) -> str:
        """What all of them have written."""
        return "".join(log.read_text() for log in self._folder.glob("dask_*.log"))

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, program: str, *options: str, path: Path | None = None) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self._environment, "PYTHONPATH": str(path or "")}
        command = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.{program}", *options]
        with (self._folder / f"{program}-{len(self._processes)}.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, cwd=self._folder, stdout=log, stderr=log)
        self._processes.append(process)
        return process
