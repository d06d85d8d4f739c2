"""How jobs change: each change raises their version, and batches follow their parts in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from samplemind.library.model import Job

ACTIVE: Final = ("queued", "running")
STATES: Final = (*ACTIVE, "done", "failed", "cancelled", "quarantined")
PLAIN: Final = {"synchronize_session": False}
"""Options of statements that change rows: none of these is held as an object that would have to follow."""


def change(session: Session, which: ColumnElement[bool], **values: Any) -> None:
    """Change jobs."""
    session.execute(update(Job).where(which).values(**values, version=Job.version + 1), execution_options=PLAIN)


def conclude(session: Session, which: ColumnElement[bool], now: float, **values: Any) -> None:
    """Change jobs for the last time."""
    change(session, which, **values, ended_at=now, seen_at=now, leased_until=None)


def follow(session: Session, batch_ids: Iterable[int | None], now: float) -> None:
    """Have batches say what has become of their parts."""
    for batch_id in {*batch_ids} - {None}:
        parts = select(Job.state, func.count()).where(Job.batch_id == batch_id).group_by(Job.state)
        totals = dict.fromkeys(STATES, 0) | dict(session.execute(parts).all())
        values: dict[str, Any] = {"totals": totals, "seen_at": now}
        active = sum(totals[state] for state in ACTIVE)
        if active < sum(totals.values()) or totals["running"]:
            values["started_at"] = func.coalesce(Job.started_at, now)
        change(session, Job.id == batch_id, **values)
        state = "done" if not active else "queued" if active == totals["queued"] == sum(totals.values()) else "running"
        ended = {} if active else {"ended_at": now}
        session.execute(
            update(Job).where(Job.id == batch_id, Job.state.in_(ACTIVE)).values(state=state, **ended),
            execution_options=PLAIN,
        )


def told(session: Session, ids: Iterable[int]) -> list[str]:
    """The tickets of some jobs, and of the batches that they are parts of."""
    found = select(Job.ticket, Job.batch_id).where(Job.id.in_([*ids]))
    rows = session.execute(found).all()
    batches = {row.batch_id for row in rows} - {None}
    return [row.ticket for row in rows] + [*session.scalars(select(Job.ticket).where(Job.id.in_(batches)))]
