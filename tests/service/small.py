"""A small service for tests of what is around the real one: four keys, a few routes, and a note of what they saw."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.types import ASGIApp

from samplemind.errors import AnalysisError, LibraryError, QueryError
from samplemind.service.compression import Compression
from samplemind.service.configuration import Configuration
from samplemind.service.guard import Guard
from samplemind.service.heads import Heads
from samplemind.service.identity import Caller, Scope
from samplemind.service.problems import Problem, add_problem_handlers
from tests.service.wire import PATIENCE_S

KEYS = {f"key-{scope}": Caller(f"id-{scope}", scope) for scope in Scope}


class Named(BaseModel):
    name: str
    size: int


class Service:
    """The application, and what was seen of it."""

    def __init__(self, configuration: Configuration, folder: Path | None = None) -> None:
        self.read_bytes = 0
        self.reads = 0
        self.events_ended = asyncio.Event()
        self.seen: list[tuple[str, str, int, int, int]] = []
        self.app: ASGIApp = Guard(
            Heads(Compression(self._application(folder))), configuration, self._authenticate, self._observe
        )

    def saw(self, count: int) -> list[tuple[str, str, int, int, int]]:
        """What was seen, when it is so much: an answer arrives a little before it is noted."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.seen) < count:
            assert time.monotonic() < deadline, self.seen
            time.sleep(0.01)
        return self.seen

    async def _authenticate(self, headers: Headers) -> Caller | None:
        return KEYS.get(headers.get("authorization", "").removeprefix("Bearer "))

    def _observe(self, route: str, method: str, status: int, seconds: float, received: int, sent: int) -> None:
        assert seconds >= 0
        self.seen.append((route, method, status, received, sent))

    def _application(self, folder: Path | None) -> FastAPI:
        app = FastAPI(redirect_slashes=False)
        add_problem_handlers(app)
        routes = APIRouter()

        @app.get("/healthz")
        async def healthz() -> dict[str, str]:
            return {"status": "ok"}

        @routes.post("/session", status_code=204)
        async def session() -> None: ...

        @routes.post("/audio")
        @routes.post("/other")
        async def audio(request: Request) -> dict[str, Any]:
            self.reads += 1
            received = 0
            async for piece in request.stream():
                received += len(piece)
                self.read_bytes += len(piece)
            return {"received": received, "caller": request.state.caller.id}

        @routes.post("/named")
        async def named(body: Named) -> Named:
            return body

        @routes.post("/unread")
        async def unread() -> dict[str, bool]:
            return {"read": False}

        @routes.get("/audio/{digest}")
        async def one(digest: str, level: int = 0) -> dict[str, Any]:
            return {"digest": digest, "level": level}

        @routes.get("/fails/{how}")
        async def fails(how: str) -> None:
            if how == "query":
                raise QueryError(7, "no such field")
            if how == "library":
                raise LibraryError("the library /secret/place/library.db is broken")
            if how == "analysis":
                raise AnalysisError("/secret/place/name.wav", "/secret/place/name.wav holds /secret/other")
            if how == "problem":
                raise Problem(409, "it is so", code="is-so", also=3)
            raise RuntimeError("a secret: /secret/place")

        @routes.get("/text/{length}")
        async def text(length: int) -> PlainTextResponse:
            return PlainTextResponse("a" * length, headers={"etag": '"one"'})

        @routes.get("/document")
        async def document() -> list[int]:
            return list(range(1000))

        @routes.get("/sound")
        async def sound() -> FileResponse:
            assert folder is not None
            return FileResponse(folder / "sound.wav", media_type="audio/wav")

        @routes.get("/script")
        async def script() -> FileResponse:
            assert folder is not None
            return FileResponse(folder / "script.js", media_type="text/javascript")

        @routes.get("/events")
        async def events() -> StreamingResponse:
            async def told() -> AsyncIterator[bytes]:
                try:
                    yield b"data: 1\n\n"
                    await asyncio.sleep(3600)
                finally:
                    self.events_ended.set()

            return StreamingResponse(told(), media_type="text/event-stream")

        @routes.get("/broken")
        async def broken() -> StreamingResponse:
            async def told() -> AsyncIterator[bytes]:
                yield b"x" * 10
                raise RuntimeError("a secret: /secret/place")

            return StreamingResponse(told(), media_type="application/octet-stream")

        @routes.get("/debug/stats")
        async def stats() -> dict[str, int]:
            return {}

        app.include_router(routes, prefix="/api/v1")
        return app
