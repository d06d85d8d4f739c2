"""What comes over the wire that no client of good will would send."""

from __future__ import annotations

import contextlib
import itertools
import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from samplemind.service import closing, protocol
from tests.service.small import Service
from tests.service.wire import (
    PATIENCE_S,
    Answer,
    asked,
    configured,
    connected,
    heard,
    next_answer,
    parsed,
    said,
    serving,
)

LIMIT = 300_000
HEAD = b"Host: 127.0.0.1\r\n"
CROWD = 200


@pytest.fixture
def service() -> Service:
    return Service(
        configured(
            max_upload_bytes=LIMIT,
            max_json_bytes=LIMIT,
            header_timeout_s=1.0,
            body_grace_s=1.0,
            min_body_bytes_per_s=1e4,
            burst=10_000,
        )
    )


@pytest.fixture
def port(service: Service) -> Iterator[int]:
    with serving(service.app, configured(header_timeout_s=1.0)) as port:
        yield port


def is_problem(answer: Answer, status: int, code: str) -> bool:
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.document
    assert answer.headers["x-request-id"] == document["request_id"] != ""
    assert int(answer.headers["content-length"]) == len(answer.body)
    return (answer.status, document["status"], document["code"]) == (status, status, code)


def request(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


@pytest.mark.parametrize("expecting", [(), ("Expect: 100-continue",)])
@pytest.mark.parametrize("path", ["/api/v1/audio", "/api/v1/named", "/nowhere"])
def test_ten_gigabytes_are_refused_unread(service: Service, port: int, path: str, expecting: tuple[str, ...]) -> None:
    answer = said(port, request(path, f"Content-Length: {10 * 2**30}", *expecting))
    assert is_problem(answer, 413, "body-too-large")
    assert answer.headers["connection"] == "close"
    assert answer.document["limit_bytes"] == LIMIT
    assert service.reads == 0


def test_a_body_is_asked_for_when_it_is_wanted(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(request("/api/v1/audio", "Content-Length: 3", "Expect: 100-continue", "Connection: close"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"abc")
        answer = parsed(heard(connection))
    assert answer.document == {"received": 3, "caller": "local"}


def test_the_answer_reaches_a_client_that_sends_all_the_same(port: int) -> None:
    """Without its connection being reset under it: it reads only when it has sent everything."""
    length = closing.LINGER_BYTES // 2
    answer = said(port, request("/api/v1/audio", f"Content-Length: {length}"), [bytes(length)])
    assert is_problem(answer, 413, "body-too-large")


def test_endless_chunks_are_refused_when_they_are_too_many(service: Service, port: int) -> None:
    with connected(port) as connection:
        connection.sendall(request("/api/v1/audio", "Transfer-Encoding: chunked"))
        connection.settimeout(PATIENCE_S)
        sent = 0
        try:
            for _ in range(closing.LINGER_BYTES * 100 // 0x10000):
                connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                sent += 0x10000
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            pytest.fail(f"all {sent} bytes were taken")
    assert service.read_bytes <= LIMIT


def test_chunks_beyond_the_limit_are_told(service: Service, port: int) -> None:
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    answer = said(port, request("/api/v1/audio", "Transfer-Encoding: chunked"), [chunk] * 10)
    assert is_problem(answer, 413, "body-too-large")
    assert service.read_bytes <= LIMIT


@pytest.mark.parametrize(
    ("lines", "status", "code"),
    [
        (("Content-Length: -1",), 400, "bad-request"),
        (("Content-Length: 1e3",), 400, "bad-request"),
        (("Content-Length: 3", "Content-Length: 4"), 400, "bad-request"),
        (("Content-Length: 3", "Transfer-Encoding: chunked"), 400, "bad-length"),
        (("Transfer-Encoding: chunked", "Content-Length: 3"), 400, "bad-length"),
        (("Transfer-Encoding: gzip, chunked",), 501, "not-implemented"),
        (("Host: another.example",), 400, "bad-request"),
        (("no header",), 400, "bad-request"),
        (("A: " + "a" * 70_000,), 431, "request-header-fields-too-large"),
    ],
)
def test_requests_that_are_none(service: Service, port: int, lines: tuple[str, ...], status: int, code: str) -> None:
    # What follows would be a request of its own to who sees another end of the first.
    answer = said(port, request("/api/v1/audio", *lines) + b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert is_problem(answer, status, code)
    assert answer.headers["connection"] == "close"
    assert service.reads == 0


def test_a_damaged_chunk_ends_the_request(service: Service, port: int) -> None:
    answer = said(port, request("/api/v1/audio", "Transfer-Encoding: chunked") + b"3\r\nabc\r\nzz\r\n")
    assert is_problem(answer, 400, "bad-request")


def test_no_request_at_all(port: int) -> None:
    assert is_problem(said(port, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"), 400, "bad-request")


def saying(port: int, begun: bytes) -> socket.socket:
    connection = connected(port)
    connection.sendall(begun)
    return connection


def all_answers(connections: list[socket.socket], piece: Iterator[bytes]) -> list[bytes]:
    """What each says in the end, while all go on sending piece by piece, slowly."""
    heard: dict[socket.socket, bytearray] = {connection: bytearray() for connection in connections}
    open_ones = set(connections)
    for connection in connections:
        connection.setblocking(False)
    deadline = time.monotonic() + PATIENCE_S
    while open_ones:
        assert time.monotonic() < deadline, f"{len(open_ones)} are still open"
        time.sleep(0.1)
        more = next(piece)
        for connection in list(open_ones):
            try:
                connection.send(more)
                data = connection.recv(65536)
            except BlockingIOError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                data = b""
            heard[connection] += data
            if not data:
                open_ones.remove(connection)
                connection.close()
    return [bytes(each) for each in heard.values()]


def test_slow_heads_all_at_once(service: Service, port: int) -> None:
    crowd = [saying(port, b"GET /healthz HTTP/1.1\r\n") for _ in range(CROWD)]
    assert asked(port, "GET", "/healthz").status == 200
    answers = all_answers(crowd, (f"A{i}: b\r\n".encode() for i in itertools.count()))
    assert all(is_problem(parsed(each), 408, "headers-too-slow") for each in answers)
    assert [route for route, *_ in service.saw(1)] == ["/healthz"]


def test_silent_connections_are_closed(port: int) -> None:
    crowd = [connected(port) for _ in range(CROWD)]
    assert [heard(each) for each in crowd] == [b""] * CROWD
    for each in crowd:
        each.close()


def test_slow_bodies_all_at_once(service: Service, port: int) -> None:
    crowd = [saying(port, request("/api/v1/audio", f"Content-Length: {LIMIT}") + b"begun") for _ in range(CROWD)]
    assert asked(port, "GET", "/healthz").status == 200
    answers = all_answers(crowd, itertools.repeat(b"x"))
    assert all(is_problem(parsed(each), 408, "body-too-slow") for each in answers)


def test_slow_enough_is_not_too_slow() -> None:
    """Four seconds for a body, in pieces that keep to the least rate; the grace alone is two."""

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            time.sleep(0.2)
            yield bytes(4000)

    service = Service(configured(body_grace_s=2.0, min_body_bytes_per_s=5e3))
    with serving(service.app, configured()) as port:
        answer = said(port, request("/api/v1/audio", "Content-Length: 80000", "Connection: close"), pieces())
    assert answer.document["received"] == 80000


def test_a_long_answer_may_wait_after_the_body(service: Service, port: int) -> None:
    """The deadlines are those of requests: a stream of events has none."""
    with connected(port) as connection:
        connection.sendall(b"GET /api/v1/events HTTP/1.1\r\n" + HEAD + b"\r\n")
        received = b""
        while b"data: 1\n\n" not in received:
            received += connection.recv(65536)
        connection.settimeout(2.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert service.saw(1) == [("/api/v1/events", "GET", 499, 0, 9)]
    assert service.events_ended.is_set()
    assert b"content-encoding" not in received


def test_a_connection_is_kept_for_the_next_request(port: int) -> None:
    with connected(port) as connection:
        for _ in range(3):
            connection.sendall(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert next_answer(connection).document == {"status": "ok"}
        # Both are answered, in order, though they came at once.
        both = [b"GET " + path + b" HTTP/1.1\r\n" + HEAD + b"\r\n" for path in (b"/healthz", b"/nowhere")]
        connection.sendall(b"".join(both))
        assert next_answer(connection).document == {"status": "ok"}
        assert is_problem(next_answer(connection), 404, "not-found")
        # A head that begins on it is waited for no longer than a first one.
        connection.sendall(b"GET /healthz")
        assert is_problem(parsed(heard(connection)), 408, "headers-too-slow")


def test_what_was_not_read_is_not_the_next_request(service: Service, port: int) -> None:
    hidden = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = said(port, request("/api/v1/unread", f"Content-Length: {len(hidden)}"), [hidden])
    assert answer.document == {"read": False}
    assert answer.headers["connection"] == "close"
    assert [route for route, *_ in service.saw(1)] == ["/api/v1/unread"]


def test_a_client_that_leaves_is_no_failure(service: Service, port: int, caplog: pytest.LogCaptureFixture) -> None:
    with connected(port) as connection:
        connection.sendall(request("/api/v1/audio", f"Content-Length: {LIMIT}") + b"begun")
        deadline = time.monotonic() + PATIENCE_S
        while not service.read_bytes:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert service.saw(1) == [("/api/v1/audio", "POST", 499, 5, service.seen[0][4])]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_new_connection_takes_the_place_of_the_longest_idle(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol.GuardedProtocol, "max_connections", 3)
    with serving(service.app, configured(header_timeout_s=PATIENCE_S)) as port:
        first = connected(port)
        busy = connected(port)
        busy.sendall(b"GET /api/v1/events HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert busy.recv(1)
        third = connected(port)
        assert asked(port, "GET", "/healthz").status == 200
        assert heard(first) == b""
        third.sendall(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert next_answer(third).status == 200
        for each in (first, busy, third):
            each.close()


def test_no_more_connections_than_can_be_served(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol.GuardedProtocol, "max_connections", 2)
    with serving(service.app, configured()) as port:
        busy = [connected(port) for _ in range(2)]
        for each in busy:
            each.sendall(b"GET /api/v1/events HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert each.recv(1)
        answer = said(port, b"")
        assert is_problem(answer, 503, "too-many-connections")
        assert answer.headers["retry-after"] == "1"
        for each in busy:
            each.close()


EVENTS = b"GET /api/v1/events HTTP/1.1\r\n" + HEAD + b"\r\n"
ELSEWHERE = pytest.mark.skipif(sys.platform != "linux", reason="no other machine can be had on this system")


def working(port: int, source: str) -> socket.socket:
    """A connection with an answer that does not end."""
    connection = connected(port, source)
    connection.sendall(EVENTS)
    assert connection.recv(1)
    return connection


@ELSEWHERE
def test_one_address_takes_no_more_than_its_share(service: Service) -> None:
    with serving(service.app, configured(connections_per_address=3)) as port, contextlib.ExitStack() as open_ones:
        for _ in range(3):
            open_ones.enter_context(working(port, "127.0.0.2"))
        with connected(port, "127.0.0.2") as refused:
            answer = parsed(heard(refused))
        assert is_problem(answer, 429, "too-many-connections")
        assert answer.headers["retry-after"] == "1"
        for _ in range(3):
            open_ones.enter_context(working(port, "127.0.0.3"))
        for _ in range(5):  # a proxy on this machine
            open_ones.enter_context(working(port, "127.0.0.1"))


@ELSEWHERE
def test_who_has_its_share_gives_up_what_is_idle(service: Service) -> None:
    """Its own, and not the idle ones of others, which have been so for longer."""
    settings = configured(header_timeout_s=PATIENCE_S, connections_per_address=2)
    with serving(service.app, settings) as port, contextlib.ExitStack() as open_ones:
        other = open_ones.enter_context(connected(port, "127.0.0.3"))
        slow = open_ones.enter_context(connected(port, "127.0.0.2"))
        slow.sendall(b"GET /healthz HTTP/1.1\r\n")
        for _ in range(2):
            open_ones.enter_context(working(port, "127.0.0.2"))
        assert heard(slow) == b""
        other.sendall(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert next_answer(other).status == 200


@ELSEWHERE
def test_refusals_that_nobody_takes_are_no_way_to_more(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each keeps its connection until its client closes, or has had time to."""
    monkeypatch.setattr(closing, "LINGER_S", PATIENCE_S)
    with serving(service.app, configured(connections_per_address=2)) as port, contextlib.ExitStack() as open_ones:
        for _ in range(2):
            open_ones.enter_context(working(port, "127.0.0.2"))
        for _ in range(2):
            refused = open_ones.enter_context(connected(port, "127.0.0.2"))
            assert is_problem(parsed(heard(refused)), 429, "too-many-connections")
        last = open_ones.enter_context(connected(port, "127.0.0.2"))
        with contextlib.suppress(ConnectionResetError):
            assert heard(last) == b""


def test_an_answer_that_nobody_takes_is_given_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = threading.Event()
    connection_lost = protocol.GuardedProtocol.connection_lost

    def noted(self: protocol.GuardedProtocol, error: Exception | None) -> None:
        connection_lost(self, error)
        lost.set()

    monkeypatch.setattr(protocol.GuardedProtocol, "connection_lost", noted)
    monkeypatch.setattr(protocol, "STALL_S", 0.5)
    with serving(service.app, configured()) as port, connected(port) as connection:
        connection.sendall(b"GET /api/v1/text/50000000 HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert lost.wait(PATIENCE_S)
        received = bytearray()
        try:
            while piece := connection.recv(1 << 20):
                received += piece
        except ConnectionResetError:
            pass
        assert len(received) < 50_000_000
