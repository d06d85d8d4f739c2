"""What is told of errors, and what is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import exc

from samplemind import errors
from samplemind.errors import LibraryError, SampleMindError
from samplemind.service.problems import Problem, of_error, without_paths
from tests.service.small import Service
from tests.service.wire import asked, configured, serving


@pytest.fixture
def port() -> Iterator[int]:
    with serving(Service(configured(burst=1000)).app, configured()) as port:
        yield port


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nowhere", b"", 404, "not-found"),
        ("GET", "/healthz/", b"", 404, "not-found"),
        ("PUT", "/api/v1/audio", b"", 405, "method-not-allowed"),
        ("STRANGE", "/api/v1/audio", b"", 405, "method-not-allowed"),
        ("GET", "/api/v1/audio/1?level=x", b"", 422, "invalid-request"),
        ("POST", "/api/v1/named", b"{", 422, "invalid-request"),
        ("POST", "/api/v1/named", b'{"name": "a", "size": "\xff"}', 400, "bad-request"),
        ("POST", "/api/v1/named", b'{"name": "\\ud800"}', 422, "invalid-request"),
        ("GET", "/api/v1/fails/query", b"", 400, "query"),
        ("GET", "/api/v1/fails/library", b"", 503, "library-unavailable"),
        ("GET", "/api/v1/fails/analysis", b"", 422, "analysis"),
        ("GET", "/api/v1/fails/problem", b"", 409, "is-so"),
        ("GET", "/api/v1/fails/unexpected", b"", 500, "internal-server-error"),
    ],
)
def test_every_error_is_a_problem(port: int, method: str, path: str, body: bytes, status: int, code: str) -> None:
    answer = asked(port, method, path, {"Content-Type": "application/json"}, body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    document = answer.document
    assert (answer.status, document["status"], document["code"]) == (status, status, code)
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == answer.headers["x-request-id"]
    assert b"secret" not in answer.body


def test_what_else_a_problem_says(port: int) -> None:
    assert asked(port, "GET", "/api/v1/fails/problem").document["also"] == 3
    assert asked(port, "GET", "/api/v1/fails/query").document["column"] == 7
    assert "retry-after" in asked(port, "GET", "/api/v1/fails/library").headers
    faults = asked(port, "GET", "/api/v1/audio/1?level=x").document["errors"]
    assert [(fault["loc"], sorted(fault)) for fault in faults] == [(["query", "level"], ["loc", "msg", "type"])]


def test_all_methods_of_a_path_are_told(port: int) -> None:
    """Two routes have the path of the first: starlette would name the methods of one."""
    assert asked(port, "PUT", "/api/v1/audio").headers["allow"] == "POST"
    assert asked(port, "PUT", "/api/v1/document").headers["allow"] == "GET, HEAD"
    assert asked(port, "PUT", "/healthz").headers["allow"] == "GET, HEAD"


def test_a_range_that_is_not_there(port: int) -> None:
    assert asked(port, "GET", "/api/v1/text/100", {"Range": "bytes=1000-"}).status == 200


def test_an_answer_that_breaks_off_is_seen_to(port: int) -> None:
    """The last chunk, which says that it is whole, never comes."""
    answer = asked(port, "GET", "/api/v1/broken")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.body == b"a\r\n" + b"x" * 10 + b"\r\n"


def from_database(error: Exception) -> LibraryError:
    told = LibraryError("the library /secret is at fault")
    told.__cause__ = exc.OperationalError("SELECT secret", {}, error) if isinstance(error, sqlite3.Error) else error
    return told


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("secret")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (from_database(sqlite_error(sqlite3.SQLITE_BUSY)), 503, "library-busy"),
        (from_database(sqlite_error(sqlite3.SQLITE_BUSY | 2 << 8)), 503, "library-busy"),
        (from_database(sqlite_error(sqlite3.SQLITE_FULL)), 507, "disk-full"),
        (from_database(sqlite_error(sqlite3.SQLITE_CORRUPT)), 503, "library-unavailable"),
        (from_database(TimeoutError("secret")), 503, "library-busy"),
        (from_database(exc.TimeoutError("secret")), 503, "library-busy"),
        (errors.UnsupportedFormatError("/secret/a.wav", "is text"), 415, "unsupported-format"),
        (errors.LimitExceededError("/secret/a.wav", "/secret/a.wav is too long"), 422, "limit-exceeded"),
        (errors.QuarantinedError("/secret/a.wav", "crashed"), 422, "quarantined"),
        (errors.InternalError("/secret/a.wav", "secret"), 500, "internal"),
        (errors.NotInLibraryError("nothing in /secret/secret.wav is here"), 404, "not-in-library"),
        (errors.CursorError("the cursor is damaged"), 400, "cursor"),
        (errors.LibraryValueError("no name"), 422, "library-value"),
        (errors.LevelUnavailableError("no such level"), 422, "level-unavailable"),
        (errors.WorkerStartError("/secret"), 503, "worker-start"),
        (errors.SettingsError("secret"), 500, "settings"),
        (SampleMindError("secret"), 500, "sample-mind"),
    ],
)
def test_errors_of_samplemind(error: SampleMindError, status: int, code: str) -> None:
    problem = of_error(error)
    assert (problem.status, problem.code) == (status, code)
    assert "secret" not in problem.detail
    assert ("retry-after" in problem.headers) == (status == 503)


def test_a_problem_is_named_after_its_status() -> None:
    assert Problem(413, "much").code == Problem(413, "much").title.lower().replace(" ", "-")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("/a/b.wav is no sound", "… is no sound"),
        ("it is 'C:\\a\\b.wav'", "it is '…'"),
        ("see /a/b: no, nor (/c)", "see …: no, nor (…"),
        (
            "1/2 of application/json by a/b is https://a.example/b",
            "1/2 of application/json by a/b is https://a.example/b",
        ),
    ],
)
def test_paths_are_hidden(text: str, hidden: str) -> None:
    assert without_paths(text) == hidden
