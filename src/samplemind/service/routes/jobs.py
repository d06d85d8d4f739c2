"""Jobs: what takes a while, and how far it is."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import anyio
import msgspec
from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from samplemind.features.levels import AnalysisLevel
from samplemind.library.folders import is_below
from samplemind.service import audio, jobs, keys, receipts
from samplemind.service.answers import BatchIn, JobOut, JobPage
from samplemind.service.caching import once
from samplemind.service.documents import problems
from samplemind.service.identity import LOCAL, Caller, Scope
from samplemind.service.parts import CallerPart, Service, ServicePart, in_turn
from samplemind.service.problems import Problem, slug
from samplemind.service.routes.audio import Cursor, IdempotencyKey

router = APIRouter(tags=["jobs"])

HEARTBEAT_S: Final = 15.0
"""How often a stream of events says that it lives: proxies close what is silent for a minute."""
State = Literal["queued", "running", "done", "failed", "cancelled", "quarantined"]
_TICKET: Final = re.compile(r"[0-9a-f]{32}")
MOST_STREAMS: Final = 50
"""Streams of events that a caller may have open: connections are few."""
_NO_SUCH: Final = "there is no job of this id"


def shown(job: jobs.JobView) -> dict[str, Any]:
    """A job in the form of `JobOut`."""
    return {
        "id": job.ticket,
        "kind": job.kind,
        "state": job.state,
        "subject": job.subject if job.kind != "scan" else audio.printable(Path(job.subject).name),
        "level": job.level,
        "totals": None if job.totals is None else dict(job.totals),
        "error": None if job.error is None else slug(job.error),
        "reason": None if job.reason is None else audio.printable(job.reason),
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
    }


def accepted(job: jobs.JobView) -> Response:
    """The answer to who asked for something that takes a while."""
    return once(shown(job), 202, {"Location": f"/api/v1/jobs/{job.ticket}"})


def owner_of(caller: Caller) -> str | None:
    """Whose jobs somebody sees: their own; an admin everybody's."""
    return None if caller.scope is Scope.ADMIN else caller.id


@router.get("/jobs", response_model=JobPage, responses=problems())
def list_jobs(
    service: ServicePart,
    caller: CallerPart,
    state: State | None = None,
    batch: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="The parts of this batch.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Cursor = None,
) -> Response:
    """Jobs, the latest first."""
    with service.database.reading() as session:
        found, after = jobs.listed(
            session, owner=owner_of(caller), state=state, batch=batch, limit=limit, cursor=cursor
        )
    return once({"items": [shown(job) for job in found], "cursor": after})


@router.get("/jobs/{job_id}", response_model=JobOut, responses=problems(404))
def get_job(service: ServicePart, caller: CallerPart, job_id: str) -> Response:
    """One job."""
    return once(shown(_found(service, job_id, owner_of(caller))))


@router.delete("/jobs/{job_id}", response_model=JobOut, responses=problems(404))
@in_turn
def cancel_job(service: ServicePart, caller: CallerPart, job_id: str) -> Response:
    """Cancel a job. One that has ended stays as it is."""
    job = _found(service, job_id, owner_of(caller))
    with service.database.writing() as session:
        changed = jobs.cancel(session, job.ticket, owner_of(caller), time.time())
    service.runner.cancelled(changed)
    return once(shown(_found(service, job_id, owner_of(caller))))


@router.get(
    "/jobs/{job_id}/events",
    response_class=Response,
    responses={200: {"description": "Server-sent events.", "content": {"text/event-stream": {}}}, **problems(404)},
)
async def watch_job(
    request: Request,
    service: ServicePart,
    caller: CallerPart,
    job_id: str,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """The job whenever it changes, until it ends: events named ``job``, each with the whole of it."""
    owner = owner_of(caller)
    await anyio.to_thread.run_sync(_found, service, job_id, owner)
    seen = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdecimal() else -1
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if service.streams[caller.id] >= MOST_STREAMS:
        raise Problem(429, f"no more than {MOST_STREAMS} streams of events at once", headers={"Retry-After": "5"})
    events = _counted(service.streams, caller.id, _events(service, caller, job_id, seen))
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _counted(streams: Counter[str], name: str, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    streams[name] += 1
    try:
        async for event in events:
            yield event
    finally:
        streams[name] -= 1


async def _events(service: Service, caller: Caller, job_id: str, seen: int) -> AsyncIterator[bytes]:
    """The job as it is, and again whenever its version has risen: nothing is lost by a connection that was cut."""
    yield b": a job, whenever it changes\n\n"
    while True:
        with service.hub.watching(job_id) as changed:
            try:
                job = await anyio.to_thread.run_sync(_seen_by, service, caller, job_id)
            except Problem:  # it was forgotten meanwhile, or the key was revoked
                return
            if job.version > seen:
                seen = job.version
                yield b"id: %d\nevent: job\ndata: %s\n\n" % (seen, msgspec.json.encode(shown(job)))
            if job.ended:
                return
            if not await changed(HEARTBEAT_S):
                yield b": alive\n\n"


@router.post("/batches", status_code=202, response_model=JobOut, responses=problems(403, 404, 409))
@in_turn
def submit_batch(
    service: ServicePart, caller: CallerPart, body: BatchIn, idempotency_key: IdempotencyKey = None
) -> Response:
    """Analyse much: audio that is there, or a folder of the server that its operator allows."""
    if (body.ids is None) == (body.root is None):
        raise Problem(422, "name either ids or a root", code="unprocessable-content")
    level = AnalysisLevel(body.level)
    wish = _wish(service, body)
    request = f"POST /batches {body.model_dump_json()}"
    with service.database.writing() as session:
        before = receipts.found(session, caller.id, idempotency_key, request)
        if before is not None:
            status, answer = before
        else:
            job = _submitted(service, session, caller, wish, level)
            status, answer = 202, shown(job)
            receipts.keep(session, caller.id, idempotency_key, request, status, answer)
    service.runner.wake()
    return once(answer, status, {"Location": f"/api/v1/jobs/{answer['id']}"})


def _submitted(
    service: Service, session: Session, caller: Caller, wish: str | list[str], level: AnalysisLevel
) -> jobs.JobView:
    most = service.configuration.queue_length
    home, owner, now = service.home, caller.id, time.time()
    if isinstance(wish, str):
        return jobs.submit_scan(session, home=home, owner=owner, root=wish, level=level, now=now, most=most)
    return jobs.submit_batch(session, home=home, owner=owner, subjects=wish, level=level, now=now, most=most)


def _wish(service: Service, body: BatchIn) -> str | list[str]:
    """A folder that may be scanned, or the digests of files that are there: looked up before others must wait."""
    if body.root is not None:
        return _allowed(service, body.root)
    with service.database.reading() as session:
        return audio.digests(session, body.ids or [], service.home)


def _allowed(service: Service, root: str) -> str:
    """A folder that the operator allows, or one below it."""
    with contextlib.suppress(OSError, ValueError):  # no path at all is allowed as little as another one
        asked = os.path.realpath(root)
        if any(is_below(asked, os.path.realpath(allowed)) for allowed in service.configuration.roots):
            return asked
    raise Problem(403, "the operator of this service does not allow this folder", code="root-not-allowed")


def _seen_by(service: Service, caller: Caller, job_id: str) -> jobs.JobView:
    if caller is not LOCAL:
        with service.database.reading() as session:
            if not keys.is_valid(session, caller.id):
                raise Problem(401, "the key was revoked")
    return _found(service, job_id, owner_of(caller))


def _found(service: Service, job_id: str, owner: str | None) -> jobs.JobView:
    job = None
    if _TICKET.fullmatch(job_id):
        with service.database.reading() as session:
            job = jobs.find(session, job_id, owner)
    if job is None:
        raise Problem(404, _NO_SUCH, code="not-found")
    return job
