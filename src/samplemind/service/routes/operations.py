"""For those who run the service: is it well, what does it do, where does the time go."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
import time
from typing import Annotated, Literal

import psutil
from fastapi import APIRouter, Query, Response
from sqlalchemy import text

from samplemind.errors import LibraryError
from samplemind.service.caching import once
from samplemind.service.documents import NO_KEY, problems
from samplemind.service.parts import ServicePart
from samplemind.service.problems import Problem

router = APIRouter(tags=["operations"])
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_profiling = threading.Lock()


@router.get("/healthz", response_model=dict[str, str], openapi_extra=NO_KEY)
async def healthz() -> Response:
    """The process answers."""
    return once({"status": "ok"})


@router.get("/readyz", response_model=dict[str, str], responses=problems(), openapi_extra=NO_KEY)
def readyz(service: ServicePart) -> Response:
    """Database and workers can be used."""
    try:
        with service.database.reading() as session:
            session.execute(text("SELECT 1"))
    except LibraryError:
        raise Problem(503, "the library can't be used", code="not-ready", headers={"Retry-After": "5"}) from None
    if service.runner.trouble() is not None:
        raise Problem(503, "workers can't be started", code="not-ready", headers={"Retry-After": "5"})
    return once({"status": "ok"})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **problems()})
def metrics(service: ServicePart) -> Response:
    """Counts and gauges in Prometheus's text format."""
    return Response(service.measures.exposition(), media_type=_TEXT, headers={"Cache-Control": "no-store"})


@router.get(
    "/debug/profile",
    response_class=Response,
    responses={200: {"content": {"text/html": {}, "application/json": {}}}, **problems(409, 501)},
)
async def profile(
    seconds: Annotated[float, Query(ge=0.1, le=60.0)] = 5.0,
    form: Annotated[Literal["html", "speedscope"], Query(alias="format")] = "html",
) -> Response:
    """Where the time of the event loop's thread goes: as a page, or for speedscope.app."""
    if importlib.util.find_spec("pyinstrument") is None:
        raise Problem(501, "the package pyinstrument is not installed", code="not-installed")
    from pyinstrument import Profiler
    from pyinstrument.renderers import SpeedscopeRenderer

    if not _profiling.acquire(blocking=False):
        raise Problem(409, "somebody else is profiling", code="busy")
    try:
        profiler = Profiler(async_mode="disabled")
        profiler.start()
        try:
            await asyncio.sleep(seconds)
        finally:
            profiler.stop()
    finally:
        _profiling.release()
    if form == "html":
        return Response(profiler.output_html(), media_type="text/html", headers={"Cache-Control": "no-store"})
    body = profiler.output(SpeedscopeRenderer())
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/debug/stats", response_model=dict[str, object], responses=problems())
def stats(service: ServicePart) -> Response:
    """What the process holds, and what its parts counted."""
    process = psutil.Process()
    with process.oneshot():
        own = {
            "uptime_s": round(time.time() - process.create_time(), 3),
            "resident_bytes": process.memory_info().rss,
            "cpu_s": sum(process.cpu_times()[:2]),
            "threads": process.num_threads(),
            "workers": len(process.children()),
        }
    return once(
        {
            "process": own,
            "cache": service.cache.stats().to_dict(),
            "jobs": dict(service.runner.states()),
            "counted": dict(service.runner.counted()),
        }
    )
