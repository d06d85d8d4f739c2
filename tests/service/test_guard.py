"""Who is let in, and what they are told."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Send
from starlette.types import Scope as Scope_

from samplemind.errors import LibraryError
from samplemind.service.guard import Guard
from samplemind.service.identity import Scope
from samplemind.service.logs import JsonLines
from samplemind.service.permissions import required_scope
from tests.service.small import Service
from tests.service.wire import Answer, asked, configured, said, serving

READ, WRITE, ADMIN = ({"Authorization": f"Bearer key-{scope}"} for scope in Scope)
PAGE = "https://page.example"


@pytest.fixture
def service() -> Service:
    return Service(
        configured(open=False, allowed_hosts=("Sounds.example",), origins=(PAGE,), max_json_bytes=100, burst=1000)
    )


@pytest.fixture
def port(service: Service) -> Iterator[int]:
    with serving(service.app, configured()) as port:
        yield port


def code(answer: Answer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status, answer.document["code"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "sounds.example", "SOUNDS.example.:80", "[::1]:9"],
)
def test_hosts_of_its_own(port: int, host: str) -> None:
    assert asked(port, "GET", "/healthz", host=host).status == 200


STRANGERS = ["evil.example", "sounds.example.evil", "localhost.evil", "127.0.0.1.evil", "a@localhost", "localhost:x"]


@pytest.mark.parametrize("host", [*STRANGERS, "[::", "2130706433", "0x7f.1"])
def test_hosts_of_others(service: Service, port: int, host: str) -> None:
    assert code(asked(port, "GET", "/healthz", host=host)) == (421, "unknown-host")
    assert code(asked(port, "POST", "/api/v1/audio", WRITE, b"abc", host=host)) == (421, "unknown-host")
    assert not service.reads


@pytest.mark.parametrize("target", ["http://localhost:9", "HTTP://sounds.example."])
def test_a_whole_address_is_as_good_as_a_path(service: Service, port: int, target: str) -> None:
    """As proxies are asked; the Host beside it counts for nothing (RFC 9112, 3.2.2)."""
    assert asked(port, "GET", f"{target}/healthz", host="evil.example").document == {"status": "ok"}
    answer = asked(port, "GET", f"{target}/api/v1/audio/a%2Fb?level=3", WRITE, host="evil.example")
    assert answer.status == 404  # as of the same path
    answer = asked(port, "GET", f"{target}/api/v1/audio/a%20b?level=3", WRITE)
    assert answer.document == {"digest": "a b", "level": 3}
    assert [route for route, *_ in service.saw(3)] == ["/healthz", "unmatched", "/api/v1/audio/{digest}"]


@pytest.mark.parametrize("target", ["http://localhost:9", "http://localhost:9/", "http://localhost:9?a=b"])
def test_an_address_alone_is_its_first_page(port: int, target: str) -> None:
    assert code(asked(port, "GET", target, WRITE)) == (404, "not-found")


@pytest.mark.parametrize("stranger", [*STRANGERS, "", "me@localhost", "[::"])
def test_a_whole_address_of_others(service: Service, port: int, stranger: str) -> None:
    target = f"http://{stranger}/api/v1/audio"
    assert code(asked(port, "POST", target, WRITE, b"abc", host="localhost")) == (421, "unknown-host")
    assert not service.reads


def test_a_whole_address_needs_the_same_key_and_the_same_page(service: Service, port: int) -> None:
    target = "http://localhost:9/api/v1/audio"
    assert code(asked(port, "POST", target, {}, b"abc")) == (401, "unauthorized")
    foreign = {**WRITE, "Origin": "http://evil.example"}
    assert code(asked(port, "POST", target, foreign, b"abc", host="evil.example")) == (403, "foreign-origin")
    assert not service.reads
    assert asked(port, "POST", target, {**WRITE, "Origin": "http://localhost:9"}, b"abc").status == 200


@pytest.mark.parametrize("target", ["https://localhost/healthz", "ftp://localhost/healthz"])
def test_what_is_no_http_is_not_here(port: int, target: str) -> None:
    assert code(asked(port, "GET", target, WRITE)) == (404, "not-found")


def test_what_the_service_can_be_asked(port: int) -> None:
    answer = asked(port, "OPTIONS", "*")
    assert (answer.status, answer.body) == (204, b"")
    assert {"GET", "HEAD", "POST"} <= set(answer.headers["allow"].split(", "))
    assert code(asked(port, "OPTIONS", "*", host="evil.example")) == (421, "unknown-host")
    assert code(asked(port, "GET", "*", WRITE)) == (404, "not-found")


@pytest.mark.parametrize("origin", ["http://localhost:9", "HTTP://LocalHost:9", PAGE])
def test_pages_that_may(port: int, origin: str) -> None:
    answer = asked(port, "POST", "/api/v1/audio", {**WRITE, "Origin": origin}, b"abc", host="localhost:9")
    assert answer.status == 200
    assert answer.headers.get("access-control-allow-origin") == (PAGE if origin == PAGE else None)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:8"},
        {"Origin": "http://localhost"},
        {"Origin": "https://localhost:9"},
        {"Origin": "http://evil.example"},
        {"Origin": f"{PAGE}.evil"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "STRANGE"])
def test_pages_that_may_not(service: Service, port: int, method: str, headers: dict[str, str]) -> None:
    answer = asked(port, method, "/api/v1/audio", {**WRITE, **headers}, host="localhost:9")
    assert code(answer) == (403, "foreign-origin")
    assert "access-control-allow-origin" not in answer.headers
    assert not service.reads


def test_pages_elsewhere_may_ask_what_they_may(port: int) -> None:
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, x-evil: y"}
    answer = asked(port, "OPTIONS", "/api/v1/audio", {"Origin": PAGE, **asking})
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-headers"] == "authorization"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in answer.headers
    foreign = asked(port, "OPTIONS", "/api/v1/audio", {"Origin": "https://evil.example", **asking})
    assert code(foreign) == (401, "unauthorized")
    assert "access-control-allow-origin" not in foreign.headers


def test_allowed_pages_may_read_refusals(port: int) -> None:
    answer = asked(port, "GET", "/api/v1/document", {"Origin": PAGE})
    assert answer.status == 401
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/healthz", None),
        ("HEAD", "/readyz", None),
        ("POST", "/healthz", Scope.WRITE),
        ("POST", "/api/v1/session", None),
        ("GET", "/api/v1/session", Scope.READ),
        ("POST", "/api/v1/session/", Scope.WRITE),
        ("GET", "/metrics", Scope.READ),
        ("GET", "/openapi.json", Scope.READ),
        ("HEAD", "/api/v1/audio", Scope.READ),
        ("OPTIONS", "/api/v1/audio", Scope.WRITE),
        ("DELETE", "/nowhere", Scope.WRITE),
        ("GET", "/api/v1/debug", Scope.ADMIN),
        ("GET", "/api/v1/debug/stats", Scope.ADMIN),
    ],
)
def test_what_a_key_must_cover(method: str, path: str, needed: Scope | None) -> None:
    assert required_scope(method, path) == needed


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic key-admin"}])
@pytest.mark.parametrize("path", ["/api/v1/audio", "/nowhere", "/api/v1/debug/stats"])
def test_without_a_key(service: Service, port: int, path: str, headers: dict[str, str]) -> None:
    answer = asked(port, "POST", path, headers, b"abc")
    assert code(answer) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["connection"] == "close"
    assert not service.reads


def test_keys_are_good_for_what_they_say(port: int) -> None:
    assert asked(port, "GET", "/api/v1/document", READ).status == 200
    assert code(asked(port, "POST", "/api/v1/audio", READ, b"abc")) == (403, "insufficient-scope")
    assert asked(port, "POST", "/api/v1/audio", WRITE, b"abc").document == {"received": 3, "caller": "id-write"}
    assert code(asked(port, "GET", "/api/v1/debug/stats", WRITE)) == (403, "insufficient-scope")
    assert asked(port, "GET", "/api/v1/debug/stats", ADMIN).status == 200
    assert asked(port, "POST", "/api/v1/session").status == 204


def test_who_is_not_known_learns_nothing_of_sizes(port: int) -> None:
    assert code(asked(port, "POST", "/api/v1/named", {"Content-Length": "999999999"})) == (401, "unauthorized")


def test_only_uploads_may_be_large(service: Service, port: int) -> None:
    assert asked(port, "POST", "/api/v1/audio", WRITE, bytes(101)).document["received"] == 101
    assert asked(port, "POST", "/api/v1/other", WRITE, bytes(100)).document["received"] == 100
    assert code(asked(port, "POST", "/api/v1/other", WRITE, bytes(101))) == (413, "body-too-large")
    chunked = {**WRITE, "Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    too_long = b"65\r\n" + bytes(101) + b"\r\n0\r\n\r\n"
    lines = [f"{name}: {value}" for name, value in chunked.items()]

    for path in ("/api/v1/other", "/api/v1/named"):  # FastAPI reads the second body by itself, and catches errors
        head = "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()
        assert code(said(port, head + too_long)) == (413, "body-too-large")
    assert service.reads == 3


def test_who_asks_too_often_waits() -> None:
    service = Service(configured(open=False, requests_per_s=0.01, burst=3))
    with serving(service.app, configured()) as port:
        assert [asked(port, "GET", "/api/v1/document", READ).status for _ in range(3)] == [200] * 3
        answer = asked(port, "GET", "/api/v1/document", READ)
        assert code(answer) == (429, "rate-limited")
        assert 90 <= int(answer.headers["retry-after"]) <= 100
        assert asked(port, "GET", "/api/v1/document", WRITE).status == 200  # each key has a bucket of its own
        assert asked(port, "GET", "/healthz").status == 200
        wrong = [asked(port, "GET", "/api/v1/document").status for _ in range(4)]
        assert wrong == [401, 401, 401, 429]
        assert asked(port, "POST", "/api/v1/session").status == 429  # where keys can be tried too
        assert asked(port, "GET", "/api/v1/document", WRITE).status == 200  # whoever has a key isn't shut out


def test_request_ids(port: int) -> None:
    assert asked(port, "GET", "/healthz", {"X-Request-ID": "mine-1.2_3"}).headers["x-request-id"] == "mine-1.2_3"
    made = {
        asked(port, "GET", "/healthz", {"X-Request-ID": bad}).headers["x-request-id"]
        for bad in ("", "a b", "ä", "a" * 65)
    }
    assert len(made) == 4
    assert not made & {"", "a b", "ä", "a" * 65}
    assert asked(port, "GET", "/nowhere", {**READ, "X-Request-ID": "mine"}).document["request_id"] == "mine"


def test_every_answer_says_that_it_is_what_it_says(port: int) -> None:
    for path in ("/healthz", "/nowhere", "/api/v1/document"):
        answer = asked(port, "GET", path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_requests_are_observed_by_route(service: Service, port: int) -> None:
    asked(port, "GET", "/api/v1/audio/0123?level=3", READ)
    asked(port, "HEAD", "/api/v1/audio/0123", READ)
    asked(port, "POST", "/api/v1/audio", WRITE, b"abc")
    asked(port, "STRANGE", "/secret-path", WRITE)
    asked(port, "DELETE", "/api/v1/document", WRITE)
    told = [(route, method, status, received) for route, method, status, received, _ in service.saw(5)]
    assert told == [
        ("/api/v1/audio/{digest}", "GET", 200, 0),
        ("/api/v1/audio/{digest}", "HEAD", 200, 0),
        ("/api/v1/audio", "POST", 200, 3),
        ("unmatched", "OTHER", 404, 0),
        ("/api/v1/document", "DELETE", 405, 0),
    ]


def test_the_log_tells_no_secrets(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = asked(port, "GET", "/api/v1/fails/secret-name?query=secret", {**READ, "Cookie": "samplemind=secret"})
    assert answer.status == 500
    asked(port, "GET", "/api/v1/fails/library", READ)
    asked(port, "GET", "/secret?secret", READ)
    # pytest listens to uvicorn's own log of requests although that is off.
    lines = [JsonLines().format(record) for record in caplog.records if record.name != "uvicorn.access"]
    assert lines
    assert not [line for line in lines if "secret" in line or "key-" in line or "\n" in line]
    documents = [json.loads(line) for line in lines]
    ours = [each for each in documents if each.get("request_id") == answer.headers["x-request-id"]]
    failure, request = ours
    assert (failure["event"], failure["level"]) == ("request failed", "error")
    assert failure["errors"][0]["type"] == "builtins.RuntimeError"
    assert failure["errors"][0]["calls"][-1].startswith("tests.service.small:")
    assert {name: request[name] for name in ("event", "method", "route", "status", "caller", "bytes_in")} == {
        "event": "request",
        "method": "GET",
        "route": "/api/v1/fails/{how}",
        "status": 500,
        "caller": "id-read",
        "bytes_in": 0,
    }
    assert request["bytes_out"] == len(answer.body)
    # One failure is told once, whoever saw it pass.
    assert sum("errors" in each for each in documents) == 2


def test_who_can_not_be_asked_for_is_not_let_in() -> None:
    async def authenticate(_: object) -> None:
        raise LibraryError("the library /secret is locked")

    service = Service(configured())
    guard = Guard(service.app, configured(open=False), authenticate)
    with serving(guard, configured()) as port:
        answer = asked(port, "GET", "/api/v1/document", READ)
        assert code(answer) == (503, "library-unavailable")
        assert b"secret" not in answer.body
        assert asked(port, "GET", "/healthz").status == 200


def test_what_is_no_request() -> None:
    reached: list[str] = []
    sent: list[str] = []

    async def app(scope: Scope_, receive: Receive, send: Send) -> None:
        reached.append(scope["type"])

    async def authenticate(_: Headers) -> None: ...

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    guard = Guard(app, configured(), authenticate)
    asyncio.run(guard({"type": "lifespan"}, receive, send))
    assert (reached, sent) == (["lifespan"], [])
    asyncio.run(guard({"type": "websocket", "path": "/", "headers": []}, receive, send))
    assert (reached, sent) == (["lifespan"], ["websocket.close"])
