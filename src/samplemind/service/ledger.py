"""The library as the threads of a service use it: what they have to write is written, however long it takes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from sqlalchemy import exc
from sqlalchemy.orm import Session

from samplemind.errors import LibraryError
from samplemind.library.database import Database
from samplemind.service.hub import Hub

T = TypeVar("T")

log = logging.getLogger("samplemind.service")

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0
"""Who finds the database busy has waited before."""
_MISTAKES: Final = (exc.IntegrityError, exc.DataError, exc.ProgrammingError)
"""What comes again with the same data, however often it is tried."""


class StoppedError(Exception):
    """The service stops, while what should be written can't be."""


class Ledger:
    """The library, and who is to hear of what changes in it.

    Args:
        database: the library.
        hub: is told of jobs that changed, after that was written.
        home: this service.
    """

    def __init__(self, database: Database, hub: Hub, home: str) -> None:
        self.database = database
        self.home = home
        self.stopping = threading.Event()
        self._hub = hub
        self._troubles: dict[str, str] = {}

    def write(self, action: Callable[[Session], T]) -> T:
        """What an action gives that writes, once it could be written: while it can't, it is tried again and again.

        Raises:
            StoppedError: the service is to stop meanwhile.
            LibraryError: the action is at fault, and not the database.
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                with self.database.writing() as session:
                    given = action(session)
            except LibraryError as error:
                if not passes(error):
                    raise
                self.trouble("library", str(error))
                if self.stopping.wait(pause_s):
                    raise StoppedError from error
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self.well("library")
                return given

    def change(self, action: Callable[[Session], list[str]]) -> None:
        """`write` an action that changes jobs, and say so: it gives their tickets."""
        self.tell(self.write(action))

    def tell(self, tickets: Iterable[str]) -> None:
        """Say that jobs have changed."""
        self._hub.tell(tickets)

    def trouble(self, where: str, reason: str) -> None:
        """Note that something can't be done just now; it is logged when it begins."""
        if where not in self._troubles:
            log.warning("trouble with %s, trying again: %s", where, reason)
        self._troubles[where] = reason

    def well(self, where: str) -> None:
        """Note that it can be done."""
        if self._troubles.pop(where, None) is not None:
            log.info("no more trouble with %s", where)

    def troubles(self) -> str | None:
        """What can't be done just now, in words; None if all is well."""
        return "; ".join(self._troubles.copy().values()) or None


def passes(error: LibraryError) -> bool:
    """Whether it may be well if it is tried again: the database is busy, full or out of reach."""
    cause = error.__cause__
    return cause is None or (isinstance(cause, OSError | exc.SQLAlchemyError) and not isinstance(cause, _MISTAKES))
