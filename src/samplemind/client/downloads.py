"""A file from the service: in pieces, taken up where it broke off, whole or not there."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO, Final

import httpx

from samplemind.client.sending import Call, Sender, unreachable
from samplemind.errors import OutputError, ServiceUnreachableError

_BLOCK: Final = 2**20
_DIGEST: Final = re.compile(r'"([0-9a-f]{64})"')
_PARTIAL: Final = 206


async def downloaded(sender: Sender, path: str, target: Path) -> Path:
    """Write what is at a path of the service to a file.

    Args:
        sender: to the service.
        path: below its prefix.
        target: appears when all is there, and its digest is right if the service says which it has.

    Returns:
        The target.

    Raises:
        OutputError: the target can't be written.
        ServiceUnreachableError: it broke off again and again, or came damaged.
    """
    aside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        with _told(target):
            file: BinaryIO = await sender.wire.in_thread(_created, aside)
        try:
            etag = await _filled(sender, path, file, target)
        finally:
            await sender.wire.in_thread(file.close)
        whole = _DIGEST.fullmatch(etag or "")
        if whole and await sender.wire.in_thread(_digest, aside) != whole[1]:
            raise ServiceUnreachableError(f"{path.removeprefix('/')}: what came is not what the service has")
        with _told(target):
            await sender.wire.in_thread(os.replace, aside, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()
    return target


async def _filled(sender: Sender, path: str, file: BinaryIO, target: Path) -> str | None:
    """Write all of it, with as many requests as it takes; its entity tag."""
    etag: str | None = None
    vain = 0
    while True:
        before = file.tell()
        headers = {"Accept-Encoding": "identity"}
        if before and etag is not None:
            headers |= {"Range": f"bytes={before}-", "If-Range": etag}
        response = await sender.opened(Call("GET", path, headers=headers))
        try:
            if before and response.status_code != _PARTIAL:  # it is another one by now
                file.seek(0)
                file.truncate()
            etag = response.headers.get("etag")
            async with aclosing(sender.wire.chunks(response)) as chunks:
                async for chunk in chunks:
                    with _told(target):
                        await sender.wire.in_thread(file.write, chunk)
            return etag
        except httpx.RequestError as error:
            vain = 0 if file.tell() > before else vain + 1
            if vain > sender.retries:
                raise unreachable(path.removeprefix("/"), error) from error
        finally:
            await sender.wire.close(response)
        await sender.pause(max(1, vain))


def _digest(path: Path) -> str:
    from blake3 import blake3

    digest = blake3()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror or error}") from error


def _created(path: Path) -> BinaryIO:
    return path.open("xb")
