"""All that must be so before an application sees a request, and after it has answered.

In this order: who is called, from whose page, who calls and may they, how often, and how much do they send. A request
that fails is answered at once; its body is not read, and its connection is closed, so that nobody has to take what was
announced. Bodies are counted while the application reads them. Whatever the application does, the client is given
one answer, with the request's id, and every error is a problem document.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from samplemind.errors import SampleMindError
from samplemind.service import hosts
from samplemind.service.bodies import Body, declared_bytes, too_large
from samplemind.service.configuration import Configuration
from samplemind.service.exchange import CLIENT_LEFT, Exchange
from samplemind.service.identity import LOCAL, Caller
from samplemind.service.logs import fields
from samplemind.service.permissions import OPEN, SIGN_IN, UPLOADS, required_scope
from samplemind.service.problems import FAILED, METHODS, Problem, of_error, of_status
from samplemind.service.rates import Rates, neighbourhood

UNMATCHED: Final = "unmatched"
"""The route of what no route answers."""
MAX_HEAD_BYTES: Final = 16 * 1024
"""Of a request's line and headers: what uvicorn keeps of an incomplete one."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STRANGERS_BYTES: Final = 4096
"""Of a body for which no key is needed: it holds a key, in JSON."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Any word can be a method: in logs and metrics all others are "OTHER"."""
_WHOLE: Final = ("OPTIONS", "*")
"""Whether the server is there, and what it may be asked (RFC 9110, 9.3.7): of no path, and so of nobody's."""
_LOG: Final = logging.getLogger("samplemind.service")

Authenticate = Callable[[Headers], Awaitable[Caller | None]]
Observe = Callable[[str, str, int, float, int, int], None]


class Guard:
    """The outermost part of the application (ASGI).

    Args:
        app: what it guards.
        configuration: limits, names and origins.
        authenticate: who shows the key or the cookie in these headers; None if nobody who is known.
        observe: told of each request at its end: template of its route, method, status, seconds, bytes in, bytes out.

    Sets ``state.request_id`` and ``state.caller`` of a request; the caller is None where no key is needed.
    """

    def __init__(
        self, app: ASGIApp, configuration: Configuration, authenticate: Authenticate, observe: Observe | None = None
    ) -> None:
        self.app = app
        self.configuration = configuration
        self.authenticate = authenticate
        self.observe = observe
        self._hosts = frozenset(name.lower() for name in configuration.allowed_hosts)
        self._origins = frozenset(configuration.origins)
        self._requests = Rates(configuration.requests_per_s, configuration.burst)
        # Of addresses without a valid key. No key can be guessed; but each guess is looked up.
        self._strangers = Rates(configuration.requests_per_s, configuration.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; what is none passes."""
        if scope["type"] == "http":
            await self._answer(hosts.in_origin_form(scope), receive, send)
        elif scope["type"] == "websocket":  # there are none, and none may come past the checks
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        method = scope["method"]
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        exchange = Exchange(receive, send, given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8))
        state = scope.setdefault("state", {})
        state["request_id"], state["caller"] = exchange.request_id, None
        log = fields(request_id=exchange.request_id)
        try:
            declared = declared_bytes(headers)
            _require_short_head(scope)
            limit = self._limit(method, scope["path"])
            exchange.body = Body(
                receive,
                declared=declared,
                limit=limit,
                grace_s=self.configuration.body_grace_s,
                bytes_per_s=self.configuration.min_body_bytes_per_s,
            )
            hosts.require_host(headers, self._hosts)
            exchange.headers += hosts.cross_origin_headers(headers, self._origins)
            preflight = hosts.preflight_headers(method, headers, self._origins)
            if (method, scope["path"]) == _WHOLE:
                preflight = [(b"allow", ", ".join(METHODS).encode("ascii"))]
            if preflight is not None:
                await exchange.send({"type": "http.response.start", "status": 204, "headers": preflight})
                await exchange.send({"type": "http.response.body"})
                return
            hosts.require_origin(scope["scheme"], method, headers, self._origins)
            state["caller"] = await self._caller(scope, headers)
            if declared is not None and declared > limit:
                raise too_large(limit)
            await self.app(scope, exchange.receive, exchange.send)
            if exchange.refusal is not None:
                await exchange.refuse(exchange.refusal)
        except Problem as problem:
            await exchange.refuse(problem)
        except SampleMindError as error:
            told = of_error(error)
            if told.status >= 500:
                _LOG.error("request failed", exc_info=error, extra=log)
            await exchange.refuse(told)
        except Exception as error:
            if not exchange.left and exchange.refusal is None:
                _LOG.error("request failed", exc_info=error, extra=log)
            await exchange.refuse(of_status(500, FAILED))
        finally:
            self._note(scope, method, exchange, time.monotonic() - began)

    def _limit(self, method: str, path: str) -> int:
        if (method, path) in OPEN:  # nobody without a key keeps a connection for long
            return _STRANGERS_BYTES
        return self.configuration.max_upload_bytes if (method, path) in UPLOADS else self.configuration.max_json_bytes

    async def _caller(self, scope: Scope, headers: Headers) -> Caller | None:
        """Who asks, if they may.

        Raises:
            Problem: 401 without a valid key, 403 with one that isn't good for this, 429 too often.
        """
        method, path = scope["method"], scope["path"]
        needed = required_scope(method, path)
        stranger = neighbourhood(scope["client"][0]) if scope.get("client") else ""
        if needed is None:
            if (method, path) == SIGN_IN:
                _take(self._strangers, stranger)
            return None
        caller = LOCAL if self.configuration.open else await self.authenticate(headers)
        if caller is None:
            _take(self._strangers, stranger)
            reason = "this needs a key: Authorization: Bearer sm_…"
            raise Problem(401, reason, headers={"www-authenticate": "Bearer"})
        if caller is not LOCAL:  # whoever may run programs here needs no service to keep it busy
            _take(self._requests, caller.id)
        if not caller.scope.covers(needed):
            raise Problem(403, f"this needs a key with the scope {needed}", code="insufficient-scope")
        return caller

    def _note(self, scope: Scope, method: str, exchange: Exchange, seconds: float) -> None:
        """Log a request, and tell who observes."""
        route = route_template(scope)
        method = method if method in _METHODS else "OTHER"
        status = exchange.status if exchange.status and not exchange.left else CLIENT_LEFT
        bytes_in = exchange.body.received if exchange.body else 0
        caller = scope["state"]["caller"]
        told = fields(
            request_id=exchange.request_id,
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            caller=caller.id if caller else None,
            bytes_in=bytes_in,
            bytes_out=exchange.bytes_out,
        )
        _LOG.info("request", extra=told)
        if self.observe is not None:
            self.observe(route, method, status, seconds, bytes_in, exchange.bytes_out)


def route_template(scope: Scope) -> str:
    """The path of the route that answered, with names in place of values: few, however many requests there are."""
    fastapi: dict[str, Any] = scope.get("fastapi") or {}
    # Of a router that was included, the route itself doesn't know the prefix.
    for known in (fastapi.get("effective_route_context"), scope.get("route")):
        path = getattr(known, "path_format", None) or getattr(known, "path", None)
        if path:
            return str(path)
    return UNMATCHED


def _require_short_head(scope: Scope) -> None:
    """The server bounds what it keeps of a head that isn't complete; one that comes all at once can be larger."""
    length = sum(len(name) + len(value) for name, value in scope["headers"])
    if length + len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_HEAD_BYTES:
        raise Problem(431, f"a request's line and headers may have {MAX_HEAD_BYTES} bytes")


def _take(rates: Rates, name: str) -> None:
    wait_s = rates.wait_s(name)
    if wait_s:
        headers = {"retry-after": str(wait_s)}
        raise Problem(429, "too many requests: slow down", code="rate-limited", headers=headers)
