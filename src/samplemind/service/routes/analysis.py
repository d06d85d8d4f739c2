"""Analyses: given if they are known, else promised as a job."""

from __future__ import annotations

import functools
import time
from typing import Annotated, Any, Final

import anyio
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from samplemind.features.levels import AnalysisLevel
from samplemind.service import audio, jobs
from samplemind.service.answers import JobOut, Level
from samplemind.service.caching import once, revalidated
from samplemind.service.documents import FEATURES, FEATURES_OR_KNOWN, UPLOAD, problems
from samplemind.service.identity import Caller
from samplemind.service.known import known
from samplemind.service.parts import CallerPart, Service, ServicePart
from samplemind.service.problems import Problem, slug
from samplemind.service.routes.audio import Name, body_of
from samplemind.service.routes.jobs import accepted
from samplemind.service.uploads import Received

router = APIRouter(tags=["analysis"])

_LOOK_S: Final = 2.0
"""How often a job is looked at of which nobody says anything: another process may have ended it."""

Wanted = Annotated[Level, Query(description="How much to find out.")]
_PROMISED: dict[int | str, dict[str, Any]] = {202: {"model": JobOut, "description": "It is being analysed."}}


@router.get("/audio/{audio_id}/analysis", response_class=Response, responses={**FEATURES_OR_KNOWN, **problems(404)})
def get_analysis(request: Request, service: ServicePart, audio_id: str, level: Wanted = "standard") -> Response:
    """What was found out about a file at this level, or a higher one."""
    _, document = _found(service, audio_id, AnalysisLevel(level))
    if document is None:
        reason = "it has not been analysed at this level: POST here does it"
        raise Problem(404, reason, code="not-analyzed")
    return revalidated(request, document)


@router.post(
    "/audio/{audio_id}/analysis",
    response_class=Response,
    responses={**FEATURES, **_PROMISED, **problems(404, 409)},
)
async def analyze_audio(
    service: ServicePart, caller: CallerPart, audio_id: str, level: Wanted = "standard"
) -> Response:
    """Analyse a file: the answer if it is known, else a job."""
    wanted = AnalysisLevel(level)
    digest, document = await anyio.to_thread.run_sync(_found, service, audio_id, wanted)
    if document is not None:
        return once(document)

    def promised() -> dict[str, Any] | jobs.JobView:
        with service.database.writing() as session:
            # A job for it may have ended since.
            return known(session, digest, wanted) or _submitted(service, session, caller, digest, wanted)

    answer = await service.turns.take(promised)
    if not isinstance(answer, jobs.JobView):
        return once(answer)
    service.runner.wake()
    return accepted(answer)


@router.post(
    "/analyze",
    response_class=Response,
    responses={**FEATURES, **_PROMISED, **problems(409, 415, 507)},
    openapi_extra=UPLOAD,
)
async def analyze(
    request: Request,
    service: ServicePart,
    caller: CallerPart,
    level: Wanted = "standard",
    name: Name = None,
    wait_s: Annotated[float, Query(ge=0, le=300, description="How long to wait for the answer.")] = 30.0,
) -> Response:
    """Take a file in, and wait for what it is: one request for scripts. After a time it becomes a job."""
    deadline = time.monotonic() + min(wait_s, service.configuration.wait_s)
    wanted = AnalysisLevel(level)
    body, form = body_of(request)
    async with service.uploads.received(body) as received:
        called = form.name if form is not None else name
        begin = functools.partial(_begun, service, caller, received, called, wanted)
        answer, new = await service.turns.take(begin)
    if new:
        service.measures.count_upload(received.size)
    if not isinstance(answer, jobs.JobView):
        return once(answer)
    service.runner.wake()
    job = await _ended(service, answer, deadline)
    if not job.ended:
        return accepted(job)
    if job.state != "done":
        raise _failed(job)
    find = functools.partial(_known_now, service, received.digest, wanted)
    return once(await anyio.to_thread.run_sync(find))


def _found(service: Service, audio_id: str, level: AnalysisLevel) -> tuple[str, dict[str, Any] | None]:
    """The digest of a file, and what is known of it."""
    with service.database.reading() as session:
        digest = audio.stored(session, audio_id, service.home).row.digest or ""
        return digest, known(session, digest, level)


def _begun(
    service: Service, caller: Caller, received: Received, name: str | None, level: AnalysisLevel
) -> tuple[dict[str, Any] | jobs.JobView, bool]:
    """What is known of an upload, or the job that finds out; and whether the upload is new."""
    digest = received.digest
    with service.uploads.kept(received, name) as (session, _, new):
        return known(session, digest, level) or _submitted(service, session, caller, digest, level), new


def _submitted(service: Service, session: Session, caller: Caller, digest: str, level: AnalysisLevel) -> jobs.JobView:
    most = service.configuration.queue_length
    return jobs.submit(
        session, home=service.home, owner=caller.id, subject=digest, level=level, now=time.time(), most=most
    )


async def _ended(service: Service, job: jobs.JobView, deadline: float) -> jobs.JobView:
    """The job when it has ended, or the time is over."""
    while not job.ended:
        with service.hub.watching(job.ticket) as changed:
            job = await anyio.to_thread.run_sync(_job, service, job)
            left = deadline - time.monotonic()
            if job.ended or left <= 0:
                break
            await changed(min(left, _LOOK_S))
    return job


def _job(service: Service, job: jobs.JobView) -> jobs.JobView:
    with service.database.reading() as session:
        return jobs.find(session, job.ticket, None) or job


def _known_now(service: Service, digest: str, level: AnalysisLevel) -> dict[str, Any]:
    with service.database.reading() as session:
        document = known(session, digest, level)
    if document is None:
        raise Problem(409, "the audio was taken away meanwhile", code="gone")
    return document


def _failed(job: jobs.JobView) -> Problem:
    """What is told of a job that failed."""
    if job.state == "cancelled":
        return Problem(409, "the job was cancelled", code="cancelled")
    reason = audio.printable(job.reason or "it could not be analysed")
    return Problem(422, reason, code=slug(job.error or "analysis"))
