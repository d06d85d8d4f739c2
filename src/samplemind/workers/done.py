"""Outcomes that wait to be stored together, but not for long."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from samplemind.workers.process import Outcome

Store = Callable[[list[Outcome]], None]

_WITHHELD_S: Final = 1.0
"""So much longer outcomes wait for others of their group, to be stored with them."""


class Done:
    """Outcomes of a group, as one thread adds them, until they are stored: at its end, or when one has waited for long.

    Args:
        store: keeps some outcomes.

    Attributes:
        turn: whose it is stores, and gives on what was stored before somebody else does.
    """

    def __init__(self, store: Store) -> None:
        self.turn = threading.Lock()
        self._store = store
        self._outcomes: deque[Outcome] = deque()
        self._since = 0.0

    def add(self, outcome: Outcome) -> None:
        """Add one."""
        if not self._outcomes:
            self._since = time.monotonic()
        self._outcomes.append(outcome)

    @property
    def late(self) -> bool:
        """Whether one waits for long."""
        return bool(self._outcomes) and time.monotonic() - self._since > _WITHHELD_S

    def stored(self) -> list[Outcome]:
        """Those that there are, stored. Who calls it has the `turn`."""
        found = [self._outcomes.popleft() for _ in range(len(self._outcomes))]
        if found:
            self._store(found)
        return found
