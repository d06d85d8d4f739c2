"""The application: what answers which request."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from samplemind.result import document_schema
from samplemind.service.answers import ProblemOut
from samplemind.service.parts import Service
from samplemind.service.problems import add_problem_handlers
from samplemind.service.routes import analysis, audio, jobs, library, operations, sessions
from samplemind.version import __version__

PREFIX: Final = "/api/v1"
_ABOUT: Final = """Audio in, answers out: tempo, key, loudness and timbre of any sound file, and finding sounds by them.

What takes a while is a job; `202` and its `Location` lead to it. Errors are problem documents (RFC 9457)."""

Opening = Callable[[], AbstractAsyncContextManager[Service]]


def application(opening: Opening) -> FastAPI:
    """The application, without what guards it.

    Args:
        opening: a context manager, the service's parts within it.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opening() as service:
            app.state.service = service
            yield

    app = FastAPI(
        title="samplemind",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    api = APIRouter(prefix=PREFIX)
    for each in (audio, analysis, jobs, library, sessions, operations):
        api.include_router(each.router)
    app.include_router(api)
    app.include_router(operations.router, include_in_schema=False)  # where monitors look for them
    add_problem_handlers(app)
    # As FastAPI's documentation has it.
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with what FastAPI can't know: the form of analyses and problems, and how keys are shown."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas["AudioFeatures"] = {name: value for name, value in document_schema().items() if name != "$schema"}
        schemas["ProblemOut"] = _schema(ProblemOut)
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        components["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": sessions.COOKIE},
        }
        document["security"] = [{"key": []}, {"cookie": []}]
        app.openapi_schema = document
    return app.openapi_schema


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(ref_template="#/components/schemas/{model}")
