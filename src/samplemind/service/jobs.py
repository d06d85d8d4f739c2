"""Jobs as rows: promised before anybody is told, held by a lease, ended once, by the service that accepted them.

    submit ─▶ queued ─▶ running ─▶ done, failed, quarantined
                 ▲         │
                 └─────────┘ given back; or the service died: at the fifth death the job is quarantined
    cancel ─▶ cancelled, from both

All functions take a session of the library's database; those that change anything one that writes, and writers take
turns: what one has read stays true until it has written. Each change of a job raises its version. The totals and the
end of a batch follow its parts in the transaction in which they change.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, delete, func, insert, select
from sqlalchemy.orm import Session

from samplemind.errors import CursorError
from samplemind.features.levels import AnalysisLevel
from samplemind.library.groups import groups
from samplemind.library.model import Job
from samplemind.service import known, leases
from samplemind.service.homes import kept_elsewhere
from samplemind.service.problems import Problem
from samplemind.service.transitions import ACTIVE, PLAIN, STATES, conclude, follow, told

KEPT_S: Final = 30 * 86_400.0
"""How long a job can be looked up after its end."""
_RETRY_S: Final = 10
"""When to try again where the queue is full."""
_CURSOR_DIGITS: Final = 18
"""More than any database counts to."""


@dataclass(frozen=True)
class JobView:
    """A job as its owner sees it.

    Attributes:
        ticket: its name.
        kind: analysis, batch or scan.
        state: queued, running, done, failed, cancelled or quarantined. A batch is done when nothing of it is left to
            do, whatever became of its parts: `totals` has that by state; and of a scan, how many files came out how.
        subject: the digest of a file's bytes, or the folder of a scan; of a batch, the digest of these digests.
        error: class of the error by which it failed; or, of a scan that is done, by which it skipped links.
        reason: the same in words.
        version: how often it changed.

    Times are seconds since 1970.
    """

    ticket: str
    kind: str
    state: str
    subject: str
    level: str | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    totals: Mapping[str, int] | None
    error: str | None
    reason: str | None
    version: int

    @property
    def ended(self) -> bool:
        """Whether it will change no more."""
        return self.state not in ACTIVE


_VIEWED: Final = tuple(getattr(Job, name) for name in JobView.__dataclass_fields__)


def submit(
    session: Session, *, home: str, owner: str, subject: str, level: AnalysisLevel, now: float, most: int | None = None
) -> JobView:
    """A job that analyses the bytes of a digest: the one that this owner has waiting or running, or a new one.

    Args:
        session: one that writes.
        home: the service that accepts it. A job that another one accepted counts while that one is sure to live.
        owner: who asks.
        subject: the digest.
        level: how much to find out.
        now: seconds since 1970.
        most: how many jobs of the service may wait.

    Raises:
        Problem: 503, `most` jobs are waiting already; 409, only other services have the bytes, and nobody an answer.
    """
    before = _active(session, "analysis", home, owner, subject, level, now)
    if before is not None:
        return before
    _refuse_kept_elsewhere(session, home, [subject], level)
    _refuse_full(session, home, 1, most)
    return _by_ticket(session, _added(session, "analysis", home, owner, [subject], level, now))


def submit_scan(
    session: Session, *, home: str, owner: str, root: str, level: AnalysisLevel, now: float, most: int | None = None
) -> JobView:
    """A job that takes an absolute folder into the library; otherwise as `submit`."""
    before = _active(session, "scan", home, owner, root, level, now)
    if before is not None:
        return before
    _refuse_full(session, home, 1, most)
    return _by_ticket(session, _added(session, "scan", home, owner, [root], level, now))


def submit_batch(
    session: Session,
    *,
    home: str,
    owner: str,
    subjects: Sequence[str],
    level: AnalysisLevel,
    now: float,
    most: int | None = None,
) -> JobView:
    """A job with a part for each different digest; otherwise as `submit`."""
    subjects = list(dict.fromkeys(subjects))
    whole = hashlib.blake2b("\n".join(sorted(subjects)).encode(), digest_size=16).hexdigest()
    before = _active(session, "batch", home, owner, whole, level, now)
    if before is not None:
        return before
    _refuse_kept_elsewhere(session, home, subjects, level)
    _refuse_full(session, home, len(subjects), most)
    ticket = _added(session, "batch", home, owner, [whole], level, now)
    batch_id = session.scalars(select(Job.id).where(Job.ticket == ticket)).one()
    for some in groups(subjects):
        _added(session, "analysis", home, owner, some, level, now, batch_id=batch_id)
    follow(session, [batch_id], now)
    return _by_ticket(session, ticket)


def find(session: Session, ticket: str, owner: str | None) -> JobView | None:
    """The job of a ticket, if there is one, and it is this owner's; None as owner is everybody."""
    mine = (Job.ticket == ticket) if owner is None else (Job.ticket == ticket) & (Job.owner == owner)
    row = session.execute(select(*_VIEWED).where(mine)).first()
    return None if row is None else JobView(**row._mapping)


def listed(
    session: Session,
    *,
    owner: str | None,
    state: str | None = None,
    batch: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[JobView], str | None]:
    """An owner's jobs, the latest first, and the cursor of the next ones if there are more.

    Args:
        session: any.
        owner: whose; None for everybody's.
        state: only those in this state.
        batch: the parts of the batch with this ticket, in place of what was asked for by itself.
        limit: how many at most.
        cursor: of the ones before.

    Raises:
        CursorError: it is none of ours.
    """
    query = select(Job.id, *_VIEWED).where(Job.ticket.is_not(None))
    if batch is None:
        query = query.where(Job.batch_id.is_(None))
    else:
        query = query.where(Job.batch_id == select(Job.id).where(Job.ticket == batch).scalar_subquery())
    if owner is not None:
        query = query.where(Job.owner == owner)
    if state is not None:
        query = query.where(Job.state == state)
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _CURSOR_DIGITS):
            raise CursorError("the cursor is damaged, or of another list")
        query = query.where(Job.id < int(cursor))
    rows = session.execute(query.order_by(Job.id.desc()).limit(limit + 1)).all()
    found = [JobView(*row[1:]) for row in rows[:limit]]
    return found, str(rows[limit - 1].id) if len(rows) > limit else None


def counts(session: Session, home: str) -> dict[str, int]:
    """How many analyses and scans of a service there are by state: `queued` is the length of its queue."""
    query = select(Job.state, func.count()).where(Job.home == home, Job.kind != "batch").group_by(Job.state)
    found = dict.fromkeys(STATES, 0)
    return found | dict(session.execute(query).all())


def waiting(session: Session, home: str, kind: str) -> int:
    """How many jobs of a kind a service has queued."""
    queued = select(func.count()).where(Job.state == "queued", Job.home == home, Job.kind == kind)
    return session.scalar(queued) or 0


def cancel(session: Session, ticket: str, owner: str | None, now: float) -> list[str]:
    """Cancel a job, and all parts of a batch, unless they have ended; tickets of what changed."""
    mine = (Job.ticket == ticket) if owner is None else (Job.ticket == ticket) & (Job.owner == owner)
    row = session.execute(select(Job.id, Job.kind, Job.batch_id).where(mine, Job.state.in_(ACTIVE))).first()
    if row is None:
        return []
    which: ColumnElement[bool] = Job.id == row.id
    if row.kind == "batch":
        which |= Job.batch_id == row.id
    which &= Job.state.in_(ACTIVE)
    ids = [*session.scalars(select(Job.id).where(which))]
    conclude(session, which, now, state="cancelled")
    follow(session, {row.id if row.kind == "batch" else row.batch_id}, now)
    return list(dict.fromkeys(ticket for some in groups(ids) for ticket in told(session, some)))


def forget(session: Session, now: float) -> None:
    """Remove jobs that ended long ago, batches with their parts."""
    old = Job.ticket.is_not(None) & Job.batch_id.is_(None) & (Job.ended_at < now - KEPT_S)
    session.execute(delete(Job).where(old), execution_options=PLAIN)


def _active(
    session: Session, kind: str, home: str, owner: str, subject: str, level: AnalysisLevel, now: float
) -> JobView | None:
    """What an owner has asked for already, by itself and not as a part of a batch, and will get.

    That is, of this service or of one that lives: of another one, nobody knows whether it comes back.
    """
    same = (Job.kind == kind) & (Job.subject == subject) & (Job.level == str(level)) & (Job.owner == owner)
    same &= Job.batch_id.is_(None) & Job.ticket.is_not(None) & Job.state.in_(ACTIVE)
    same &= (Job.home == home) | Job.home.in_(leases.living(now))
    ours_first = (Job.home != home, Job.id)
    row: Row[Any] | None = session.execute(select(*_VIEWED).where(same).order_by(*ours_first).limit(1)).first()
    return None if row is None else JobView(**row._mapping)


def _refuse_kept_elsewhere(session: Session, home: str, subjects: Sequence[str], level: AnalysisLevel) -> None:
    """Accept no job that this service could never do. One with an answer needs no file."""
    away = known.kept_elsewhere(session, subjects, home)
    if away - known.analyzed(session, away, level):
        raise kept_elsewhere()


def _refuse_full(session: Session, home: str, more: int, most: int | None) -> None:
    if most is not None and waiting(session, home, "analysis") + waiting(session, home, "scan") + more > most:
        reason = f"no more than {most} jobs may wait: try again later"
        raise Problem(503, reason, code="queue-full", headers={"Retry-After": str(_RETRY_S)})


def _added(
    session: Session,
    kind: str,
    home: str,
    owner: str,
    subjects: Sequence[str],
    level: AnalysisLevel,
    now: float,
    *,
    batch_id: int | None = None,
) -> str:
    """Queue jobs; the ticket of the last one."""
    same: dict[str, Any] = {"kind": kind, "state": "queued", "home": home, "owner": owner, "level": str(level)}
    same |= {"batch_id": batch_id, "created_at": now, "seen_at": now, "deaths": 0, "version": 1}
    rows = [{**same, "subject": subject, "ticket": secrets.token_hex(16)} for subject in subjects]
    session.execute(insert(Job), rows)
    return str(rows[-1]["ticket"])


def _by_ticket(session: Session, ticket: str) -> JobView:
    return JobView(**session.execute(select(*_VIEWED).where(Job.ticket == ticket)).one()._mapping)
