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
ToArray = Callable[[Any], Array]
Reader = Callable[[Any, ToArray], Any]
"""Makes a value of plain data and of what its arrays became."""


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


def from_plain(hint: Any, data: Any, *, array: ToArray = np.asarray) -> Any:
    """Rebuild the value of type `hint` that `to_plain` turned into `data`.

    Raises:
        ValueError: `data` is not of that type.
    """
    return reader(hint)(data, array)


@functools.cache
def reader(hint: Any) -> Reader:
    """How data become a value of a type. Made once per type: a cached answer has hundreds of values.

    The reader raises `ValueError` for data that are not of the type.
    """
    kind = _bare(hint)
    origin, arguments = get_origin(kind), get_args(kind)
    matches = _matcher(kind)
    read: Reader
    if origin in (Union, types.UnionType):
        # Dataclasses first: their field names tell more than the form that the caller gives to arrays.
        members = [(_matcher(m), reader(m)) for m in sorted(arguments, key=_is_dataclass, reverse=True)]

        def read(data: Any, array: ToArray) -> Any:
            for fits, make in members:
                if fits(data):
                    return make(data, array)
            raise _mismatch(kind, data)

        return read
    if origin is np.ndarray:
        return lambda data, array: array(data)
    if origin is tuple and arguments[-1] is ...:
        item = reader(arguments[0])

        def read(data: Any, array: ToArray) -> Any:
            return tuple([item(entry, array) for entry in data])

    elif origin is tuple:
        items = [reader(argument) for argument in arguments]

        def read(data: Any, array: ToArray) -> Any:
            return tuple([make(entry, array) for make, entry in zip(items, data, strict=True)])

    elif isinstance(origin, type) and issubclass(origin, Mapping):
        entry_of = reader(arguments[1])

        def read(data: Any, array: ToArray) -> Any:
            return {key: entry_of(entry, array) for key, entry in data.items()}

    elif _is_dataclass(kind):
        fields = {name: reader(field) for name, field in field_hints(kind).items()}

        def read(data: Any, array: ToArray) -> Any:
            return kind(**{name: make(data[name], array) for name, make in fields.items()})

    elif kind is float or (isinstance(kind, type) and issubclass(kind, enum.Enum)):

        def read(data: Any, array: ToArray) -> Any:
            return kind(data)

    else:

        def read(data: Any, array: ToArray) -> Any:
            return data

    def checked(data: Any, array: ToArray) -> Any:
        if not matches(data):
            raise _mismatch(kind, data)
        return read(data, array)

    return checked


@functools.cache
def _matcher(hint: Any) -> Callable[[Any], bool]:
    """Whether data have the outer shape of a type."""
    kind = _bare(hint)
    origin = get_origin(kind)
    if _is_dataclass(kind):
        names = field_hints(kind).keys()
        return lambda data: isinstance(data, dict) and data.keys() == names
    if origin is Literal:
        choices = get_args(kind)
        return lambda data: data in choices
    if kind is float or kind is int:
        allowed = (int, float) if kind is float else int
        return lambda data: isinstance(data, allowed) and not isinstance(data, bool)
    shape: Any
    if kind is type(None) or kind is None:
        shape = type(None)
    elif origin is np.ndarray:
        shape = (list, dict)
    elif origin is tuple:
        shape = list
    elif origin is not None:
        shape = Mapping
    else:
        shape = str if issubclass(kind, enum.Enum) else kind
    return lambda data: isinstance(data, shape)


def _mismatch(hint: Any, data: Any) -> ValueError:
    return ValueError(f"{data!r:.80} is not {hint}")


def _is_dataclass(hint: Any) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def _bare(hint: Any) -> Any:
    """The type behind annotations and aliases: from Python 3.12 on, NumPy's NDArray is an alias."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    behind = getattr(get_origin(hint), "__value__", None)
    return hint if behind is None else behind[get_args(hint)]


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
    if _is_dataclass(hint):
        properties = {name: json_schema(kind) for name, kind in field_hints(hint).items()}
        return {"type": "object", "properties": properties, "required": list(properties)}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"type": "string", "enum": [member.value for member in hint]}
    return {"type": _SCALARS[hint]}
