"""Parts of files: Range and If-Range (RFC 9110, 14.2 and 13.1.5).

Starlette sends them, but refuses what a server ignores: other units, what is no range, a range that is not there beside
one that is. So what it is given to read is only what can be sent.
"""

from __future__ import annotations

import os
import re
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from samplemind.service.problems import Problem

_RANGE: Final = re.compile(r"(?P<first>[0-9]{1,100})-(?P<last>[0-9]{0,100})|-(?P<length>[0-9]{1,100})")
_MOST_OVERLAPS: Final = 1
"""RFC 9110, 14.2: who asks for the same bytes three times is broken, or means harm."""


class SentFile(FileResponse):
    """A file, or the parts of it that are asked for; its headers have its entity tag.

    It does not say when it was modified: the tag tells its content, and copies of one content have several dates.
    """

    def set_stat_headers(self, stat_result: os.stat_result) -> None:
        """How long it is."""
        self.headers.setdefault("content-length", str(stat_result.st_size))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            Problem: 416: nothing of what is asked for is there.
        """
        asked = Headers(scope=scope)
        headers = [(name, value) for name, value in scope["headers"] if name not in (b"range", b"if-range")]
        if asked.get("if-range", self.headers["etag"]) == self.headers["etag"]:
            size = int(self.headers["content-length"])
            found = ranges(", ".join(asked.getlist("range")), size)
            if found == []:
                there = {"Content-Range": f"bytes */{size}"}
                raise Problem(416, f"the file has {size} bytes: there are none in this range", headers=there)
            if found is not None:
                told = ",".join(f"{first}-{last}" for first, last in found)
                headers.append((b"range", f"bytes={told}".encode("ascii")))
        await super().__call__({**scope, "headers": headers}, receive, send)


def ranges(header: str, size: int) -> list[tuple[int, int]] | None:
    """First and last byte of each range that is there; None where the header is to be ignored.

    Args:
        header: what Range says.
        size: of all, in bytes.
    """
    unit, _, wanted = header.partition("=")
    found = []
    parts = [_RANGE.fullmatch(part.strip(" \t")) for part in wanted.split(",") if part.strip(" \t")]
    if unit.lower() != "bytes" or not parts:
        return None
    for part in parts:
        if part is None:
            return None
        first = int(part["first"]) if part["first"] else max(0, size - int(part["length"]))
        last = int(part["last"]) if part["last"] else max(first, size - 1)
        if last < first:
            return None
        if first < size:
            found.append((first, min(last, size - 1)))
    return found if _overlaps(found) <= _MOST_OVERLAPS else None


def _overlaps(found: list[tuple[int, int]]) -> int:
    """How many ranges begin before another one ends that begins no later."""
    count, end = 0, -1
    for first, last in sorted(found):
        count += first <= end
        end = max(end, last)
    return count
