"""HTTP/1.1 on a connection: uvicorn's, with deadlines where it has none, a bound on connections, and problems."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Sequence
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from samplemind.service.closing import LingeringTransport
from samplemind.service.configuration import Configuration
from samplemind.service.problems import Problem, problem_response
from samplemind.service.rates import neighbourhood

MAX_CONNECTIONS: Final = 500
"""Open at once. Half of the descriptors that a process commonly may have: uploads and answers need files too."""
_HERE: Final = frozenset(neighbourhood(address) for address in ("127.0.0.1", "::1"))
"""This machine's own address: of a proxy on it, which has the connections of all."""
READ_BYTES: Final = 2**16
"""Taken from a connection at once, in place of asyncio's four times as much: of hundreds of uploads, each holds about
four pieces of this size."""
STALL_S: Final = 60.0
"""How long a client may take none of an answer: the buffers of both sides are full all this time."""


class GuardedProtocol(H11Protocol):
    """One connection of a client.

    Its requests' heads must each be complete `header_timeout_s` after their first byte, or after the connection was
    made. Beyond `max_connections`, or `connections_per_address` of one other machine, the one that has been waiting for
    a head longest makes room for a new one.
    """

    header_timeout_s = 10.0
    max_connections = MAX_CONNECTIONS
    connections_per_address = Configuration.connections_per_address

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connection: LingeringTransport | None = None
        self._head_due: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._waiting_since: float | None = None
        self._refused = False
        self._address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        if hasattr(transport, "max_size"):
            transport.max_size = READ_BYTES
        self._connection = LingeringTransport(transport, self._may_send)
        super().connection_made(self._connection)
        self._waiting_since = self.loop.time()
        self._watch_head(begun=True)
        self._address = neighbourhood(self.client[0]) if self.client else ""
        everybody = [each for each in self.connections if isinstance(each, GuardedProtocol)]
        if self._address and self._address not in _HERE:
            same = [each for each in everybody if each._address == self._address]
            self._make_room(same, self.connections_per_address, 429, "too many connections of one address")
        self._make_room(everybody, self.max_connections, 503, "too many connections")

    def data_received(self, data: bytes) -> None:
        """A client has sent something."""
        if self._connection is not None and self._connection.is_closing():
            self._connection.discard(data)
            return
        super().data_received(data)
        self._watch_head(begun=True)

    def on_response_complete(self) -> None:
        """An answer has ended: the connection waits for the next request, or has it already."""
        super().on_response_complete()
        self._watch_head(begun=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        super().connection_lost(exc)
        if self._connection is not None:
            self._connection.lost()
        for timer in (self._head_due, self._stalled, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        """The client takes less than it is sent."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has taken what it was sent."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; uvicorn calls it while it handles h11's error."""
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        detail = (str(error) or msg).partition(":")[0]  # what follows is what was sent
        self._refuse(Problem(status, f"this is no request that the service understands: {detail}"))

    def _watch_head(self, *, begun: bool) -> None:
        """Set or lift the deadline of the next request's head."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._waiting_since = None
            if self._head_due is not None:
                self._head_due.cancel()
                self._head_due = None
            return
        if self._waiting_since is None:
            self._waiting_since = self.loop.time()
        if begun and self._head_due is None:
            self._head_due = self.loop.call_later(self.header_timeout_s, self._head_late)

    def _head_late(self) -> None:
        if self.conn.trailing_data[0]:
            self._refuse(Problem(408, "the request's headers came too slowly", code="headers-too-slow"))
        else:
            self.transport.close()

    def _make_room(self, among: Sequence[GuardedProtocol], most: int, status: int, detail: str) -> None:
        """If more than so many are open, close the one that has been waiting longest; this one, if the others work."""
        working = [each for each in among if not each.transport.is_closing()]
        idle = [each for each in working if each._waiting_since is not None and each is not self]
        if len(among) > 2 * most:  # those that were refused are still there: no more answers, for each takes a while
            self.transport.abort()
        elif len(working) > most and idle:
            min(idle, key=lambda each: each._waiting_since or 0.0).transport.close()
        elif len(working) > most:
            self._refuse(Problem(status, detail, code="too-many-connections", headers={"retry-after": "1"}))

    def _may_send(self) -> bool:
        return self._refused or self.conn.their_state is h11.SEND_BODY

    def _refuse(self, problem: Problem) -> None:
        """Answer by a problem, where that is still possible, and close."""
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            # Whoever is at work on a request must see that its client is as good as gone.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.transport.is_closing():
            request_id = secrets.token_hex(8)
            response = problem_response(problem, request_id)
            own = [(b"x-request-id", request_id.encode("ascii")), (b"connection", b"close")]
            start = h11.Response(status_code=problem.status, headers=[*response.raw_headers, *own], reason=b"")
            for event in (start, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
        self.transport.close()


def protocol_of(configuration: Configuration) -> type[GuardedProtocol]:
    """The protocol with an operator's deadlines: uvicorn's ``http``."""

    class Configured(GuardedProtocol):
        header_timeout_s = configuration.header_timeout_s
        connections_per_address = configuration.connections_per_address

    return Configured
