"""A server on a free port of this machine, and clients that say anything at all to it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn
from starlette.types import ASGIApp

from samplemind.service.configuration import Configuration
from samplemind.service.protocol import protocol_of

PATIENCE_S: Final = 30.0
"""After which a test that hangs is given up."""


def configured(**settings: Any) -> Configuration:
    """A configuration for a service that writes nothing."""
    return Configuration(data_dir=Path("unused"), **settings)


@contextlib.contextmanager
def serving(app: ASGIApp, configuration: Configuration, **options: Any) -> Iterator[int]:
    """The port of a server for an application, until the end of the block."""
    usual = {
        "http": protocol_of(configuration),
        "log_config": None,
        "access_log": False,
        "lifespan": "off",
        "timeout_graceful_shutdown": 5,
    }
    config = uvicorn.Config(app, ws="none", **{**usual, **options})
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        document = json.loads(self.body)
        assert isinstance(document, dict)
        return document


def connected(port: int, source: str = "") -> socket.socket:
    """A connection; on Linux, `source` is any address in 127.0.0.0/8."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE_S, (source, 0))


def heard(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def next_answer(connection: socket.socket) -> Answer:
    """The next answer of a connection that may stay open, of known length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1) or pytest.fail(f"closed after {received!r}")
    answer = parsed(received)
    body = b""
    while len(body) < int(answer.headers["content-length"]):
        body += connection.recv(int(answer.headers["content-length"]) - len(body)) or pytest.fail("closed too early")
    return Answer(answer.status, answer.headers, body)


def parsed(said: bytes) -> Answer:
    """The one answer that bytes are, bodies of known length only."""
    head, separator, body = said.partition(b"\r\n\r\n")
    assert separator, said
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key = name.strip().lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return Answer(int(first.split()[1]), headers, body)


def said(port: int, request: bytes, more: Iterable[bytes] = ()) -> Answer:
    """What a server answers to these bytes, and nothing after them, before it closes."""
    with connected(port) as connection:
        connection.sendall(request)
        for piece in more:
            connection.sendall(piece)
        return parsed(heard(connection))


def asked(
    port: int, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", host: str | None = None
) -> Answer:
    """What a server answers to a request of a connection of its own."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return said(port, "\r\n".join([*lines, "", ""]).encode("latin-1") + body)
