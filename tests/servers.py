"""Real servers for tests: each on a free port of this machine, in a folder of its own, and gone when its test is."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
import redis

_PROGRAMS: Final = ("redis-server", "valkey-server")
_PATIENCE_S: Final = 20.0
_READY: Final = "Ready to accept connections"


class RedisServer:
    """A Redis server that keeps nothing on disk.

    Args:
        folder: for its log.
        *options: of the server's command line, as ``--maxmemory``, ``3mb``.
        password: what clients must give; None for none.
    """

    def __init__(self, folder: Path, *options: str, password: str | None = None) -> None:
        self.folder = folder
        self.password = password
        self.options = (*options, *(("--requirepass", password) if password else ()))
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's address, with the password."""
        secret = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, on the port that it had before, or else on a free one; returns when it is ready."""
        ports = [self.port] if self.port else [_free_port() for _ in range(5)]
        for port in ports:  # somebody else may have taken a port that was free
            if self._started(port):
                self.port = port
                return
        pytest.fail(f"no Redis server could be started: {self._log.read_text()}")

    def stop(self) -> None:
        """Have it end in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Have it end at once."""
        self._end(signal.SIGKILL)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it accept connections, but answer nothing."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def client(self) -> redis.Redis:
        """A connection to look at what is there."""
        return redis.Redis(port=self.port, password=self.password, protocol=2)

    def flush(self) -> None:
        """Remove everything from the server."""
        with self.client() as client:
            client.flushall()

    @property
    def _log(self) -> Path:
        return self.folder / "redis.log"

    def _started(self, port: int) -> bool:
        self._log.write_text("")
        command = [_program(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", str(self._log), *self.options]
        if guard := shutil.which("setpriv"):  # on Linux: no server outlives tests that are killed
            command = [guard, "--pdeathsig", "KILL", *command]
        self._process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        give_up = time.monotonic() + _PATIENCE_S
        while self._process.poll() is None and time.monotonic() < give_up:
            if _READY in self._log.read_text():
                return True
            time.sleep(0.01)
        self.kill()
        return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None


@contextlib.contextmanager
def running(folder: Path, *options: str, password: str | None = None) -> Iterator[RedisServer]:
    """A server for as long as the context lasts."""
    server = RedisServer(folder, *options, password=password)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _program() -> str:
    """The server's program; a test that needs it skips where there is none, or fails where there must be one."""
    for name in _PROGRAMS:
        if found := shutil.which(name):
            return found
    reason = "no Redis server: apt install redis-server, brew install redis, or the like"
    if os.environ.get("SAMPLEMIND_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
