"""What is told when a request fails: problem documents (RFC 9457), and nothing of the server's insides."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy import exc
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from samplemind import errors
from samplemind.errors import AnalysisError, LibraryError, QueryError, SampleMindError

MEDIA_TYPE: Final = "application/problem+json"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""What a route may answer to: asked one by one for the Allow header of a 405."""
MAX_ERRORS: Final = 20
"""Faults of one request that are told: a body of a thousand wrong values must not give an answer larger than itself."""
RETRY_S: Final = 1
"""When to try again where nobody can say: a writer's transaction is over by then."""

FAILED: Final = "the service failed at this; its log says more"

_LOG: Final = logging.getLogger("samplemind.service")
_BUSY: Final = frozenset({5, 6, "55P03"})  # SQLite's BUSY and LOCKED; PostgreSQL's lock_not_available
_FULL: Final = frozenset({13, "53100"})  # SQLite's FULL; PostgreSQL's disk_full
_ABSOLUTE_PATH: Final = re.compile(r"""(?<![\w.~:/-])(?:/|[A-Za-z]:\\)[^\s'",;:]+""")
_STATUSES: Final[Mapping[type[SampleMindError], int]] = {
    errors.NotInLibraryError: 404,
    errors.QueryError: 400,
    errors.LibraryValueError: 422,
    errors.LevelUnavailableError: 422,
    errors.ExportedFileError: 422,
    errors.AnalysisError: 422,
    errors.OutsideRootsError: 403,
    errors.UnsupportedFormatError: 415,
    errors.InternalError: 500,
    errors.WorkerStartError: 503,
    errors.OutputError: 507,
}
"""By the nearest class; all others are the server's own trouble."""


_TITLES: Final = {413: "Content Too Large", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
"""As RFC 9110 has them: Python's own words for these depend on its version."""


class Problem(Exception):  # noqa: N818 - RFC 9457's own term
    """A request that fails, and what is told of it.

    Args:
        status: of HTTP.
        detail: what is wrong with this request, in words that stand alone.
        code: which problem it is, for programs: never changes. That of the status by default.
        headers: of the answer.
        **extra: more members of the document.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: object,
    ) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.title = _phrase(status)
        self.code = code or self.title.lower().replace(" ", "-")
        self.headers = dict(headers or {})
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail}"


def problem_body(problem: Problem, request_id: str) -> bytes:
    """The document."""
    return json.dumps(
        {
            **problem.extra,
            "type": "about:blank",
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "code": problem.code,
            "request_id": request_id,
        }
    ).encode("ascii")


def problem_response(problem: Problem, request_id: str) -> Response:
    """The answer; nothing keeps it."""
    headers = {"cache-control": "no-store", **problem.headers}
    return Response(problem_body(problem, request_id), problem.status, headers, media_type=MEDIA_TYPE)


def of_error(error: SampleMindError) -> Problem:
    """What is told of an error of samplemind: never where on the server something is."""
    status = next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), 500)
    code = slug(type(error).__name__)
    if isinstance(error, LibraryError):
        return _of_library(error)
    if status in (500, 503):
        headers = {"retry-after": str(RETRY_S)} if status == 503 else None
        return Problem(status, FAILED, code=code, headers=headers)
    if isinstance(error, AnalysisError):
        return Problem(status, without_paths(error.reason.replace(error.path, "the file")), code=code)
    if isinstance(error, QueryError):
        return Problem(status, without_paths(str(error)), code=code, column=error.column)
    return Problem(status, without_paths(str(error)), code=code)


def slug(error: str) -> str:
    """An error's class as a word: limit-exceeded for LimitExceededError."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", error.removesuffix("Error")).lower()


def of_status(status: int, detail: str | None = None, headers: Mapping[str, str] | None = None) -> Problem:
    """What is told where nothing but a status is known."""
    return Problem(status, detail or f"{_phrase(status)}.", headers=headers)


def without_paths(text: str) -> str:
    """A text in which absolute paths are hidden."""
    return _ABSOLUTE_PATH.sub("…", text)


def add_problem_handlers(app: FastAPI) -> None:
    """Have an application answer every error by a problem.

    Unexpected errors are raised on once they are answered: whoever is outermost logs them.
    """
    app.add_exception_handler(HTTPException, _told_of_http)
    app.add_exception_handler(RequestValidationError, _told_of_validation)
    app.add_exception_handler(Problem, _told)
    app.add_exception_handler(SampleMindError, _told_of_error)
    app.add_exception_handler(Exception, _told_of_failure)


async def _told(request: Request, problem: Exception) -> Response:
    if not isinstance(problem, Problem):
        raise TypeError(f"registered for Problem, called with {type(problem).__name__}")
    return problem_response(problem, getattr(request.state, "request_id", ""))


async def _told_of_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, SampleMindError):
        raise TypeError(f"registered for SampleMindError, called with {type(error).__name__}")
    problem = of_error(error)
    if problem.status >= 500:
        _LOG.error("request failed", exc_info=error)
    return await _told(request, problem)


async def _told_of_failure(request: Request, _: Exception) -> Response:
    return await _told(request, of_status(500, FAILED))


async def _told_of_validation(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise TypeError(f"registered for RequestValidationError, called with {type(error).__name__}")
    # Not "input" and "ctx": what was sent is known to the sender, may be long, and may not even be text.
    faults = [{name: fault[name] for name in ("type", "loc", "msg")} for fault in error.errors()[:MAX_ERRORS]]
    first = faults[0] if faults else {"loc": (), "msg": "it is not valid"}
    place = ".".join(str(part) for part in first["loc"])
    return await _told(request, Problem(422, f"{place}: {first['msg']}", code="invalid-request", errors=faults))


async def _told_of_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(f"registered for HTTPException, called with {type(error).__name__}")
    headers = dict(error.headers or {})
    detail = error.detail if error.detail != _phrase(error.status_code) else None
    if error.status_code == 404 and detail is None:
        detail = "nothing is at this path"
    if error.status_code == 405:
        headers = {"allow": ", ".join(_allowed(request))}
        detail = f"this path answers to {headers['allow']}"
    return await _told(request, of_status(error.status_code, detail, headers))


def _allowed(request: Request) -> list[str]:
    """Methods that any route of a path answers to: starlette names those of the first alone."""
    path = {"type": "http", "path": request.scope["path"], "root_path": "", "headers": []}
    routes = request.app.router.routes
    found = {m for m in METHODS if any(route.matches({**path, "method": m})[0] is Match.FULL for route in routes)}
    return [method for method in METHODS if method in found or (method == "HEAD" and "GET" in found)]


def _of_library(error: LibraryError) -> Problem:
    """By the driver's code, which is among the causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TimeoutError | exc.TimeoutError):
            return busy()
        if isinstance(cause, exc.DBAPIError):
            number = getattr(cause.orig, "sqlite_errorcode", None)
            kind = getattr(cause.orig, "sqlstate", None) if number is None else number & 0xFF
            if kind in _BUSY:
                return busy()
            if kind in _FULL:
                return Problem(507, "there is no room left to keep this", code="disk-full")
        cause = cause.__cause__
    headers = {"retry-after": str(RETRY_S)}
    return Problem(503, "the library can't be used just now", code="library-unavailable", headers=headers)


def busy() -> Problem:
    """What is told where others write for too long."""
    headers = {"retry-after": str(RETRY_S)}
    return Problem(503, "the library is busy: nothing was changed", code="library-busy", headers=headers)


def _phrase(status: int) -> str:
    if status in _TITLES:
        return _TITLES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
