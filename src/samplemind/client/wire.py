"""What carries requests: once for programs that wait, once for those with an event loop.

All that the client does is written once, as coroutines over a `Wire`. Those over a `BlockingWire` never pause: whatever
they await is done when it is asked for, so that `finished` has their answer after one step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import Any, Protocol, TypeVar

import httpx

T = TypeVar("T")


class Wire(Protocol):
    """What the client needs of the world."""

    @property
    def http(self) -> httpx.Client | httpx.AsyncClient:
        """What makes the requests."""

    def body(self, blocks: Iterator[bytes]) -> Iterable[bytes] | AsyncIterable[bytes]:
        """A body of blocks that are read from somewhere, in the form that `http` takes."""

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body not read yet."""

    async def read(self, response: httpx.Response) -> bytes:
        """The whole body; the response is closed."""

    def chunks(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """The body as it comes."""

    async def close(self, response: httpx.Response) -> None:
        """Have done with a response."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """What a function gives that may have to wait for a disk."""


class BlockingWire:
    """Waits."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def body(self, blocks: Iterator[bytes]) -> Iterable[bytes]:
        """The blocks themselves."""
        return blocks

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send it now."""
        return self.http.send(request, stream=True)

    async def read(self, response: httpx.Response) -> bytes:
        """Read it now."""
        return response.read()

    async def chunks(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """Read it bit by bit."""
        for chunk in response.iter_bytes():
            yield chunk

    async def close(self, response: httpx.Response) -> None:
        """Close it."""
        response.close()

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)  # noqa: ASYNC251 (no event loop runs this)

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call it, in this thread."""
        return function(*arguments)


class AsyncWire:
    """Lets the event loop go on meanwhile."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def body(self, blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
        """The blocks, each read in a thread."""
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            yield block

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send it."""
        return await self.http.send(request, stream=True)

    async def read(self, response: httpx.Response) -> bytes:
        """Read it."""
        return await response.aread()

    async def chunks(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """Read it bit by bit."""
        async for chunk in response.aiter_bytes():
            yield chunk

    async def close(self, response: httpx.Response) -> None:
        """Close it."""
        await response.aclose()

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call it, in a thread of its own."""
        return await asyncio.to_thread(function, *arguments)


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine over a `BlockingWire` gives."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        answer: T = end.value
        return answer
    coroutine.close()
    raise AssertionError("a coroutine over a blocking wire has paused")


def iterated(items: AsyncGenerator[T, None]) -> Iterator[T]:
    """What an asynchronous generator over a `BlockingWire` gives, one by one."""
    try:
        while True:
            try:
                item = finished(items.__anext__())
            except StopAsyncIteration:
                return
            yield item
    finally:
        finished(items.aclose())
