"""What one cache entry holds: values that were computed together, each with its fingerprint, as bytes.

The bytes are a checksum and a safetensors file: arrays are tensors, all else is JSON in a tensor named "json" that
says where the arrays belong. No pickle; whatever is damaged or can't be read is None, a miss.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from samplemind.graph import Graph, Unknown
from samplemind.plain import from_plain, to_plain

FORMAT: Final = 1
"""Raised when the layout of an entry changes; entries of any other format are misses."""


_CHECKSUM_BYTES: Final = 16


@dataclass(frozen=True)
class Stored:
    """A node's value in plain form, and the fingerprint under which it was computed."""

    fingerprint: str
    plain: Any
    arrays: Mapping[str, NDArray[Any]]

    def value(self, hint: Any) -> Any:
        """The value, of the node's result type.

        Raises:
            ValueError: it is not of that type.
        """
        return from_plain(hint, self.plain, array=lambda data: self.arrays[data["tensor"]])


def encode(values: Mapping[str, tuple[str, Any]]) -> bytes:
    """Pack values by name, each with its fingerprint.

    Raises:
        ValueError: a number is not finite.
    """
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {}

    def as_tensor(array: NDArray[Any]) -> dict[str, str]:
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(array)
        return {"tensor": name}

    nodes = {name: [fingerprint, to_plain(value, array=as_tensor)] for name, (fingerprint, value) in values.items()}
    text = json.dumps({"format": FORMAT, "nodes": nodes}, allow_nan=False).encode()
    body = save({"json": np.frombuffer(text, np.uint8), **arrays})
    return _checksum(body) + body


def decode(data: bytes) -> dict[str, Stored] | None:
    """Unpack what `encode` packed, or None if it is damaged or of another format."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    checksum, body = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if checksum != _checksum(body):
        return None
    try:
        tensors = load(body)
        document = json.loads(tensors.pop("json").tobytes())
        if document["format"] != FORMAT:
            return None
        return {name: Stored(fingerprint, plain, tensors) for name, (fingerprint, plain) in document["nodes"].items()}
    except (SafetensorError, ValueError, KeyError, TypeError):
        return None


def _checksum(body: bytes) -> bytes:
    return blake3(body).digest(length=_CHECKSUM_BYTES)


def current_values(graph: Graph, stored: Mapping[str, Stored]) -> dict[str, Any]:
    """The values that were computed under the graph's fingerprints of today."""
    values: dict[str, Any] = {}
    for name, entry in stored.items():
        if graph.fingerprints.get(name) == entry.fingerprint:
            with contextlib.suppress(
                ValueError, KeyError, TypeError
            ):  # a value of another shape: a miss like any other
                values[name] = entry.value(graph.nodes[name].result | Unknown)
    return values
