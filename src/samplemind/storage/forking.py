"""Locks that survive a fork: every one is held while the process forks, so that no child inherits a held one."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Final, Protocol


class Forkable(Protocol):
    """Something that must come to rest before the process forks."""

    def before_fork(self) -> None:
        """Take the locks, let go of what a child must not inherit."""

    def after_fork(self) -> None:
        """Release the locks, in the parent and in the child."""


_living: weakref.WeakSet[Forkable] = weakref.WeakSet()
_resting: list[Forkable] = []
_one_at_a_time: Final = threading.Lock()
"""Several threads may fork at once, and others make things meanwhile."""


def rests_at_fork(thing: Forkable) -> None:
    """Have a thing come to rest whenever this process forks, for as long as it lives.

    Not to be called by who holds a lock of another such thing.
    """
    with _one_at_a_time:
        _living.add(thing)


def _before() -> None:
    _one_at_a_time.acquire()
    for thing in list(_living):
        thing.before_fork()
        _resting.append(thing)


def _after() -> None:
    while _resting:
        _resting.pop().after_fork()
    _one_at_a_time.release()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
