"""Answers that caches may keep: entity tags, and what clients make depend on them (RFC 9110, 8.8 and 13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import blake3
import msgspec
from fastapi import Request, Response

from samplemind.service.configuration import Configuration
from samplemind.service.problems import Problem

_YEAR_S: Final = 31_536_000


def forever(configuration: Configuration, etag: str) -> dict[str, str]:
    """Headers of an answer that its address determines for all times. Behind a key, only its client may keep it."""
    whose = "public" if configuration.open else "private"
    return {"ETag": f'"{etag}"', "Cache-Control": f"{whose}, max-age={_YEAR_S}, immutable"}


def asked_again(etag: str) -> dict[str, str]:
    """Headers of an answer that is looked at again each time, though it seldom changes."""
    return {"ETag": f'"{etag}"', "Cache-Control": "private, no-cache"}


def not_modified(request: Request, etag: str, headers: Mapping[str, str]) -> Response | None:
    """304 for a client that has the answer already; None if it is to be given.

    Dates are no conditions here: what has a tag does not say when it was modified, and then RFC 9110 ignores them.

    Args:
        request: a GET.
        etag: of the answer.
        headers: of the answer.

    Raises:
        Problem: 412: the client asks for another version than there is.
    """
    wanted, had = (_tags(request, name) for name in ("if-match", "if-none-match"))
    if wanted and wanted != ["*"] and f'"{etag}"' not in wanted:
        raise Problem(412, "this is not the version that If-Match asks for")
    if had != ["*"] and f'"{etag}"' not in [tag.removeprefix("W/") for tag in had]:
        return None
    return Response(status_code=304, headers={**headers, "Vary": "Accept-Encoding"})


def revalidated(request: Request, content: Any) -> Response:
    """Plain data as JSON that a client asks for again each time, and gets again only if it changed."""
    body = msgspec.json.encode(content)
    etag = blake3.blake3(body).hexdigest(length=16)
    headers = asked_again(etag)
    given = Response(body, media_type="application/json", headers=headers)
    return not_modified(request, etag, headers) or given


def once(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Plain data as JSON that nobody may keep."""
    body = msgspec.json.encode(content)
    return Response(body, status, {**(headers or {}), "Cache-Control": "no-store"}, "application/json")


def _tags(request: Request, name: str) -> list[str]:
    """What a header says that lists entity tags; nothing where there is none."""
    lines = request.headers.getlist(name)
    return [tag.strip() for tag in ",".join(lines).split(",")] if lines else []
