"""What is repeated, what is not, and what is told of it: over a network that says what a test wants."""

from __future__ import annotations

import asyncio
import email.utils
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from samplemind.client import AsyncClient, Client
from samplemind.client import wire as wires
from samplemind.errors import FileAccessError, ServiceError, ServiceUnreachableError, SettingsError

URL = "http://service.test"
IDENTITY = {"id": "abc", "scope": "read"}
AUDIO: dict[str, Any] = {"id": "0" * 64, "name": "x", "size_bytes": 3, "added_at": 1.0, "audio_digest": None}
AUDIO |= {"error": None, "reason": None, "files": [], "sound": None}

Answer = httpx.Response | Exception


class Network:
    """Gives one answer after another, and remembers what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers: Iterator[Answer] = iter(answers)
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(request.read())
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **options: Any) -> Client:
        http = httpx.Client(transport=httpx.MockTransport(self))
        return Client(URL, http=http, **options)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it was slept; nobody waits for it."""
    slept: list[float] = []

    async def sleep(_: object, seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(wires.BlockingWire, "sleep", sleep)
    return slept


def busy(status: int = 503, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, json={"status": status})


def test_a_busy_service_is_asked_again_after_the_time_it_wants(pauses: list[float]) -> None:
    network = Network(busy(429, retry_after="7"), busy(503, retry_after="2"), httpx.Response(200, json=IDENTITY))
    with network.client() as client:
        assert client.who().id == "abc"
    assert pauses == [7.0, 2.0]


def test_the_time_may_be_a_date(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000_000.0)
    date = email.utils.formatdate(1_000_000_012, usegmt=True)
    network = Network(busy(503, retry_after=date), httpx.Response(200, json=IDENTITY))
    with network.client() as client:
        client.who()
    assert pauses == [12.0]


def test_pauses_grow_where_nobody_says_how_long(pauses: list[float]) -> None:
    network = Network(*[busy(503)] * 4, httpx.Response(200, json=IDENTITY))
    with network.client() as client:
        client.who()
    assert [0.125 <= pauses[0] <= 0.25, 0.25 <= pauses[1] <= 0.5, 0.5 <= pauses[2] <= 1, 1 <= pauses[3] <= 2] == [
        True
    ] * 4


def test_it_is_given_up_in_the_end(pauses: list[float]) -> None:
    network = Network(*[busy(503)] * 3)
    with network.client(retries=2) as client, pytest.raises(ServiceError) as caught:
        client.who()
    assert caught.value.status == 503
    assert len(network.requests) == 3


def test_a_pause_of_an_hour_is_told_and_not_made(pauses: list[float]) -> None:
    network = Network(busy(429, retry_after="3600"))
    with network.client() as client, pytest.raises(ServiceError):
        client.who()
    assert pauses == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500, 507])
def test_what_is_refused_for_good_is_not_repeated(pauses: list[float], status: int) -> None:
    network = Network(busy(status))
    with network.client() as client, pytest.raises(ServiceError) as caught:
        client.who()
    assert caught.value.status == status


def test_a_lost_answer_is_asked_for_again_where_it_does_no_harm(pauses: list[float]) -> None:
    lost = httpx.ReadError("cut")
    with Network(lost, busy(502), httpx.Response(200, json=IDENTITY)).client() as client:
        client.who()
    network = Network(lost)
    with network.client() as client, pytest.raises(ServiceUnreachableError):
        client.sign_in("sm_x")
    with Network(busy(504)).client() as client, pytest.raises(ServiceError):
        client.delete("0" * 64)


def test_what_was_never_sent_is_sent_again_whatever_it_is(pauses: list[float]) -> None:
    network = Network(httpx.ConnectError("refused"), httpx.Response(200, json=IDENTITY))
    with network.client() as client:
        assert client.sign_in("sm_x").scope == "read"
    assert len(network.requests) == 2


def test_a_problem_document_becomes_the_error() -> None:
    document = {"status": 409, "code": "not-analyzed", "detail": "later", "request_id": "r1"}
    problem = httpx.Response(409, headers={"content-type": "application/problem+json"}, json=document)
    with Network(problem).client() as client, pytest.raises(ServiceError) as caught:
        client.who()
    error = caught.value
    assert (error.status, error.code, error.detail, error.request_id) == (409, "not-analyzed", "later", "r1")
    assert str(error) == "409 not-analyzed: later (request r1)"


def test_so_does_the_page_of_a_proxy() -> None:
    page = httpx.Response(403, headers={"x-request-id": "p7"}, text="<h1>Go away</h1>")
    with Network(page).client() as client, pytest.raises(ServiceError) as caught:
        client.who()
    assert (caught.value.code, caught.value.detail, caught.value.request_id) == ("forbidden", "Forbidden", "p7")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"id": 5, "scope": "read"}'])
def test_an_answer_of_another_form_is_told(body: bytes) -> None:
    with Network(httpx.Response(200, content=body)).client() as client, pytest.raises(ServiceError) as caught:
        client.who()
    assert caught.value.code == "not-understood"


def test_the_key_is_shown_and_never_printed() -> None:
    network = Network(httpx.Response(200, json=IDENTITY))
    with network.client(key="sm_secret") as client:
        client.who()
        assert "secret" not in repr(client) + repr(vars(client))
    assert network.requests[0].headers["authorization"] == "Bearer sm_secret"


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingsError):
        Client(url)


def test_a_key_that_would_break_headers_is_refused() -> None:
    with pytest.raises(SettingsError):
        Client(key="sm_x\r\nHost: elsewhere")


@pytest.mark.parametrize("source", [b"abc", io.BytesIO(b"abc")], ids=["bytes", "file"])
def test_an_upload_is_read_again_from_its_start_under_the_same_key(pauses: list[float], source: Any) -> None:
    network = Network(httpx.WriteError("cut"), busy(503), httpx.Response(201, json=AUDIO))
    with network.client() as client:
        client.upload(source, name="x")
    assert network.bodies == [b"abc"] * 3
    assert {request.headers["content-length"] for request in network.requests} == {"3"}
    assert len({request.headers["idempotency-key"] for request in network.requests}) == 1


def test_a_file_is_uploaded_from_where_it_stands() -> None:
    network = Network(httpx.Response(201, json=AUDIO))
    file = io.BytesIO(b"no-audio")
    file.seek(3)
    with network.client() as client:
        client.upload(file)
    assert network.bodies == [b"audio"]


class _Pipe(io.RawIOBase):
    """Can be read once."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)


def test_a_pipe_is_uploaded_once(pauses: list[float]) -> None:
    network = Network(httpx.Response(201, json=AUDIO))
    with network.client() as client:
        client.upload(io.BufferedReader(_Pipe(b"abc")))
    assert network.bodies == [b"abc"]
    assert network.requests[0].headers["transfer-encoding"] == "chunked"
    with Network(httpx.WriteError("cut")).client() as client, pytest.raises(ServiceUnreachableError):
        client.upload(io.BufferedReader(_Pipe(b"abc")))


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["missing", "folder"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "loop.wav")
    with Network().client() as client, pytest.raises(FileAccessError, match=r"loop\.wav"):
        client.upload(tmp_path / "loop.wav")


def test_both_clients_can_be_asked_the_same() -> None:
    import inspect
    import typing

    def methods(kind: type) -> dict[str, Any]:
        public = {name: value for name, value in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}
        return {name: inspect.signature(value).parameters for name, value in public.items()}

    assert methods(Client) == methods(AsyncClient)
    for name in methods(Client):
        hints = [typing.get_type_hints(getattr(kind, name))["return"] for kind in (Client, AsyncClient)]
        arguments = [typing.get_args(hint)[:1] for hint in hints]
        assert hints[0] == hints[1] or arguments[0] == arguments[1], name
        assert getattr(Client, name).__doc__ == getattr(AsyncClient, name).__doc__


def test_an_event_loop_goes_on_while_a_client_waits() -> None:
    went: list[str] = []
    asked = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        went.append("asked")
        asked.set()
        return busy(503) if len(went) == 1 else httpx.Response(200, json=IDENTITY)

    async def other() -> None:
        await asked.wait()
        went.append("other")

    async def both() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            await asyncio.gather(AsyncClient(URL, http=http).who(), other())

    asyncio.run(both())
    assert went == ["asked", "other", "asked"]
