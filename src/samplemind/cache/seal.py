"""A seal on every entry, so that what was damaged, cut off or put under another key is never taken for an answer."""

from __future__ import annotations

from typing import Final

from blake3 import blake3

_BYTES: Final = 16


def sealed(key: str, value: bytes) -> bytes:
    """The value behind a digest of itself and its key."""
    return _seal(key, value) + value


def unsealed(key: str, data: bytes) -> bytes | None:
    """The value, or None if it is not what was sealed under this key."""
    seal, value = data[:_BYTES], data[_BYTES:]
    return value if seal == _seal(key, value) else None


def _seal(key: str, value: bytes) -> bytes:
    name = key.encode()
    return blake3(len(name).to_bytes(4, "little") + name + value).digest(length=_BYTES)
