"""HEAD: what GET would say, without the body."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_GET_ONLY: Final = frozenset({b"range", b"if-range"})
"""RFC 9110, 14.2: parts are asked for with GET alone."""


class Heads:
    """Has an application answer HEAD as it answers GET (ASGI).

    The answer ends with its headers: the application sees a client that has left, and need not make the body. It is
    told that the server sends files by itself, so that it reads none.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; what is no HEAD passes."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        ended = False

        async def headers_only(message: Message) -> None:
            nonlocal ended
            if message["type"] != "http.response.start" or ended:
                return
            ended = True
            await send(message)
            await send({"type": "http.response.body", "body": b""})

        inner = {
            **scope,
            "method": "GET",
            "headers": [(name, value) for name, value in scope["headers"] if name not in _GET_ONLY],
            "extensions": {**scope.get("extensions", {}), "http.response.pathsend": {}},
        }
        try:
            await self.app(inner, receive, headers_only)
        finally:
            scope.update({name: inner[name] for name in ("route", "fastapi") if name in inner})
