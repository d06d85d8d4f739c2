"""HEAD and gzip: the same answer without its body, and in fewer bytes."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from samplemind.service.compression import MIN_BYTES, takes_gzip
from tests.service.small import Service
from tests.service.wire import asked, configured, serving

GZIP = {"Accept-Encoding": "gzip"}
BY_CONNECTION = {"x-request-id", "date"}


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "sound.wav").write_bytes(bytes(10_000))
    (tmp_path / "script.js").write_bytes(b"let a = 1;\n" * 100_000)
    with serving(Service(configured(burst=1000), tmp_path).app, configured()) as port:
        yield port


@pytest.mark.parametrize("headers", [{}, GZIP])
@pytest.mark.parametrize(
    "path",
    ["/healthz", "/api/v1/document", "/api/v1/text/5000", "/api/v1/sound", "/nowhere", "/api/v1/audio/1?level=x"],
)
def test_head_is_get_without_a_body(port: int, path: str, headers: dict[str, str]) -> None:
    got, head = asked(port, "GET", path, headers), asked(port, "HEAD", path, headers)
    assert head.body == b""
    assert head.status == got.status
    same = [{name: value for name, value in each.headers.items() if name not in BY_CONNECTION} for each in (got, head)]
    if got.status >= 400:  # its length is that of the request's id
        same = [{name: value for name, value in each.items() if name != "content-length"} for each in same]
    assert same[0] == same[1]


def test_head_reads_no_file(port: int, tmp_path: Path) -> None:
    """Of a file of a terabyte, which is a hole."""
    with (tmp_path / "sound.wav").open("wb") as file:
        os.truncate(file.fileno(), 2**40)
    head = asked(port, "HEAD", "/api/v1/sound", {"Range": "bytes=0-"})
    assert (head.status, head.headers["content-length"], head.body) == (200, str(2**40), b"")


def test_head_of_a_stream_ends(port: int) -> None:
    assert asked(port, "HEAD", "/api/v1/events").headers["content-type"].startswith("text/event-stream")


def test_text_is_compressed(port: int) -> None:
    answer = asked(port, "GET", "/api/v1/text/5000", GZIP)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["etag"] == 'W/"one"'
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert gzip.decompress(answer.body) == b"a" * 5000
    document = asked(port, "GET", "/api/v1/document", GZIP)
    assert json.loads(gzip.decompress(document.body)) == list(range(1000))


def test_a_large_answer_is_compressed_in_a_thread(port: int) -> None:
    assert gzip.decompress(asked(port, "GET", "/api/v1/text/1000000", GZIP).body) == b"a" * 1_000_000


def test_a_stream_is_compressed_piece_by_piece(port: int) -> None:
    answer = asked(port, "GET", "/api/v1/script", GZIP)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["transfer-encoding"] == "chunked"
    rest, body = answer.body, b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    assert gzip.decompress(body) == b"let a = 1;\n" * 100_000


@pytest.mark.parametrize(
    ("path", "headers", "vary"),
    [
        ("/api/v1/text/5000", {}, "Accept-Encoding"),
        ("/api/v1/text/5000", {"Accept-Encoding": "br"}, "Accept-Encoding"),
        (f"/api/v1/text/{MIN_BYTES - 1}", GZIP, "Accept-Encoding"),
        ("/api/v1/sound", GZIP, None),
        ("/api/v1/script", {**GZIP, "Range": "bytes=0-4999"}, None),
    ],
)
def test_what_stays_as_it_is(port: int, path: str, headers: dict[str, str], vary: str | None) -> None:
    answer = asked(port, "GET", path, headers)
    assert "content-encoding" not in answer.headers
    assert answer.headers.get("vary") == vary
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_a_range_beyond_the_end_is_a_problem(port: int) -> None:
    answer = asked(port, "GET", "/api/v1/sound", {"Range": "bytes=10000-"})
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */10000")
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["content-length"]) == len(answer.body)


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("", False),
        ("identity", False),
        ("gzipped", False),
        ("gzip;q=x", False),
    ],
)
def test_who_takes_gzip(header: str, takes: bool) -> None:
    assert takes_gzip(header) is takes
