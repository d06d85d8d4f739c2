"""A body as it comes: counted, not believed, and not waited for longer than it deserves. Nothing of it is kept."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from samplemind.service.problems import Problem

_DIGITS: Final = re.compile(r"[0-9]{1,19}")


def declared_bytes(headers: Headers) -> int | None:
    """How long the body says that it is; None if it comes in chunks.

    Raises:
        Problem: 400 for lengths that contradict each other, or are none. Whoever forwarded such a request may have
            seen another end of it than we would ("request smuggling").
    """
    lengths = headers.getlist("content-length")
    encodings = headers.getlist("transfer-encoding")
    if encodings and lengths:
        raise Problem(400, "Content-Length and Transfer-Encoding exclude each other", code="bad-length")
    if encodings:
        return None
    if len(set(lengths)) > 1 or not all(_DIGITS.fullmatch(length) for length in lengths):
        raise Problem(400, "the Content-Length is no length", code="bad-length")
    return int(lengths[0]) if lengths else 0


def too_large(limit: int) -> Problem:
    """The problem of a body beyond a limit in bytes."""
    return Problem(413, f"the body may have {limit} bytes", code="body-too-large", limit_bytes=limit)


class Body:
    """The body of one request.

    Args:
        receive: of the server.
        declared: its length in bytes; None if unknown.
        limit: the most bytes that it may have.
        grace_s: how long the sender may be silent; each byte gives back a little of it, until it is full again.
        bytes_per_s: how fast the grace comes back: no body may be slower than this for long.

    Attributes:
        received: bytes until now.
        ended: nothing more will come.
        gone: the sender has left before the end.
        problem: why no more of it is taken.

    Only the time that is spent waiting for the sender counts, not that of the application.
    """

    def __init__(
        self, receive: Receive, *, declared: int | None, limit: int, grace_s: float, bytes_per_s: float
    ) -> None:
        self._receive = receive
        self._limit = limit
        self._grace_s = grace_s
        self._left_s = grace_s
        self._bytes_per_s = bytes_per_s
        self.received = 0
        self.ended = declared == 0
        self.gone = False
        self.problem: Problem | None = None

    async def message(self) -> Message:
        """The next message.

        Raises:
            Problem: 413 beyond the limit, 408 if it is too slow; and again for whoever asks again.
        """
        if self.problem is not None:
            raise self.problem
        if self.ended:  # what can come now is that the client leaves: an answer may take its time
            return self._noted(await self._receive())
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._left_s):
                message = await self._receive()
        except TimeoutError:
            self.problem = Problem(408, "the body came too slowly", code="body-too-slow")
            raise self.problem from None
        length = len(message.get("body", b""))
        self._left_s -= time.monotonic() - began
        self._left_s = min(self._grace_s, max(0.0, self._left_s) + length / self._bytes_per_s)
        self.received += length
        if self.received > self._limit:
            self.problem = too_large(self._limit)
            raise self.problem
        return self._noted(message)

    def _noted(self, message: Message) -> Message:
        if message["type"] == "http.disconnect":
            self.gone = True
        elif not message.get("more_body", False):
            self.ended = True
        return message
