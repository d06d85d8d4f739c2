"""Turns to write to the library: those who wait for one keep nobody waiting who reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio

from samplemind.service.problems import busy

T = TypeVar("T")


class Turns:
    """Threads for what writes, apart from those that others read in.

    On PostgreSQL, whoever waits for other writers holds a connection; so few do, and the others wait for them here.

    Args:
        most: that wait in threads at once.
        wait_s: how long the others do for one of these.
    """

    def __init__(self, most: int, wait_s: float) -> None:
        self._threads = anyio.CapacityLimiter(most)
        self._wait_s = wait_s

    async def take(self, change: Callable[[], T]) -> T:
        """What a function gives that writes.

        Raises:
            Problem: 503: its turn has not come; it was not called.
        """
        try:
            with anyio.fail_after(self._wait_s):
                await self._threads.acquire()
        except TimeoutError:
            raise busy() from None
        try:
            return await anyio.to_thread.run_sync(change, limiter=anyio.CapacityLimiter(1))
        finally:
            self._threads.release()
