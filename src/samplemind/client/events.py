"""Server-sent events, as bytes come in (WHATWG HTML, 9.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event: its id, its type, and what it says."""

    id: str | None
    kind: str
    data: str


class EventReader:
    """Makes events of bytes, however these are cut. Lines end with LF or CRLF, which is all that the service sends."""

    def __init__(self) -> None:
        self._rest = b""
        self._id: str | None = None
        self._kind = ""
        self._data: list[str] = []

    def events(self, chunk: bytes) -> Iterator[Event]:
        """Those that are complete now."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            event = self._event(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if event is not None:
                yield event

    def _event(self, line: str) -> Event | None:
        if not line:
            event = Event(self._id, self._kind or "message", "\n".join(self._data)) if self._data else None
            self._kind, self._data = "", []
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None
