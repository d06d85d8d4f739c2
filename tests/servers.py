"""Real servers for tests: each on a free port of this machine, in a folder of its own, and gone when its test is."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import quote

import pytest
import redis
from benchmarks.synth import fluid

_PROGRAMS: Final = ("redis-server", "valkey-server")
_PATIENCE_S: Final = 20.0
_READY: Final = "ready to accept connections"


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
            if _READY in self._log.read_text().lower():
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


class PostgresServer:
    """A PostgreSQL server that this machine alone can reach, and everybody on it; nothing is safe from a power cut.

    Its language sorts words as English does, and not by code points.

    Args:
        folder: for its files; must be empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._made = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make its files, and start it; returns when it is ready."""
        account = _account()
        if account is not None:
            shutil.chown(self.folder, account)
        options = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"]
        options += ["--locale=C", "--locale-provider=icu", "--icu-locale=en"]
        initdb = [_postgres_program("initdb"), "--pgdata", str(self._data), *options]
        made = subprocess.run(initdb, user=account, cwd=self.folder, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        for port in (_free_port() for _ in range(5)):
            if self._started(port, account):
                self.port = port
                return
        pytest.fail(f"no PostgreSQL server could be started: {self._log.read_text()}")

    def kill(self) -> None:
        """Have it end at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def new_database(self, *, like: str | None = None, encoding: str | None = None) -> str:
        """Make a database, empty or a copy of one that nobody is connected to, and return its address."""
        self._made += 1
        name = f"test_{self._made}"
        template = "template0" if like is None else like.rpartition("/")[2]
        other = f" ENCODING '{encoding}' LOCALE 'C' LOCALE_PROVIDER libc" if encoding else ""
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{other}')
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self._execute(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')

    def disconnect(self, url: str) -> None:
        """End the connections of all who use a database."""
        name = url.rpartition("/")[2]
        self._execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "postgres.log"

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def _started(self, port: int, account: str | None) -> bool:
        settings = ("fsync=off", "full_page_writes=off", "unix_socket_directories=", "listen_addresses=127.0.0.1")
        command = [_postgres_program("postgres"), "-D", str(self._data), "-p", str(port)]
        command += [part for setting in settings for part in ("-c", setting)]
        if guard := shutil.which("setpriv"):  # as above; it ends its own processes when it is asked to quit
            command = [guard, "--pdeathsig", "QUIT", *command]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, user=account, cwd=self.folder, start_new_session=True, stdout=log, stderr=log
            )
        give_up = time.monotonic() + _PATIENCE_S
        while self._process.poll() is None and time.monotonic() < give_up:
            if _READY in self._log.read_text().lower():
                return True
            time.sleep(0.01)
        self.kill()
        return False


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for as long as the context lasts."""
    _postgres_program("postgres")
    # Not in pytest's folder, which is private to the account that runs the tests.
    with tempfile.TemporaryDirectory(prefix="samplemind-postgres-") as folder:
        server = PostgresServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.kill()


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
    _do_without("no Redis server: apt install redis-server, brew install redis, or the like")


def _postgres_program(name: str) -> str:
    """One of PostgreSQL's programs, as above. Debian has them in folders by version, of which the newest counts."""
    if found := shutil.which(name):
        return found
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    if versions:
        return str(versions[-1])
    _do_without("no PostgreSQL server: apt install postgresql, brew install postgresql, or the like")


def require_fluidsynth() -> None:
    """Skip, as above, where nothing plays General MIDI."""
    if fluid.soundfont() is None:
        _do_without("no FluidSynth with a soundfont: apt install fluidsynth timgm6mb-soundfont")


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("SAMPLEMIND_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _account() -> str | None:
    """Who shall run PostgreSQL, which refuses to be run by root; None for whoever runs the tests."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
