"""gzip for text and JSON. Sound and pictures are compressed already; parts and streams of events stay as they are."""

from __future__ import annotations

import asyncio
import re
import zlib
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_BYTES: Final = 1000
"""Less fits into one packet anyway."""
LEVEL: Final = 5
"""Of zlib's nine: the next ones cost twice the time for a percent."""
THREAD_BYTES: Final = 64 * 1024
"""More than this at once would hold up the event loop for milliseconds."""

_COMPRESSIBLE: Final = re.compile(r"(text/(?!event-stream\b).+|application/((.+\+)?json|javascript)|image/svg\+xml)")
_GZIP: Final = 16 + zlib.MAX_WBITS
_QUALITY: Final = re.compile(r"q=(0(\.\d{0,3})?|1(\.0{0,3})?)")


class Compression:
    """Compresses what an application answers, where the client takes gzip (ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; what is none passes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        accepted = takes_gzip(", ".join(Headers(scope=scope).getlist("accept-encoding")))
        await self.app(scope, receive, _Answer(send, accepted).send)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether a client that sends this header can read gzip."""
    qualities: dict[str, float] = {}
    for each in accept_encoding.lower().split(","):
        name, _, parameter = (part.strip() for part in each.partition(";"))
        quality = _QUALITY.fullmatch(parameter)
        qualities[name] = float(quality[1]) if quality else float(not parameter)
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


class _Answer:
    """One answer on its way. Its beginning waits for the first piece of the body, whose length decides."""

    def __init__(self, send: Send, accepted: bool) -> None:
        self._send = send
        self._accepted = accepted
        self._start: Message | None = None
        self._compressor: zlib._Compress | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_compressible(message):
            self._start = {**message, "headers": [*message["headers"]]}
            MutableHeaders(raw=self._start["headers"]).add_vary_header("Accept-Encoding")
        elif message["type"] == "http.response.body" and (self._start is not None or self._compressor is not None):
            await self._body(message)
        else:
            await self._begin()
            await self._send(message)

    async def _body(self, message: Message) -> None:
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is not None and self._accepted and (more or len(body) >= MIN_BYTES):
            self._compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
            headers = MutableHeaders(raw=self._start["headers"])
            headers["content-encoding"] = "gzip"
            # The same answer in other bytes: an ETag may only be weak then (RFC 9110, 8.8.1).
            if headers.get("etag", "W/").startswith('"'):
                headers["etag"] = f"W/{headers['etag']}"
            del headers["content-length"]
        compressor = self._compressor
        if compressor is not None:

            def compressed() -> bytes:
                # What was said so far must arrive, so that streams stay streams.
                return compressor.compress(body) + compressor.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH)

            body = await asyncio.to_thread(compressed) if len(body) > THREAD_BYTES else compressed()
            if self._start is not None and not more:
                MutableHeaders(raw=self._start["headers"])["content-length"] = str(len(body))
        await self._begin()
        await self._send({**message, "body": body})

    async def _begin(self) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)


def _is_compressible(start: Message) -> bool:
    headers = Headers(raw=start.get("headers", []))
    if start["status"] in (204, 206, 304) or "content-encoding" in headers or "content-range" in headers:
        return False
    if "no-transform" in headers.get("cache-control", ""):
        return False
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return _COMPRESSIBLE.fullmatch(media_type) is not None
