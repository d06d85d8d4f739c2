"""Sizes and spans of time, as people write them and read them."""

from __future__ import annotations

import math
import re
from typing import Final

import typer

_BYTES: Final = {
    "": 1,
    "b": 1,
    **{prefix + end: 1000**power for power, prefix in enumerate("kmgt", 1) for end in ("", "b")},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate("kmgt", 1)},
}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_NUMBER_AND_UNIT: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", re.ASCII | re.IGNORECASE)
_SPANS: Final = ((86_400, "days"), (3600, "hours"), (60, "minutes"))


def parsed_size(text: str) -> int:
    """The bytes that a text like ``500M``, ``1.5 GiB``, ``20kB`` or ``4096`` names.

    Raises:
        BadParameter: it names none.
    """
    size = _parsed(text, _BYTES)
    if size is None:
        raise typer.BadParameter(f"{text!r} is no size: write 500M, 1.5GiB or a number of bytes")
    return math.floor(size)


def parsed_span(text: str) -> float:
    """The seconds that a text like ``90d``, ``12h`` or ``1.5w`` names.

    Raises:
        BadParameter: it names none.
    """
    seconds = _parsed(text, _SECONDS)
    if seconds is None:
        raise typer.BadParameter(f"{text!r} is no span of time: write 90d, 12h or 2w (s, m, h, d, w)")
    return seconds


def span(seconds: float) -> str:
    """A span of time in its largest unit: ``0.35 s``, ``12 s``, ``3.5 minutes``, ``41 days``."""
    for length, name in _SPANS:
        if round(seconds) >= length:
            count = seconds / length
            return f"{count:.1f} {name}" if count < 10 else f"{count:,.0f} {name}"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def _parsed(text: str, units: dict[str, int]) -> float | None:
    match = _NUMBER_AND_UNIT.fullmatch(text.strip())
    if match is None or match[2].lower() not in units:
        return None
    amount = float(match[1]) * units[match[2].lower()]
    return amount if math.isfinite(amount) else None
