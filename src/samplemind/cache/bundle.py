"""What one cache entry holds: values that were computed together, each with its fingerprint, as bytes.

The bytes are a safetensors file: arrays are tensors, all else is JSON in a tensor named "json" that says where the
arrays belong. No pickle; what can't be read is None, a miss.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.graph import Graph, Unknown
from samplemind.plain import from_plain, to_plain

FORMAT: Final = 2
"""Raised when the layout of an entry changes; entries of any other format are misses."""


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


@dataclass(frozen=True)
class Bundle:
    """Values by node, and the seconds that computing them took."""

    values: Mapping[str, Stored]
    seconds: float


def encode(values: Mapping[str, tuple[str, Any]], *, seconds: float = 0.0) -> bytes:
    """Pack values by name, each with its fingerprint.

    Args:
        values: fingerprint and value by node.
        seconds: what computing them took.

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
    text = json.dumps({"format": FORMAT, "seconds": round(seconds, 6), "nodes": nodes}, allow_nan=False).encode()
    return save({"json": np.frombuffer(text, np.uint8), **arrays})


def decode(data: bytes) -> Bundle | None:
    """Unpack what `encode` packed, or None if it is of another format."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(data)
        document = json.loads(tensors.pop("json").tobytes())
        if document["format"] != FORMAT:
            return None
        nodes = document["nodes"].items()
        values = {name: Stored(fingerprint, plain, tensors) for name, (fingerprint, plain) in nodes}
        return Bundle(values, float(document["seconds"]))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        return None


def current_values(graph: Graph, bundle: Bundle | None) -> dict[str, Any]:
    """The values that were computed under the graph's fingerprints of today."""
    values: dict[str, Any] = {}
    for name, entry in bundle.values.items() if bundle else ():
        if graph.fingerprints.get(name) == entry.fingerprint:
            with contextlib.suppress(
                ValueError, KeyError, TypeError
            ):  # a value of another shape: a miss like any other
                values[name] = entry.value(graph.nodes[name].result | Unknown)
    return values
