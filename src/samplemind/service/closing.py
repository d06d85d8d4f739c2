"""Closing a connection so that the last answer arrives.

A socket that is closed while the other side still sends resets the connection, and with it goes the answer that says
why. So the sending side is closed first, and what still comes is thrown away for a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

LINGER_S: Final = 2.0
LINGER_BYTES: Final = 16 * 2**20
"""How long, and how much, is thrown away: more than sockets hold, and little beside what an upload may have."""
FLUSH_S: Final = 60.0
"""Within which the other side must have taken what was still to be sent."""


class LingeringTransport(asyncio.Transport):
    """A connection that is closed gently.

    Args:
        transport: the connection itself.
        unread: whether the other side may still be sending, when it is closed.
    """

    def __init__(self, transport: asyncio.Transport, unread: Callable[[], bool]) -> None:
        super().__init__()
        self._transport = transport
        self._unread = unread
        self._closing = False
        self._left_bytes = LINGER_BYTES
        self._loop = asyncio.get_running_loop()
        self._ends: list[asyncio.TimerHandle] = []

    def close(self) -> None:
        """Send what is still to be sent, then close; forget it where that takes too long."""
        if self._closing or self._transport.is_closing():
            return
        self._closing = True
        self._ends.append(self._loop.call_later(FLUSH_S, self._transport.abort))
        if self._unread() and self._transport.can_write_eof():
            with contextlib.suppress(OSError):  # the other side has gone already
                self._transport.write_eof()
                self._transport.resume_reading()
                self._ends.append(self._loop.call_later(LINGER_S, self._transport.close))
                return
        self._transport.close()

    def discard(self, data: bytes) -> None:
        """What came after it was closed."""
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            self._transport.close()

    def lost(self) -> None:
        """The connection is no more."""
        for end in self._ends:
            end.cancel()

    def is_closing(self) -> bool:
        """Whether nothing more can be said."""
        return self._closing or self._transport.is_closing()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send, unless it is closing."""
        if not self.is_closing():
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Take nothing for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take what comes."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection."""
        return self._transport.get_extra_info(name, default)
