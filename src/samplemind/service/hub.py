"""News of jobs, from the threads that work on them to the requests that wait."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator

Changed = Callable[[float], Awaitable[bool]]
"""Waits so many seconds for news, and gives whether there was some since `watching` began or it was last called."""


class Hub:
    """Tells who watches a job that it has changed; what it is now stands in the library.

    It knows only what happens in this process: who waits for a job should look at it now and then all the same.
    """

    def __init__(self) -> None:
        self._watchers: dict[str, set[_Watcher]] = {}
        self._guard = threading.Lock()

    def tell(self, tickets: Iterable[str]) -> None:
        """Say that jobs have changed. Called from any thread, after the change was written."""
        with self._guard:
            waking = [watcher for ticket in tickets for watcher in self._watchers.get(ticket, ())]
        for watcher in waking:
            watcher.wake()

    @contextlib.contextmanager
    def watching(self, ticket: str) -> Iterator[Changed]:
        """Hear of all that happens to a job from now on. Entered in the event loop that will wait."""
        watcher = _Watcher()
        with self._guard:
            self._watchers.setdefault(ticket, set()).add(watcher)
        try:
            yield watcher.changed
        finally:
            with self._guard:
                self._watchers[ticket].discard(watcher)
                if not self._watchers[ticket]:
                    del self._watchers[ticket]


class _Watcher:
    """One who waits, in the event loop in which it was made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Have it go on."""
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._news.set)

    async def changed(self, timeout_s: float) -> bool:
        try:
            await asyncio.wait_for(self._news.wait(), timeout_s)
        except TimeoutError:
            return False
        self._news.clear()
        return True
