"""A job until it has ended: by server-sent events, and by asking where these don't come through."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import httpx
import msgspec

from samplemind.client.events import Event, EventReader
from samplemind.client.sending import Call, Sender
from samplemind.client.values import Job, value_of
from samplemind.errors import ServiceError, ServiceTimeoutError, ServiceUnreachableError

SILENCE_S: Final = 45.0
"""After which a stream counts as dead: the service says every 15 s that it lives."""
_VAIN: Final = 3
"""Streams in a row without a single event, after which there are none: a proxy may keep them back."""
_MOST_PAUSE_TRIES: Final = 5
AWAY_S: Final = 120.0
"""How long a service may be gone: one that is started again takes its jobs up."""


async def changes(sender: Sender, path: str, deadline: float | None) -> AsyncGenerator[Job, None]:
    """A job as it is, and whenever it has changed, the last time when it has ended.

    Args:
        sender: to the service.
        path: of the job.
        deadline: on the monotonic clock.

    Raises:
        ServiceTimeoutError: it has not ended by then.
        ServiceUnreachableError: the service is gone, and does not come back.
    """
    known: Job | None = None
    seen: str | None = None
    vain = 0
    gone_since: float | None = None
    while True:
        came = False
        try:
            if vain < _VAIN:
                async with aclosing(_events(sender, path, seen, deadline)) as events:
                    async for event in events:
                        came, seen = True, event.id
                        job = value_of(Job, msgspec.json.decode(event.data))
                        if job != known:
                            known = job
                            yield job
                        if job.ended:
                            return
        except (httpx.RequestError, ServiceUnreachableError, ValueError):
            pass  # what became of the job is asked for below
        vain = 0 if came else vain + 1
        _refuse_late(path, deadline)
        try:
            job = await _asked(sender, path)
        except ServiceUnreachableError:
            gone_since = time.monotonic() if gone_since is None else gone_since
            if time.monotonic() - gone_since > AWAY_S:
                raise
            vain = 0  # another process will answer
        else:
            gone_since = None
            if job != known:
                known = job
                yield job
            if job.ended:
                return
        _refuse_late(path, deadline)
        await sender.pause(min(max(vain, 1), _MOST_PAUSE_TRIES))


async def _asked(sender: Sender, path: str) -> Job:
    response = await sender.read(Call("GET", path))
    try:
        return value_of(Job, response.json())
    except ValueError as error:
        raise ServiceError(response.status_code, "not-understood", f"this is no job: {error}") from error


async def _events(sender: Sender, path: str, seen: str | None, deadline: float | None) -> AsyncGenerator[Event, None]:
    """The events of one connection."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if seen is not None:
        headers["Last-Event-ID"] = seen
    silence_s = SILENCE_S if deadline is None else max(0.01, min(SILENCE_S, deadline - time.monotonic()))
    response = await sender.opened(Call("GET", f"{path}/events", headers=headers, timeout_s=silence_s))
    try:
        if response.headers.get("content-type", "").partition(";")[0].strip() != "text/event-stream":
            return
        reader = EventReader()
        async with aclosing(sender.wire.chunks(response)) as chunks:
            async for chunk in chunks:
                for event in reader.events(chunk):
                    if event.kind == "job":
                        yield event
                if deadline is not None and time.monotonic() >= deadline:
                    return
    finally:
        await sender.wire.close(response)


def _refuse_late(path: str, deadline: float | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise ServiceTimeoutError(f"{path.removeprefix('/')}: it has not ended in time; it goes on")
