"""Homes: services that share a library, each with uploads and jobs of its own.

A home is a data folder. All of them see what is known of a sound; its bytes are the business of the home that keeps
them. Paths mean the same to all who use a library, and so no two homes may have the same one.
"""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from samplemind.library.folders import is_below
from samplemind.library.model import Home, Job
from samplemind.service.problems import Problem
from samplemind.service.transitions import PLAIN


def settle(session: Session, home: str, uploads: str) -> None:
    """Note where a service keeps its uploads. Jobs of one that kept its own there are this one's from now on.

    That is the same service, whose data folder was brought back from a copy, and has another name since.

    Args:
        session: one that writes.
        home: the service.
        uploads: an absolute folder.
    """
    for before in session.scalars(select(Home.id).where(Home.uploads == uploads, Home.id != home)).all():
        session.execute(update(Job).where(Job.home == before).values(home=home), execution_options=PLAIN)
        session.execute(delete(Home).where(Home.id == before), execution_options=PLAIN)
    session.merge(Home(id=home, uploads=uploads))


class Elsewhere:
    """What other services keep, by where it is.

    Args:
        session: any.
        home: this service.
    """

    def __init__(self, session: Session, home: str) -> None:
        self._folders = session.scalars(select(Home.uploads).where(Home.id != home)).all()

    def __bool__(self) -> bool:
        return bool(self._folders)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and any(is_below(path, folder) for folder in self._folders)


def kept_elsewhere() -> Problem:
    """What is told of audio that only another service of this library keeps."""
    reason = "another service that shares this library keeps this audio: ask that one, or upload it here"
    return Problem(409, reason, code="kept-elsewhere")
