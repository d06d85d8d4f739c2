"""Functions become a feature graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Stream:
    """Marks, inside `typing.Annotated`, values that come in blocks along time."""

    name: str


@dataclass(frozen=True)
class Unknown:
    """The value of a feature that has no answer, and why."""

    reason: str


def node(*, version: int = 1, context: tuple[int, int] = (0, 0)) -> Callable[[F], F]:
    """Give a feature function what its signature can't say.

    Args:
        version: raise it when the function's numbers change; cached answers of older versions are then
            recomputed, with everything that depends on them.
        context: frames before and after its own that a per-frame function looks at.
    """

    def mark(function: F) -> F:
        function.__dict__["version"] = version
        function.__dict__["context"] = context
        return function

    return mark
