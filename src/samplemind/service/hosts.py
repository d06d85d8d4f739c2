"""Under which names the service may be called, and from whose pages.

A page on the web can have a browser call a service on this machine. It can't choose the Host that the browser names,
unless it has a name of its own that it points here ("DNS rebinding"); so names are believed only where the operator
gave them. An address can't be pointed elsewhere. What changes something must come from a page of the service itself.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import Scope

from samplemind.service.problems import METHODS, Problem

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
PREFLIGHT_S: Final = 600
"""How long a browser may remember what a page elsewhere may do."""
EXPOSED: Final = "ETag, Location, Link, Retry-After, X-Request-ID, Content-Range, Accept-Ranges"
"""Headers of answers that scripts of allowed pages may read."""
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ABSOLUTE: Final = re.compile(rb"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/]*)(?P<path>.*)")


def in_origin_form(scope: Scope) -> Scope:
    """A request for ``http://host/path``, as proxies get them, as one for ``/path`` of this Host; others as they are.

    The Host that it names beside that is to be ignored (RFC 9112, 3.2.2).
    """
    target = _ABSOLUTE.fullmatch(scope.get("raw_path") or b"")
    if target is None or target["scheme"].lower() != scope["scheme"].encode("ascii"):
        return scope
    path = target["path"] or b"/"
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    headers.append((b"host", target["authority"]))
    return {**scope, "raw_path": path, "path": unquote(path.decode("ascii")), "headers": headers}


def require_host(headers: Headers, allowed: Collection[str]) -> None:
    """Refuse a request to a name that isn't the service's.

    Args:
        headers: of the request.
        allowed: names, in lower case, beside "localhost" and addresses.

    Raises:
        Problem: 400 without a name or with several, 421 for another's.
    """
    hosts = headers.getlist("host")
    if len(hosts) != 1:
        raise Problem(400, "a request names one Host", code="bad-host")
    parts = _AUTHORITY.fullmatch(hosts[0])
    name = parts["host"].lower().removesuffix(".") if parts else ""
    if name not in allowed and name != "localhost" and not _is_address(name):
        raise Problem(421, "the service isn't called by this Host: its operator can allow it", code="unknown-host")


def require_origin(scheme: str, method: str, headers: Headers, allowed: Collection[str]) -> None:
    """Refuse what a page of somebody else wants to change.

    Args:
        scheme: "http" or "https".
        method: of the request; safe ones may come from anywhere.
        headers: of the request; its Host was checked.
        allowed: origins of pages that may.

    Raises:
        Problem: 403.
    """
    if method in SAFE_METHODS:
        return
    origins = headers.getlist("origin")
    if len(origins) == 1 and origins[0] in allowed:
        return
    own = _origin(scheme, headers["host"])
    if any(_parsed(origin) != own for origin in origins):
        raise Problem(403, "a page from elsewhere may not do this", code="foreign-origin")
    # Browsers that send no Origin for a form may still say where it is.
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Problem(403, "a page from elsewhere may not do this", code="foreign-origin")


def cross_origin_headers(headers: Headers, allowed: Collection[str]) -> list[tuple[bytes, bytes]]:
    """What tells a browser whether the page that asks may read the answer: only pages that the operator allowed."""
    if not allowed:
        return [(b"cross-origin-resource-policy", b"same-origin")]
    origin = headers.get("origin")
    if origin not in allowed or origin is None:
        return [(b"vary", b"Origin"), (b"cross-origin-resource-policy", b"same-origin")]
    return [
        (b"vary", b"Origin"),
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED.encode("ascii")),
        (b"cross-origin-resource-policy", b"cross-origin"),
    ]


def preflight_headers(method: str, headers: Headers, allowed: Collection[str]) -> list[tuple[bytes, bytes]] | None:
    """The answer to a browser that asks what an allowed page may do; None if this is no such question.

    It comes without a key: what it asks for will need one.
    """
    if method != "OPTIONS" or headers.get("origin") not in allowed or "access-control-request-method" not in headers:
        return None
    return [
        (b"access-control-allow-methods", ", ".join(METHODS).encode("ascii")),
        (b"access-control-allow-headers", ", ".join(_words(headers)).encode("ascii")),
        (b"access-control-max-age", str(PREFLIGHT_S).encode("ascii")),
        (b"vary", b"Access-Control-Request-Headers"),
    ]


def _words(headers: Headers) -> Iterable[str]:
    asked = headers.get("access-control-request-headers", "").split(",")
    return [word.strip() for word in asked if re.fullmatch(r"[A-Za-z0-9-]{1,64}", word.strip())]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _origin(scheme: str, authority: str) -> tuple[str, str, int] | None:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or scheme not in _DEFAULT_PORTS:
        return None
    return scheme, parts["host"].lower().removesuffix("."), int(parts["port"] or _DEFAULT_PORTS[scheme])


def _parsed(origin: str) -> tuple[str, str, int] | None:
    """None for "null", and for what is none; the service's own never is."""
    scheme, separator, authority = origin.partition("://")
    return _origin(scheme.lower(), authority) if separator else None
