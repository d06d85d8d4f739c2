"""What one cache entry holds: values that were computed together, each with its fingerprint, as bytes.

The bytes are a safetensors file: all arrays of one type of number are one tensor, end to end, and all else is JSON in a
tensor named "json" that says where the arrays belong. No pickle; what can't be read is None, a miss.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.graph import Graph, Unknown
from samplemind.plain import from_plain, to_plain

FORMAT: Final = 3
"""Raised when the layout of an entry changes; entries of any other format are misses."""


@dataclass(frozen=True)
class Stored:
    """A node's value in plain form, or why it is unknown, and the fingerprint under which it was computed."""

    fingerprint: str
    plain: Any
    unknown: str | None
    numbers: Mapping[str, NDArray[Any]]

    def value(self, hint: Any) -> Any:
        """The value, of the type that the node is annotated with.

        Raises:
            ValueError: it is not of that type.
        """
        if self.unknown is not None:
            return Unknown(self.unknown)
        return from_plain(hint, self.plain, array=self._array)

    def _array(self, place: Mapping[str, Any]) -> NDArray[Any]:
        start, shape = place["start"], place["shape"]
        return self.numbers[place["type"]][start : start + math.prod(shape)].reshape(shape)


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

    arrays: defaultdict[str, list[NDArray[Any]]] = defaultdict(list)

    def placed(array: NDArray[Any]) -> dict[str, Any]:
        before = arrays[array.dtype.name]
        start = sum(each.size for each in before)
        before.append(array.ravel())
        return {"type": array.dtype.name, "start": start, "shape": array.shape}

    nodes = {
        name: [fingerprint, None, value.reason]
        if isinstance(value, Unknown)
        else [fingerprint, to_plain(value, array=placed), None]
        for name, (fingerprint, value) in values.items()
    }
    numbers = {kind: np.concatenate(each) for kind, each in arrays.items()}
    text = json.dumps({"format": FORMAT, "seconds": round(seconds, 6), "nodes": nodes}, allow_nan=False).encode()
    return save({"json": np.frombuffer(text, np.uint8), **numbers})


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
        values = {name: Stored(fingerprint, plain, unknown, tensors) for name, (fingerprint, plain, unknown) in nodes}
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
                values[name] = entry.value(graph.nodes[name].known_result)
    return values
