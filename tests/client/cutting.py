"""A network that breaks: between a client and a server, and cuts connections after so many bytes."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PIECE = 4096


@dataclass
class Cutter:
    """What stands between.

    Attributes:
        url: for clients.
        said: what clients sent on each connection.
    """

    url: str
    said: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def cutting(url: str, after: Iterable[int | None]) -> Iterator[Cutter]:
    """Cut each connection after so many bytes of what the server says; None lets one live, and so do all that follow.

    Args:
        url: of the server.
        after: bytes, by connection.
    """
    target = urlsplit(url)
    limits = itertools.chain(after, itertools.repeat(None))
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        cutter = Cutter(f"http://127.0.0.1:{listening.getsockname()[1]}")

        def accept() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                server = socket.create_connection((target.hostname or "", target.port or 80))
                place = len(cutter.said)
                cutter.said.append(b"")
                limit = next(limits)

                def up(client: socket.socket = client, server: socket.socket = server, place: int = place) -> None:
                    with contextlib.suppress(OSError):
                        while piece := client.recv(_PIECE):
                            cutter.said[place] += piece
                            server.sendall(piece)
                        server.shutdown(socket.SHUT_WR)

                def down(
                    client: socket.socket = client, server: socket.socket = server, left: int | None = limit
                ) -> None:
                    with contextlib.suppress(OSError):
                        while (left is None or left > 0) and (
                            piece := server.recv(_PIECE if left is None else min(left, _PIECE))
                        ):
                            left = None if left is None else left - len(piece)
                            client.sendall(piece)
                    for each in (client, server):
                        with contextlib.suppress(OSError):
                            each.shutdown(socket.SHUT_RDWR)
                        each.close()

                for work in (up, down):
                    threads.append(threading.Thread(target=work, daemon=True))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield cutter
        finally:
            listening.shutdown(socket.SHUT_RDWR)
    acceptor.join(10)
