"""Which bytes a Range asks for, by the examples and the grammar of RFC 9110, 14.1.2 and 14.2."""

from __future__ import annotations

import pytest

from samplemind.service.ranges import ranges

SIZE = 10_000


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("bytes=0-499", [(0, 499)]),
        ("bytes=500-999", [(500, 999)]),
        ("bytes=-500", [(9500, 9999)]),
        ("bytes=9500-", [(9500, 9999)]),
        ("bytes=0-0,-1", [(0, 0), (9999, 9999)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 999), (4500, 5499), (9000, 9999)]),
        ("bytes=500-600,601-999", [(500, 600), (601, 999)]),
        ("bytes=500-700,601-999", [(500, 700), (601, 999)]),
        ("BYTES=,0-0 ,\t,", [(0, 0)]),
        ("bytes=0-99999999999999999999", [(0, 9999)]),
        ("bytes=-99999999999999999999", [(0, 9999)]),
        ("bytes=5-5,10000-", [(5, 5)]),
    ],
)
def test_what_is_there(header: str, found: list[tuple[int, int]]) -> None:
    assert ranges(header, SIZE) == found


@pytest.mark.parametrize("header", ["bytes=10000-", "bytes=10000-10001,20000-", "bytes=-0", "bytes=99999999999999999-"])
def test_what_is_not_there(header: str) -> None:
    assert ranges(header, SIZE) == []


def test_nothing_has_no_parts() -> None:
    assert ranges("bytes=0-", 0) == ranges("bytes=-1", 0) == []


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=2-1",
        "bytes=20000-10000",
        "bytes=0-1,2-1",
        "bytes=0--1",
        "bytes=+1-2",
        "bytes=1_0-20",
        "bytes=٣-٤",
        "bytes=0x0-9",
        "bytes 0-1",
        "lines=0-1",
        "bytes=0-1;2-3",
        "bytes=0-1, bytes=2-3",
        f"bytes={'9' * 5000}-",
        "bytes=0-,0-,0-",
        "bytes=0-100,50-150,100-200",
        "bytes=" + ",".join(f"{start}-" for start in range(100)),
    ],
)
def test_what_is_ignored(header: str) -> None:
    assert ranges(header, SIZE) is None
