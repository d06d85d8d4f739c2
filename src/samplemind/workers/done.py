"""Outcomes that wait to be stored together, but not for long."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from samplemind.workers.process import Outcome, Reply

Store = Callable[[list[Outcome]], None]

_WITHHELD_S: Final = 1.0
"""So much longer outcomes wait for others of their group, to be stored with them."""


class Done:
    """What came of a group's files, as one thread adds it, until it is stored: at its end, or when it waits for long.

    Args:
        store: keeps some outcomes.

    Attributes:
        turn: whose it is stores, and gives on what was stored before somebody else does.
    """

    def __init__(self, store: Store) -> None:
        self.turn = threading.Lock()
        self._store = store
        self._added: deque[Reply | Outcome] = deque()
        self._since = 0.0

    def add(self, told: Reply | Outcome) -> None:
        """Add what came of one."""
        if not self._added:
            self._since = time.monotonic()
        self._added.append(told)

    @property
    def late(self) -> bool:
        """Whether one waits for long."""
        return bool(self._added) and time.monotonic() - self._since > _WITHHELD_S

    def stored(self) -> list[Outcome]:
        """Outcomes of what there is, stored. Who calls it has the `turn`."""
        added = [self._added.popleft() for _ in range(len(self._added))]
        found = [each.outcome() if isinstance(each, Reply) else each for each in added]
        if found:
            self._store(found)
        return found
