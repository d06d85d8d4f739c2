"""Answers that caches may keep: entity tags, and 304 for who has the answer already (RFC 9110, 8.8 and 13.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import blake3
import msgspec
from fastapi import Request, Response

from samplemind.service.configuration import Configuration

_YEAR_S: Final = 31_536_000


def forever(configuration: Configuration, etag: str) -> dict[str, str]:
    """Headers of an answer that its address determines for all times. Behind a key, only its client may keep it."""
    whose = "public" if configuration.open else "private"
    return {"ETag": f'"{etag}"', "Cache-Control": f"{whose}, max-age={_YEAR_S}, immutable"}


def asked_again(etag: str) -> dict[str, str]:
    """Headers of an answer that is looked at again each time, though it seldom changes."""
    return {"ETag": f'"{etag}"', "Cache-Control": "private, no-cache"}


def is_known(request: Request, etag: str) -> bool:
    """Whether the client has the answer with this tag already."""
    tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return f'"{etag}"' in tags or tags == ["*"]


def not_modified(headers: Mapping[str, str]) -> Response:
    """The answer to a client that has it already."""
    return Response(status_code=304, headers={**headers, "Vary": "Accept-Encoding"})


def revalidated(request: Request, content: Any) -> Response:
    """Plain data as JSON that a client asks for again each time, and gets again only if it changed."""
    body = msgspec.json.encode(content)
    etag = blake3.blake3(body).hexdigest(length=16)
    headers = asked_again(etag)
    if is_known(request, etag):
        return not_modified(headers)
    return Response(body, media_type="application/json", headers=headers)


def once(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Plain data as JSON that nobody may keep."""
    body = msgspec.json.encode(content)
    return Response(body, status, {**(headers or {}), "Cache-Control": "no-store"}, "application/json")
