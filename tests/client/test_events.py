"""Server-sent events, and jobs that are watched by them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from samplemind.client import Client
from samplemind.client import wire as wires
from samplemind.client.events import Event, EventReader
from samplemind.errors import ServiceError, ServiceTimeoutError, ServiceUnreachableError

STREAM = (
    b": a comment\n\n"
    b"id: 1\nevent: job\ndata: one\n\n"
    b"data: two\ndata:  lines \xe2\x80\xa8\xc2\x85\n\n"
    b"event: nothing\n\n"
    b"id: 2\r\nevent: job\r\ndata\r\n\r\n"
    b"event: job\ndata: cut off"
)
EVENTS = [Event("1", "job", "one"), Event("1", "message", "two\n lines \u2028\u0085"), Event("2", "job", "")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_however_they_are_cut(size: int) -> None:
    reader = EventReader()
    cut = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [event for chunk in cut for event in reader.events(chunk)] == EVENTS


def job(state: str, **more: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {"id": "j", "kind": "analysis", "state": state, "subject": "0" * 64, "level": "standard"}
    whole |= {"totals": None, "error": None, "reason": None, "created_at": 1.0, "started_at": None, "ended_at": None}
    return {**whole, **more}


def told(number: int, state: str) -> bytes:
    return b"id: %d\nevent: job\ndata: %s\n\n" % (number, json.dumps(job(state)).encode())


class Stream(httpx.SyncByteStream):
    """A body that ends, or breaks."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


class Service:
    """Has streams, and states for who asks; then a job that is done."""

    def __init__(self, streams: list[Stream | int], states: list[str]) -> None:
        self.streams = streams
        self.states = states
        self.last_ids: list[str | None] = []
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            self.last_ids.append(request.headers.get("last-event-id"))
            stream = self.streams.pop(0) if self.streams else 404
            if isinstance(stream, int):
                return httpx.Response(stream, json={})
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)
        self.asked += 1
        return httpx.Response(200, json=job(self.states.pop(0) if self.states else "done"))

    def client(self) -> Client:
        return Client("http://service.test", http=httpx.Client(transport=httpx.MockTransport(self)))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_: object, seconds: float) -> None:
        pass

    monkeypatch.setattr(wires.BlockingWire, "sleep", sleep)


def test_events_tell_all_states() -> None:
    service = Service([Stream(told(1, "queued") + told(2, "running"), told(3, "done"))], [])
    assert [each.state for each in service.client().watch("j")] == ["queued", "running", "done"]
    assert service.asked == 0


def test_a_stream_that_breaks_is_taken_up_where_it_was() -> None:
    cut = Stream(told(1, "queued"), httpx.ReadError("cut"))
    ended = Stream(told(2, "running"))
    service = Service([cut, ended, Stream(told(3, "done"))], ["queued", "running"])
    assert [each.state for each in service.client().watch("j")] == ["queued", "running", "done"]
    assert service.last_ids == [None, "1", "2"]


def test_where_no_event_comes_through_the_job_is_asked_for() -> None:
    silent = Stream(b": a job\n\n", httpx.ReadTimeout("silent"))
    service = Service([silent] * 10, ["queued", "queued", "running", "running", "running", "done"])
    assert [each.state for each in service.client().watch("j")] == ["queued", "running", "done"]
    assert len(service.last_ids) == 3
    assert service.asked == 6


def test_a_page_in_place_of_a_stream_is_no_stream() -> None:
    page = httpx.Response(200, headers={"content-type": "text/html"}, text="hello")

    def answer(request: httpx.Request) -> httpx.Response:
        return page if request.url.path.endswith("/events") else httpx.Response(200, json=job("done"))

    client = Client("http://service.test", http=httpx.Client(transport=httpx.MockTransport(answer)))
    assert client.wait("j").state == "done"


def test_a_job_that_is_not_there_is_told() -> None:
    with pytest.raises(ServiceError) as caught:
        Service([], []).client().wait("j")
    assert caught.value.status == 404


def test_waiting_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr(time, "monotonic", clock)
    service = Service([], [])
    service.streams = [Stream(told(1, "running"))] * 100
    service.states = ["running"] * 100
    with pytest.raises(ServiceTimeoutError):
        service.client().wait("j", timeout_s=20.0)


def test_a_service_that_is_gone_is_waited_for_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    async def sleep(_: object, seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(wires.BlockingWire, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    back_at = [100.0]

    def answer(request: httpx.Request) -> httpx.Response:
        if now[0] < back_at[0]:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json=job("done"))

    client = Client("http://service.test", http=httpx.Client(transport=httpx.MockTransport(answer)))
    assert client.wait("j").state == "done"
    back_at[0] = 1000.0
    with pytest.raises(ServiceUnreachableError):
        client.wait("j")
    assert 200.0 < now[0] < 300.0
