"""What parent and worker say to each other: a line of JSON with the sizes of the bytes that follow it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import IO, Any, Final

import msgspec

LONGEST_LINE: Final = 2**26
"""Bytes of JSON in one message; a document with all onsets of a day is far below."""

BUFFER_BYTES: Final = 2**16
"""As much as a pipe holds on Linux: a document goes through it in one piece."""


def send(stream: IO[bytes], message: dict[str, Any], blobs: Sequence[bytes] = ()) -> None:
    """Write one message.

    Args:
        stream: a pipe.
        message: what JSON can say.
        blobs: bytes to go with it.

    Raises:
        OSError: the other side is gone.
    """
    # Only ASCII, so that the odd bytes of a path come through as they are.
    line = json.dumps({**message, "sizes": [len(blob) for blob in blobs]}).encode() + b"\n"
    stream.write(b"".join([line, *blobs]))
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[bytes]] | None:
    """Read one message; None when the other side is gone, be it in the middle of a message."""
    line = stream.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        return None
    message = _decoded(line)
    blobs = []
    for size in message.pop("sizes"):
        blob = stream.read(size)
        if len(blob) < size:
            return None
        blobs.append(blob)
    return message, blobs


def _decoded(line: bytes) -> dict[str, Any]:
    message: dict[str, Any]
    try:
        message = msgspec.json.decode(line)  # six times as fast
    except msgspec.DecodeError:  # it doesn't take the odd bytes of a path
        message = json.loads(line)
    return message
