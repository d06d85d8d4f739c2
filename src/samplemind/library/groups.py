"""Items in groups, as large as one statement may name."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

from samplemind.library.entries import AT_ONCE

_Item = TypeVar("_Item")


def groups(items: Iterable[_Item], size: int = AT_ONCE) -> Iterator[list[_Item]]:
    """Some of the items at a time, in their order; the last time perhaps fewer."""
    rest = iter(items)
    while group := list(itertools.islice(rest, size)):
        yield group
