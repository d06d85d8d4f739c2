"""Values of a search: what a text such as `120..126`, `~124`, `7d` or `*kick*` comes down to.

A reader gives all that a text may mean, any of which is enough: one interval for `120..126`, three for a tempo of
`~124`. What it can't read means nothing: an empty tuple.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from samplemind.library.keys import Key


@dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`, where None is no bound; a bound that is open is not among them."""

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, number: float) -> bool:
        above = self.low is None or number > self.low or (number == self.low and not self.low_open)
        below = self.high is None or number < self.high or (number == self.high and not self.high_open)
        return above and below


@dataclass(frozen=True)
class Days:
    """The days from `first` to `last`, both included; None is no bound."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Within:
    """The last so many seconds."""

    seconds: int


@dataclass(frozen=True)
class Text:
    """Exactly this text."""

    text: str


@dataclass(frozen=True)
class Prefix:
    """What begins with this text."""

    text: str


@dataclass(frozen=True)
class Glob:
    """What looks like this: * stands for any characters, ? for one."""

    pattern: str


@dataclass(frozen=True)
class Below:
    """This path and, if it is a folder, all below it."""

    path: str


@dataclass(frozen=True)
class Unknown:
    """No value at all."""


Value = Interval | Key | Days | Within | Text | Prefix | Glob | Below | Unknown
Reader = Callable[[str], tuple[Value, ...]]

Number = tuple[Decimal, Decimal]
"""A number, and half of the last digit that was written of it. Decimal, so that 0.1 is 0.1 until all is reckoned."""
Span = tuple[date, date]
"""First and last day of a year, a month or a day."""
NumberReader = Callable[[str], Number | None]
Near = Callable[[Decimal], tuple[Interval, ...]]

_NUMBER: Final = re.compile(r"(?P<digits>[+-]?[0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?P<unit>[A-Za-z%]*)")
"""Of so few digits that every number is finite."""
_CLOCK: Final = re.compile(
    r"(?:(?P<hours>[0-9]{1,4}):)?(?P<minutes>[0-9]{1,4}):(?P<seconds>[0-5][0-9](?:\.[0-9]{1,9})?)"
)
_DATE: Final = re.compile(r"(?P<year>(?:19|20)[0-9]{2})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?")
_AGO: Final = re.compile(r"(?P<number>[0-9]{1,4})(?P<unit>[hdw])")
_SECONDS: Final = {"ms": "0.001", "s": "1", "m": "60", "min": "60", "h": "3600"}
_AGO_SECONDS: Final = {"h": 3600, "d": 86_400, "w": 604_800}
_DAY: Final = timedelta(days=1)
_SIGNS: Final = (">=", "<=", ">", "<", "~")
"""The longer ones first, to be found before what they begin with."""

_Point = TypeVar("_Point", Number, Span)


def measured_in(units: Mapping[str, str], words: Mapping[str, str] | None = None) -> NumberReader:
    """Read numbers with one of the units or none, and words that stand for numbers.

    Args:
        units: in lower case, with what to multiply by.
        words: in lower case, with the number as text.
    """

    def read(text: str) -> Number | None:
        written = _NUMBER.fullmatch((words or {}).get(text.lower(), text))
        factor = {"": "1", **units}.get(written["unit"].lower()) if written else None
        return _exact(written["digits"], Decimal(factor)) if written and factor else None

    return read


def seconds(text: str) -> Number | None:
    """Read a duration: 1.5, 500ms, 2m, 1:30 or 1:02:30."""
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        return measured_in(_SECONDS)(text)
    number, half = _exact(clock["seconds"], Decimal(1))
    return number + 60 * int(clock["minutes"]) + 3600 * int(clock["hours"] or 0), half


def _exact(digits: str, factor: Decimal) -> Number:
    last_digit = Decimal(1).scaleb(-len(digits.partition(".")[2]))
    return Decimal(digits) * factor, last_digit / 2 * factor


def share(part: str, *factors: str) -> Near:
    """Near is what is within this part of the number times one of the factors."""

    def near(number: Decimal) -> tuple[Interval, ...]:
        middles = [number * Decimal(factor) for factor in factors]
        widths = [abs(middle) * Decimal(part) for middle in middles]
        return tuple(Interval(float(m - w), float(m + w)) for m, w in zip(middles, widths, strict=True))

    return near


def steps(width: int) -> Near:
    """Near is what is no further away than this."""
    return lambda number: (Interval(float(number - width), float(number + width)),)


def numbers(read: NumberReader, near: Near | None = None) -> Reader:
    """Read numbers, ranges and comparisons. A number means all that rounds to it; other bounds are exact."""

    def intervals(text: str) -> tuple[Interval, ...]:
        match _compared(text, read):
            case "..", low, high:
                return (Interval(float(low[0]) if low else None, float(high[0]) if high else None),)
            case ">" | ">=" as sign, (number, _), _:
                return (Interval(low=float(number), low_open=sign == ">"),)
            case "<" | "<=" as sign, (number, _), _:
                return (Interval(high=float(number), high_open=sign == "<"),)
            case "~", (number, _), _:
                return near(number) if near else ()
            case "", (number, half), _:
                return (Interval(float(number - half), float(number + half), high_open=True),)
        return ()

    return intervals


def days(text: str) -> tuple[Value, ...]:
    """Read days, months and years, ranges of them and comparisons; and 7d, the last seven days."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return (Within(int(ago["number"]) * _AGO_SECONDS[ago["unit"]]),)
    match _compared(text, _span):
        case "..", low, high:
            return (Days(low[0] if low else None, high[1] if high else None),)
        case ">", (_, last), _:
            return (Days(first=last + _DAY),)
        case ">=", (first, _), _:
            return (Days(first=first),)
        case "<", (first, _), _:
            return (Days(last=first - _DAY),)
        case "<=", (_, last), _:
            return (Days(last=last),)
        case "", (first, last), _:
            return (Days(first, last),)
    return ()


def _compared(text: str, read: Callable[[str], _Point | None]) -> tuple[str, _Point | None, _Point | None] | None:
    """Two dots, and the lower and the higher end of a range; or a sign or none, and what follows, twice."""
    low, dots, high = text.partition("..")
    if dots:
        ends = [read(end) for end in (low, high) if end]
        known = sorted(end for end in ends if end is not None)
        if not known or len(known) < len(ends):
            return None
        return dots, known[0] if low else None, known[-1] if high else None
    sign = next((sign for sign in _SIGNS if text.startswith(sign)), "")
    only = read(text.removeprefix(sign))
    return None if only is None else (sign, only, only)


def _span(text: str) -> Span | None:
    written = _DATE.fullmatch(text)
    if written is None:
        return None
    year, month, day = int(written["year"]), written["month"], written["day"]
    try:
        length = calendar.monthrange(year, int(month or 12))[1]
        return date(year, int(month or 1), int(day or 1)), date(year, int(month or 12), int(day or length))
    except ValueError:  # no such month or day
        return None
