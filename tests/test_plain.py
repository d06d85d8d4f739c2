"""Values to plain data and back."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from samplemind.graph import Unknown
from samplemind.plain import from_plain, json_schema, require_finite, to_plain


class Colour(enum.StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: float
    y: int | None


@dataclass(frozen=True)
class Drawing:
    name: str
    points: tuple[Point, ...]
    size: tuple[int, int]
    colour: Colour
    notes: Mapping[str, str]


DRAWING = Drawing("house", (Point(0.5, 1), Point(-2.0, None)), (3, 4), Colour.RED, {"roof": "flat"})


def test_a_value_survives_json() -> None:
    assert from_plain(Drawing, json.loads(json.dumps(to_plain(DRAWING)))) == DRAWING


def test_the_schema_accepts_the_plain_form_and_nothing_else() -> None:
    schema = json_schema(Drawing)
    jsonschema.validate(to_plain(DRAWING), schema)
    for wrong in ({**to_plain(DRAWING), "name": 3}, {"name": "house"}, {**to_plain(DRAWING), "size": [1]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (float | Unknown, 1.5),
        (float | Unknown, Unknown("silence")),
        (Point | None, Point(1.0, 2)),
        (Point | None, None),
        (int | None, None),
        (tuple[float, ...], ()),
    ],
)
def test_unions_are_told_apart(hint: Any, value: Any) -> None:
    assert from_plain(hint, to_plain(value)) == value


def test_whole_floats_come_back_as_floats() -> None:
    assert isinstance(from_plain(float, json.loads("3")), float)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan"), np.array([1.0, np.inf])])
def test_numbers_that_json_has_not_are_found(value: Any) -> None:
    require_finite([1.5, np.arange(3.0), None, "nan"])
    for inside in (value, {"a": [value]}, Point(value, None)):
        with pytest.raises(ValueError, match="finite"):
            require_finite(inside)


@pytest.mark.parametrize(
    ("hint", "data"),
    [(float, "1"), (int, 1.5), (int, True), (Point, {"x": 1.0}), (tuple[int, ...], 3), (Colour, "blue"), (str, None)],
)
def test_data_of_another_type_is_refused(hint: Any, data: Any) -> None:
    with pytest.raises(ValueError, match=r"[Ee]xpected|Invalid|missing"):
        from_plain(hint, data)


def test_arrays_can_be_kept_aside() -> None:
    kept: list[NDArray[Any]] = []

    def keep(array: NDArray[Any]) -> int:
        kept.append(array)
        return len(kept) - 1

    plain = to_plain((np.arange(3.0), np.arange(2)), array=keep)
    assert plain == [0, 1]
    back = from_plain(NDArray[np.float64], plain[0], array=kept.__getitem__)
    assert np.array_equal(back, np.arange(3.0))
