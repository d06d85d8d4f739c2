"""The service under load: many uploads at once, and what HTTP costs beside a bare echo and the analysis itself.

python -m benchmarks.service_load [--uploads 200] [--megabytes 20] [--requests 2000] [--sounds 200]

The service runs as users run it, in processes of its own; the load comes from others on the same machine, so that they
share its cores. While the uploads come in, another process asks for /healthz all the time, on a connection of its own,
and the server's memory is looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import psutil

from benchmarks.paired import heading
from benchmarks.scale import LEVEL
from benchmarks.sounds import write_one_shots
from samplemind.audio import Limits
from samplemind.pipeline import analyze_file
from samplemind.warmup import warm_up

_START_S: Final = 60.0
_LOOK_S: Final = 0.02
_PIECE: Final = 2**16
_PAUSE_S: Final = 0.02
_MEGABYTE: Final = 2**20

_ECHO: Final = """
import uvicorn
from fastapi import FastAPI, Request, Response
app = FastAPI()
@app.get("/healthz")
async def healthz():
    return {"status": "ok"}
@app.post("/echo")
async def echo(request: Request):
    return Response(await request.body())
uvicorn.run(app, port=int(__import__("sys").argv[1]), log_level="critical", http="h11", loop="asyncio")
"""
_PROBE: Final = """
import http.client, sys, time
port, pause = int(sys.argv[1]), float(sys.argv[2])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
while True:
    started = time.perf_counter()
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    print(time.perf_counter() - started, flush=True)
    time.sleep(pause)
"""


@contextlib.contextmanager
def samplemind_service(folder: Path) -> Iterator[tuple[psutil.Process, int]]:
    """The process of a service, and its port."""
    command = [sys.executable, "-m", "samplemind", "serve", "--port", "0", "--data-dir", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        if process.stderr is None:
            raise AssertionError("the service was started with a pipe")
        for line in process.stderr:
            if "serving at" in line:
                port = int(line.split("serving at http://127.0.0.1:")[1].split()[0])
                break
        else:
            raise SystemExit("the service did not start")
        threading.Thread(target=_drain, args=[process.stderr], daemon=True).start()
        yield psutil.Process(process.pid), port
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def bare_echo() -> Iterator[int]:
    """The port of a FastAPI application that gives back what it is sent."""
    port = _free_port()
    process = subprocess.Popen([sys.executable, "-c", _ECHO, str(port)])
    try:
        _await(port)
        yield port
    finally:
        process.terminate()
        process.wait(60)


class Probe:
    """Asks for /healthz all the time, from the beginning; then `seconds` are how long the answers took."""

    def __init__(self, port: int) -> None:
        self.seconds: list[float] = []
        command = [sys.executable, "-c", _PROBE, str(port), str(_PAUSE_S)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._asks = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        self._asks.wait()

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._thread.join()

    def _read(self) -> None:
        if self._process.stdout is None:
            raise AssertionError("the probe was started with a pipe")
        try:
            for line in self._process.stdout:
                self.seconds.append(float(line))
                self._asks.set()
        finally:
            self._asks.set()  # if it never could, nobody waits for it


class Memory:
    """Looks at the memory of a process; `peak` is the most that it had."""

    def __init__(self, process: psutil.Process) -> None:
        self.idle = self.peak = process.memory_info().rss
        self._process = process
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_S):
            self.peak = max(self.peak, self._process.memory_info().rss)


async def upload_together(port: int, path: str, count: int, size: int) -> list[float]:
    """Seconds that each of some uploads took, which were all begun at once."""
    blank = bytes(_PIECE)

    async def one(number: int) -> float:
        started = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"RIFF" + os.urandom(60)
        writer.write(
            f"POST {path}?name={number}.wav HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\n"
            f"Content-Length: {size}\r\nConnection: close\r\n\r\n".encode()
        )
        writer.write(head)
        left = size - len(head)
        while left:
            await writer.drain()
            writer.write(blank[: min(left, _PIECE)])
            left -= min(left, _PIECE)
        answer = await reader.read()
        if not answer.startswith((b"HTTP/1.1 20", b"HTTP/1.1 100")):
            raise SystemExit(f"an upload was refused: {answer[:500]!r}")
        writer.close()
        return time.perf_counter() - started

    return list(await asyncio.gather(*map(one, range(count))))


def under_uploads(folder: Path, count: int, megabytes: int) -> None:
    """Memory and /healthz while uploads come in, and what they cost each other."""
    with samplemind_service(folder) as (process, port):
        httpx.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
        size = megabytes * _MEGABYTE
        alone = asyncio.run(upload_together(port, "/api/v1/audio", 1, size))[0]
        memory, probe = Memory(process), Probe(port)
        started = time.perf_counter()
        times = asyncio.run(upload_together(port, "/api/v1/audio", count, size))
        took = time.perf_counter() - started
        probe.stop()
        memory.stop()
    late = sorted(probe.seconds)
    print(f"{count} uploads of {megabytes} MiB at once: {took:.1f} s, {count * megabytes / took:.0f} MiB/s")
    print(f"  one alone {megabytes / alone:.0f} MiB/s; the last of all after {max(times):.1f} s")
    print(f"  memory of the server: {memory.idle / _MEGABYTE:.0f} MiB idle, {memory.peak / _MEGABYTE:.0f} MiB at most")
    print(f"  /healthz meanwhile ({len(late)} times): p50 {_at(late, 0.5)}, p99 {_at(late, 0.99)}, most {_at(late, 1)}")


def beside_echo(folder: Path, requests: int) -> None:
    """Small requests to the service, and to an application that does nothing, in turn."""
    with samplemind_service(folder) as (_, port), bare_echo() as echo:
        each: dict[str, list[float]] = {"service": [], "echo": []}
        with httpx.Client() as client:
            for _ in range(requests):
                for name, url in (("service", f"http://127.0.0.1:{port}"), ("echo", f"http://127.0.0.1:{echo}")):
                    started = time.perf_counter()
                    client.get(f"{url}/healthz").raise_for_status()
                    each[name].append(time.perf_counter() - started)
        ours, bare = (statistics.median(each[name]) * 1e3 for name in ("service", "echo"))
        print(f"{'a request: the service / a bare echo':<44} {ours:10.2f} ms {bare:10.2f} ms   {ours / bare:8.2f}")
        size = 64 * _MEGABYTE
        rates: dict[str, list[float]] = {"service": [], "echo": []}
        for _ in range(3):
            for name, at, path in (("service", port, "/api/v1/audio"), ("echo", echo, "/echo")):
                rates[name] += asyncio.run(upload_together(at, path, 1, size))
        ours, bare = (statistics.median(rates[name]) * 1e3 for name in ("service", "echo"))
        print(f"{'64 MiB: kept and hashed / echoed':<44} {ours:10.0f} ms {bare:10.0f} ms   {ours / bare:8.2f}")


def beside_analysis(folder: Path, count: int) -> None:
    """Sounds uploaded and analysed, beside what one process takes for the analyses alone."""
    (folder / "sounds").mkdir(parents=True)
    paths = write_one_shots(folder / "sounds", count, 0.5)
    bodies = [Path(path).read_bytes() for path in paths]
    warm_up(LEVEL)
    analyze_file(paths[0], level=LEVEL, cache=None, limits=Limits())
    started = time.perf_counter()
    for path in paths:
        analyze_file(path, level=LEVEL, cache=None, limits=Limits())
    floor = (time.perf_counter() - started) / count
    with samplemind_service(folder / "data") as (_, port), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        client.post("/api/v1/analyze", content=bodies.pop(), timeout=60).raise_for_status()  # workers start
        waits = []
        for body in bodies[: count // 4]:
            started = time.perf_counter()
            client.post("/api/v1/analyze", content=body).raise_for_status()
            waits.append(time.perf_counter() - started)
        left = bodies[count // 4 :]
        started = time.perf_counter()
        ids = [client.post("/api/v1/audio", content=body).json()["id"] for body in left]
        job = client.post("/api/v1/batches", json={"ids": ids}).json()
        while job["state"] in ("queued", "running"):
            time.sleep(0.05)
            job = client.get(f"/api/v1/jobs/{job['id']}").json()
        each = (time.perf_counter() - started) / len(left)
    floor_ms, wait_ms, each_ms = (seconds * 1e3 for seconds in (floor, statistics.median(waits), each))
    for name, ours in (("uploaded and waited for", wait_ms), ("uploaded, then a batch", each_ms)):
        title = f"0.5 s: {name} / analysed"
        print(f"{title:<44} {ours:10.2f} ms {floor_ms:10.2f} ms   {ours / floor_ms:8.2f}")


def _at(ordered: list[float], share: float) -> str:
    return f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e3:.0f} ms"


def _drain(stream: object) -> None:
    for _ in stream:  # type: ignore[attr-defined]
        pass


def _free_port() -> int:
    import socket

    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        port: int = any_free.getsockname()[1]
        return port


def _await(port: int) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/healthz")
            return
        time.sleep(0.1)
    raise SystemExit("the echo did not start")


def main() -> None:
    """Everything, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--sounds", type=int, default=200)
    arguments = parser.parse_args()
    heading("ours", "theirs", "uvicorn", "fastapi")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        under_uploads(folder / "uploads", arguments.uploads, arguments.megabytes)
        beside_echo(folder / "echo", arguments.requests)
        beside_analysis(folder / "analysis", arguments.sounds)


if __name__ == "__main__":
    main()
