"""Values of a query as tests of a column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import InstrumentedAttribute

from samplemind.library.entries import key_number
from samplemind.library.keys import Key
from samplemind.library.values import Days, Glob, Interval, Prefix, Text, Unknown, Value, Within

Column = InstrumentedAttribute[Any] | ColumnElement[Any]
Test = Callable[[Column], ColumnElement[bool]]

LAST: Final = "\U0010ffff"
"""No text of the library goes on with it: what begins with a text is between it and it with this."""
_FIRST_DAY: Final = date(1970, 1, 2)
"""From here on every system can tell the seconds since 1970, wherever it is."""


def tests_of(values: Sequence[Value], *, now: float, sqlite: bool) -> list[Test]:
    """Tests of a column, one of which is true for what is meant.

    Args:
        values: what may be in the column; texts and keys make one test together.
        now: seconds since 1970.
        sqlite: the database is SQLite.
    """
    single = [value.text for value in values if isinstance(value, Text)]
    keys = [key_number(value) for value in values if isinstance(value, Key)]
    tests: list[Test] = [lambda column: column.in_(single)] if single else []
    tests += [lambda column: column.in_(keys)] if keys else []
    return tests + [_test(value, now, sqlite) for value in values if not isinstance(value, Text | Key)]


def begins(column: Column, text: str) -> ColumnElement[bool]:
    """Whether a text begins so."""
    return and_(column >= text, column <= text + LAST)  # PostgreSQL's BETWEEN takes no text with a collation


def has_index(column: InstrumentedAttribute[Any]) -> bool:
    """Whether an index begins with the column."""
    own = column.property.columns[0]
    return bool(own.unique) or any(own is index.columns[0] for index in own.table.indexes)


def _test(value: Value, now: float, sqlite: bool) -> Test:
    match value:
        case Interval():
            return lambda column: _inside(column, value)
        case Days(first, last):
            since = None if first is None else _midnight(first)
            until = None if last is None else _midnight(last + timedelta(days=1))
            return lambda column: _inside(column, Interval(since, until, high_open=True))
        case Within(seconds):
            return lambda column: column >= now - seconds
        case Prefix(text):
            return lambda column: begins(column, text)
        case Glob(pattern):
            return lambda column: _like(column, pattern, sqlite)
        case Unknown():
            return lambda column: column.is_(None)
    raise AssertionError(f"{value} is no value of a column")


def _inside(column: Column, interval: Interval) -> ColumnElement[bool]:
    bounds = []
    if interval.low is not None:
        bounds.append(column > interval.low if interval.low_open else column >= interval.low)
    if interval.high is not None:
        bounds.append(column < interval.high if interval.high_open else column <= interval.high)
    return and_(*bounds) if bounds else column.is_not(None)


def _midnight(day: date) -> float:
    """When a day begins where the user is, in seconds since 1970."""
    return datetime.combine(day, time()).timestamp() if day >= _FIRST_DAY else 0.0


def _like(column: Column, pattern: str, sqlite: bool) -> ColumnElement[bool]:
    """Upper and lower case of A to Z don't count."""
    for sign in "\\%_":
        pattern = pattern.replace(sign, f"\\{sign}")
    written = pattern.replace("*", "%").replace("?", "_")
    if written.startswith("%/"):  # what is directly below the root is below no slash
        column = "/" + column
    return column.like(written, escape="\\") if sqlite else column.ilike(written, escape="\\")
