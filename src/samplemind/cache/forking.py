"""Locks that survive a fork: every one is held while the process forks, so that no child inherits a held one."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Something that must come to rest before the process forks."""

    def before_fork(self) -> None:
        """Take the locks, let go of what a child must not inherit."""

    def after_fork(self) -> None:
        """Release the locks, in the parent and in the child."""


_living: weakref.WeakSet[Forkable] = weakref.WeakSet()
_resting: list[Forkable] = []


def rests_at_fork(thing: Forkable) -> None:
    """Have a thing come to rest whenever this process forks, for as long as it lives."""
    _living.add(thing)


def _before() -> None:
    _resting.extend(_living)
    for thing in _resting:
        thing.before_fork()


def _after() -> None:
    while _resting:
        _resting.pop().after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
