"""The one file of a multipart form, as it comes: none of it is kept in memory, and nothing else of the form at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from samplemind.service.problems import Problem

_LONGEST_HEADER: Final = 2**14
_MOST_PARTS: Final = 100
FIELD: Final = "file"
"""What the field must be called."""


class FormFile:
    """Bytes of the form's file, to be iterated over; then `name` is what the client calls it.

    Args:
        chunks: the body.
        content_type: the header, with its boundary.
    """

    def __init__(self, chunks: AsyncIterator[bytes], content_type: str) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise Problem(400, "the form's Content-Type names no boundary", code="malformed-form")
        self.name: str | None = None
        self._chunks = chunks
        self._found = False
        self._ours = False
        self._ended = False
        self._parts = 0
        self._header: list[bytes] = [b"", b""]
        self._pieces: list[bytes] = []
        callbacks = {
            "on_part_begin": self._part,
            "on_header_field": lambda data, start, end: self._add(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add(1, data[start:end]),
            "on_header_end": self._header_ended,
            "on_part_data": self._data,
            "on_end": self._end,
        }
        try:
            # Its type names every callback that there is; what is left out is not called.
            self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        except FormParserError as error:
            raise Problem(400, str(error), code="malformed-form") from None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The file's bytes.

        Raises:
            Problem: the form is damaged, or has no field of this name, or several.
        """
        async for chunk in self._chunks:
            try:
                self._parser.write(chunk)
            except FormParserError:
                raise Problem(400, "the form is damaged", code="malformed-form") from None
            pieces, self._pieces = self._pieces, []
            for piece in pieces:
                yield piece
        if not self._found or not self._ended:
            reason = "the form is cut off" if self._found else f'the form has no file in a field "{FIELD}"'
            raise Problem(400, reason, code="malformed-form")

    def _part(self) -> None:
        self._ours = False
        self._header = [b"", b""]
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise Problem(400, f"the form has more than {_MOST_PARTS} fields", code="malformed-form")

    def _add(self, which: int, data: bytes) -> None:
        self._header[which] += data
        if len(self._header[which]) > _LONGEST_HEADER:
            raise Problem(400, "a header of the form is too long", code="malformed-form")

    def _header_ended(self) -> None:
        (name, value), self._header = self._header, [b"", b""]
        if name.lower() != b"content-disposition":
            return
        _, options = parse_options_header(value)
        if options.get(b"name") == FIELD.encode():
            if self._found:
                raise Problem(400, f'the form has several fields "{FIELD}": one file a request', code="malformed-form")
            self._found = self._ours = True
            self.name = options.get(b"filename", b"").decode("utf-8", "replace") or None

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._ours:
            self._pieces.append(data[start:end])

    def _end(self) -> None:
        self._ended = True
