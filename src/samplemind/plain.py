"""Values to plain data (what JSON can say) and back, led by type annotations.

msgspec does it: None, bool, int, float, str, literals and enums of strings, tuples, string-keyed mappings, frozen
dataclasses and unions with at most one of these; NumPy's arrays and numbers are added here.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import types
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_FEW: Final = 4096
"""Numbers in an array that is copied to be looked at with others."""
_NESTING: Final = (dict, list, tuple)


def to_plain(value: Any, *, array: Callable[[Array], Any] = np.ndarray.tolist) -> Any:
    """Turn a value into plain data. Numbers that are not finite stay as they are: see `require_finite`.

    Args:
        value: what to convert.
        array: what an array becomes; by default nested lists.

    Raises:
        TypeError: a type that plain data has no form for.
    """

    return _with_lists(_builtins(value, array))


def _builtins(value: Any, array: Callable[[Array], Any]) -> Any:
    """Plain data, but for tuples."""

    def form(other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return array(other)
        if isinstance(other, np.generic):
            return other.item()
        raise TypeError(f"{type(other).__name__} has no plain form")

    return msgspec.to_builtins(value, enc_hook=form)


def _with_lists(plain: Any) -> Any:
    """The same with lists for tuples: what JSON gives back."""
    if isinstance(plain, dict):
        return {name: _with_lists(item) if type(item) in _NESTING else item for name, item in plain.items()}
    if isinstance(plain, list | tuple):
        return [_with_lists(item) if type(item) in _NESTING else item for item in plain]
    return plain


def require_finite(value: Any) -> None:
    """Check that JSON can say all numbers of a value.

    Raises:
        ValueError: one is NaN or infinite.
    """
    arrays: list[Array] = []
    plain = _builtins(value, arrays.append)
    floats = [array.ravel() for array in arrays if array.dtype.kind == "f"]
    # An analysis has forty arrays of a few numbers each: they are looked at together.
    few = [array for array in floats if array.size <= _FEW]
    together = [np.concatenate(few)] if few else []
    if not all(np.isfinite(array).all() for array in [*together, *(array for array in floats if array.size > _FEW)]):
        raise ValueError("an array holds numbers that are not finite")
    try:
        json.dumps(plain, allow_nan=False)
    except ValueError:
        raise ValueError("a number is not finite") from None


def from_plain(hint: Any, data: Any, *, array: Callable[[Any], Array] = np.asarray) -> Any:
    """Rebuild the value of type `hint` that `to_plain` turned into `data`.

    Args:
        hint: an annotation.
        data: plain data.
        array: makes an array of what it became.

    Raises:
        ValueError: `data` is not of that type.
    """
    return msgspec.convert(data, hint, dec_hook=lambda kind, form: array(form))


@functools.cache
def field_hints(kind: type) -> dict[str, Any]:
    """Annotations of a dataclass's fields that are part of its plain form, in order."""
    hints = get_type_hints(kind, include_extras=True)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind)}


_SCALARS: Mapping[Any, str] = {float: "number", int: "integer", str: "string", bool: "boolean", type(None): "null"}


def json_schema(hint: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the plain form of a type."""
    origin = get_origin(hint)
    arguments = get_args(hint)
    if origin in (Union, types.UnionType):
        members = [json_schema(member) for member in arguments]
        if all(member.keys() == {"type"} for member in members):
            return {"type": [member["type"] for member in members]}
        return {"anyOf": members}
    if origin is tuple:
        if arguments[-1] is ...:
            return {"type": "array", "items": json_schema(arguments[0])}
        items = [json_schema(argument) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "items": False}
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin is not None:
        return {"type": "object", "additionalProperties": json_schema(arguments[1])}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        properties = {name: json_schema(kind) for name, kind in field_hints(hint).items()}
        return {"type": "object", "properties": properties, "required": list(properties)}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"type": "string", "enum": [member.value for member in hint]}
    return {"type": _SCALARS[hint]}
