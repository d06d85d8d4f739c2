"""Leases: jobs that a service has in hand, and what becomes of them, whatever becomes of the service.

Each service works on its own jobs alone, for it alone has the files that they are about. So nobody takes a job from
another one, and what a service held when it died waits for that service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.orm import Session

from samplemind.features.levels import AnalysisLevel
from samplemind.library.groups import groups
from samplemind.library.model import File, Job
from samplemind.service.transitions import PLAIN, change, conclude, follow, told
from samplemind.workers.order import GROUP_BYTES, GROUP_FILES

LEASE_S: Final = 60.0
"""How long a service is taken to live without a word from it. Services that share a library need clocks as good as
that."""
MOST_DEATHS: Final = 5
"""Services that may die with a job in hand. It costs them all, and so is more than a worker's two; but one that is
killed for other reasons says little of the job."""


@dataclass(frozen=True)
class Leased:
    """A job that is this service's to do. `size` is that of its file in bytes, as far as the library has one."""

    id: int
    ticket: str
    subject: str
    level: str
    size: int = 0


@dataclass(frozen=True)
class End:
    """How a job ended, by its id."""

    id: int
    state: str
    error: str | None = None
    reason: str | None = None


def lease(session: Session, home: str, *, kind: str, now: float, most: int = 1) -> list[Leased]:
    """Take jobs of a service that wait, the oldest first, those of batches behind the others.

    Several only if they are of one level and their files small: about a second of work. None of a subject that is being
    worked on: when that has ended, its result is there.

    Args:
        session: one that writes.
        home: the service.
        kind: analysis or scan.
        now: seconds since 1970.
        most: how many.
    """
    busy = select(Job.subject).where(_held(home), Job.kind == kind)
    queued = select(Job.id, Job.ticket, Job.subject, Job.level, Job.batch_id).where(
        *(Job.state == "queued", Job.home == home, Job.kind == kind, Job.subject.not_in(busy)),
        Job.level.in_([str(each) for each in AnalysisLevel]),  # others are of a newer version
    )
    rows = session.execute(queued.order_by(Job.batch_id.is_not(None), Job.id).limit(min(most, GROUP_FILES))).all()
    sizes: dict[str | None, int] = {}
    if kind == "analysis" and rows:
        of_files = select(File.digest, func.max(File.size)).where(File.digest.in_({row.subject for row in rows}))
        sizes = dict(session.execute(of_files.group_by(File.digest)).all())
    taken: dict[str, Leased] = {}
    total = 0
    for row in rows:
        size = sizes.get(row.subject, 0)
        if taken and (row.level != rows[0].level or total + size > GROUP_BYTES):
            break
        if row.subject not in taken:
            taken[row.subject] = Leased(row.id, row.ticket, row.subject, row.level, size)
            total += size
    ids = [each.id for each in taken.values()]
    values = {"state": "running", "leased_until": now + LEASE_S, "seen_at": now}
    change(session, Job.id.in_(ids), **values, started_at=func.coalesce(Job.started_at, now))
    follow(session, {row.batch_id for row in rows if row.id in ids}, now)
    return list(taken.values())


def next_asked(session: Session, home: str, kind: str) -> list[tuple[str, str]]:
    """Subjects and levels of a service's jobs that wait longest."""
    queued = select(Job.subject, Job.level).where(Job.state == "queued", Job.home == home, Job.kind == kind)
    queued = queued.order_by(Job.id)
    return [(row.subject, row.level) for row in session.execute(queued.limit(GROUP_FILES))]


def finish(session: Session, home: str, ends: Iterable[End], now: float) -> list[str]:
    """End jobs, but those that this service has not in hand any more: they were cancelled, or given back.

    Returns:
        Tickets of what changed.
    """
    by_id = {end.id: end for end in ends}
    ours = _held(home) & Job.id.in_(by_id)
    rows = session.execute(select(Job.id, Job.batch_id).where(ours)).all()
    alike: dict[tuple[str, str | None, str | None], list[int]] = {}
    for row in rows:
        end = by_id[row.id]
        alike.setdefault((end.state, end.error, end.reason), []).append(row.id)
    for (state, error, reason), ids in alike.items():
        conclude(session, Job.id.in_(ids), now, state=state, error=error, reason=reason)
    follow(session, {row.batch_id for row in rows}, now)
    return told(session, [row.id for row in rows])


def give_back(session: Session, home: str, now: float, ids: Iterable[int] | None = None) -> list[str]:
    """Queue jobs again that this service has in hand, all of them or some; tickets of what changed."""
    ours = _held(home) if ids is None else _held(home) & Job.id.in_([*ids])
    return _queue_again(session, ours, now, died=False)


def resume(session: Session, home: str, now: float) -> list[str]:
    """At the start of a service: what it had in hand when it died is queued again; tickets of what changed."""
    return _queue_again(session, _held(home), now, died=True)


def renew(session: Session, home: str, now: float) -> None:
    """Say that this service lives: its leases last from now."""
    values = {"leased_until": now + LEASE_S, "seen_at": now}
    session.execute(update(Job).where(_held(home)).values(values), execution_options=PLAIN)


def held(session: Session, home: str) -> set[int]:
    """The jobs that a service has in hand."""
    return set(session.scalars(select(Job.id).where(_held(home))))


def living(now: float) -> Select[str | None]:
    """The services that are sure to live: they have jobs in hand, and said so."""
    return select(Job.home).where(Job.state == "running", Job.leased_until > now)


def note(session: Session, home: str, job_id: int, totals: Mapping[str, int], now: float) -> None:
    """Note how far a job is."""
    change(session, _held(home) & (Job.id == job_id), totals=dict(totals), seen_at=now)


def _held(home: str) -> ColumnElement[bool]:
    return (Job.state == "running") & (Job.home == home) & Job.leased_until.is_not(None)


def _queue_again(session: Session, which: ColumnElement[bool], now: float, *, died: bool) -> list[str]:
    rows = session.execute(select(Job.id, Job.batch_id, Job.deaths).where(which)).all()
    deadly = [row.id for row in rows if died and row.deaths + 1 >= MOST_DEATHS]
    if deadly:
        reason = f"{MOST_DEATHS} times a service died while this was being worked on"
        quarantine = {"state": "quarantined", "error": "QuarantinedError", "reason": reason}
        conclude(session, Job.id.in_(deadly), now, **quarantine, deaths=Job.deaths + 1)
    for some in groups(row.id for row in rows if row.id not in deadly):
        back = {"state": "queued", "leased_until": None, "deaths": Job.deaths + int(died)}
        change(session, Job.id.in_(some), **back, seen_at=now)
    follow(session, {row.batch_id for row in rows}, now)
    return [ticket for some in groups(row.id for row in rows) for ticket in told(session, some)]
