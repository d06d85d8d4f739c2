"""Values to plain data (what JSON can say) and back, led by type annotations.

Handles None, bool, int, float, str, literals and enums of strings, tuples, string-keyed mappings, NumPy arrays,
frozen dataclasses and unions of these. A union is told apart by the shape of the data, dataclasses by field names.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def to_plain(value: Any, *, array: Callable[[Array], Any] = np.ndarray.tolist) -> Any:
    """Turn a value into plain data.

    Args:
        value: what to convert.
        array: what an array becomes; by default nested lists.

    Raises:
        ValueError: a number is NaN or infinite, which JSON can't say.
        TypeError: a type that plain data has no form for.
    """
    match value:
        case None | bool() | int():
            return value
        case str():
            return value.value if isinstance(value, enum.Enum) else value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{value} is not a finite number")
            return float(value)
        case np.integer() | np.floating() | np.bool_():
            return to_plain(value.item())
        case np.ndarray():
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise ValueError("an array holds numbers that are not finite")
            return array(value)
        case tuple() | list():
            return [to_plain(item, array=array) for item in value]
        case Mapping():
            return {str(key): to_plain(item, array=array) for key, item in value.items()}
        case _ if dataclasses.is_dataclass(value):
            return {f.name: to_plain(getattr(value, f.name), array=array) for f in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no plain form")


def from_plain(hint: Any, data: Any, *, array: Callable[[Any], Array] = np.asarray) -> Any:
    """Rebuild the value of type `hint` that `to_plain` turned into `data`.

    Raises:
        ValueError: `data` is not of that type.
    """
    hint = _bare(hint)
    origin = get_origin(hint)
    arguments = get_args(hint)
    if origin in (Union, types.UnionType):
        # Dataclasses first: their field names tell more than the form that the caller gives to arrays.
        for member in sorted(arguments, key=dataclasses.is_dataclass, reverse=True):
            if _matches(member, data):
                return from_plain(member, data, array=array)
    elif origin is np.ndarray:
        return array(data)
    elif origin is tuple and isinstance(data, list):
        items = [arguments[0]] * len(data) if arguments[-1] is ... else arguments
        return tuple(from_plain(item, entry, array=array) for item, entry in zip(items, data, strict=True))
    elif isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(data, Mapping):
        return {key: from_plain(arguments[1], entry, array=array) for key, entry in data.items()}
    elif dataclasses.is_dataclass(hint) and _matches(hint, data):
        return _constructor(hint)(
            **{name: from_plain(kind, data[name], array=array) for name, kind in field_hints(_type(hint)).items()}
        )
    elif hint is float and isinstance(data, int | float) and not isinstance(data, bool):
        return float(data)
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(data)
    elif _matches(hint, data):
        return data
    raise ValueError(f"{data!r:.80} is not {hint}")


def _bare(hint: Any) -> Any:
    """The type behind annotations and aliases: from Python 3.12 on, NumPy's NDArray is an alias."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    behind = getattr(get_origin(hint), "__value__", None)
    return hint if behind is None else behind[get_args(hint)]


def _constructor(hint: Any) -> Callable[..., Any]:
    constructor: Callable[..., Any] = hint
    return constructor


@functools.cache
def field_hints(kind: type) -> dict[str, Any]:
    """Annotations of a dataclass's fields that are part of its plain form, in order."""
    hints = get_type_hints(kind, include_extras=True)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind)}


def _matches(hint: Any, data: Any) -> bool:
    """Whether `data` has the outer shape of `hint`."""
    hint = _bare(hint)
    origin = get_origin(hint)
    if hint is type(None) or hint is None:
        return data is None
    if dataclasses.is_dataclass(hint):
        return isinstance(data, Mapping) and data.keys() == field_hints(_type(hint)).keys()
    if origin is np.ndarray:
        return isinstance(data, list | dict)
    if origin is tuple:
        return isinstance(data, list)
    if origin is Literal:
        return data in get_args(hint)
    if origin is not None:
        return isinstance(data, Mapping)
    if hint is float:
        return isinstance(data, int | float) and not isinstance(data, bool)
    if hint is int:
        return isinstance(data, int) and not isinstance(data, bool)
    return isinstance(hint, type) and isinstance(data, str if issubclass(hint, enum.Enum) else hint)


def _type(hint: Any) -> type:
    kind: type = hint
    return kind


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
    if dataclasses.is_dataclass(hint):
        properties = {name: json_schema(kind) for name, kind in field_hints(_type(hint)).items()}
        return {"type": "object", "properties": properties, "required": list(properties)}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"type": "string", "enum": [member.value for member in hint]}
    return {"type": _SCALARS[hint]}
