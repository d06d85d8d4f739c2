"""Those who write wait for each other, and nobody waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import select
import socket
import threading
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
from fastapi.routing import APIRoute

from samplemind.library.database import Database
from samplemind.service import serving
from samplemind.service.problems import Problem
from samplemind.service.routes import analysis, audio, jobs, library, operations, sessions
from samplemind.service.turns import Turns
from tests.service.live import live
from tests.service.wire import PATIENCE_S, asked, connected, next_answer

WRITES: Final = 60
"""More than the forty threads that a server has for what it runs in threads."""
READS: Final = 20
PATH: Final = "/api/v1/collections"


def written(port: int, number: int) -> socket.socket:
    """A connection on which something was asked for that writes."""
    connection = connected(port)
    request = f"PUT {PATH}/a{number} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    body = b'{"query": "kind:loop"}'
    connection.sendall(f"{request}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return connection


def test_who_reads_does_not_wait_for_those_who_wait_to_write(
    place: Path | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_WRITE_TIMEOUT_S", 2 * PATIENCE_S)
    folder, url = (place.parent, None) if isinstance(place, Path) else (tmp_path / "data", place)
    with live(folder, library_url=url) as service, contextlib.ExitStack() as open_ones:
        assert asked(service.port, "GET", PATH).status == 200
        with contextlib.closing(Database(place)) as database, database.writing():  # as another process does
            writes = [open_ones.enter_context(written(service.port, number)) for number in range(WRITES)]
            for _ in range(READS):
                assert asked(service.port, "GET", PATH).body == b"[]"
                assert asked(service.port, "GET", "/readyz").status == 200
            assert select.select(writes, [], [], 0)[0] == []
        for write in writes:
            assert next_answer(write).status == 201


def test_whose_turn_does_not_come_is_told_so() -> None:
    """While somebody else has it; who has it keeps it, for as long as it takes."""
    turns = Turns(1, wait_s=0.1)
    begun, end = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert end.wait(PATIENCE_S)
        return "done"

    async def one_after_the_other() -> None:
        first = asyncio.create_task(turns.take(slow))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        with pytest.raises(Problem) as told:
            await turns.take(lambda: pytest.fail("it was called"))
        assert (told.value.status, told.value.code) == (503, "library-busy")
        assert not first.done()
        end.set()
        assert await first == "done"
        assert await turns.take(lambda: "next") == "next"

    try:
        asyncio.run(asyncio.wait_for(one_after_the_other(), PATIENCE_S))
    finally:
        end.set()


@pytest.mark.parametrize("routes", [analysis, audio, jobs, library, operations, sessions])
def test_no_route_that_writes_takes_a_thread_of_those_who_read(routes: ModuleType) -> None:
    """As FastAPI has every function do that is not asynchronous."""
    for route in routes.router.routes:
        if isinstance(route, APIRoute) and not route.methods <= {"GET", "HEAD"}:
            assert inspect.iscoroutinefunction(route.endpoint), route.name
