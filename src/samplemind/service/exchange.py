"""One request and its one answer, between the server and the application."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.types import Message, Receive, Send

from samplemind.service.bodies import Body
from samplemind.service.problems import MEDIA_TYPE, Problem, of_status, problem_response

CLIENT_LEFT: Final = 499
"""The status in logs and metrics where nobody was there any more to be answered; nginx's number."""

_KEPT: Final = frozenset({b"allow", b"retry-after", b"www-authenticate", b"content-range", b"accept-ranges"})
"""Headers that belong to an error's status; others tell of the body that a problem takes the place of."""

_Headers = Iterable[tuple[bytes, bytes]]


class Exchange:
    """One request and its answer. The application is given `receive` and `send`.

    Args:
        receive: of the server.
        send: of the server.
        request_id: told in the answer.

    Attributes:
        headers: of every answer.
        body: of the request; None until it is known to be one.
        status: of the answer; 0 before it began.
        bytes_out: of the answer's body.
        complete: the answer has ended.
        left: the client has gone before that.
    """

    def __init__(self, receive: Receive, send: Send, request_id: str) -> None:
        self._receive = receive
        self._send = send
        self._replaced = False
        self.request_id = request_id
        self.headers = [(b"x-request-id", request_id.encode("ascii")), (b"x-content-type-options", b"nosniff")]
        self.body: Body | None = None
        self.status = 0
        self.bytes_out = 0
        self.complete = False
        self.left = False

    async def receive(self) -> Message:
        """The next message of the request.

        Raises:
            Problem: there is too much of it, or it comes too slowly. Once the answer has begun it is too late to say
                so: then the client is as good as gone.
        """
        try:
            message = await self._receive() if self.body is None else await self.body.message()
        except Problem:
            if self.status:
                return {"type": "http.disconnect"}
            raise
        self.left |= message["type"] == "http.disconnect" and not self.complete
        return message

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer; a problem takes its place where the body was refused, or it tells an error."""
        if message["type"] == "http.response.start" and not self.status:
            instead = self._instead(message)
            if instead is not None:
                self._replaced = True
                await self._answer(instead)
                return
            message = {**message, "headers": [*message.get("headers", ()), *self._own(message.get("headers", ()))]}
        if not self._replaced:
            await self._pass(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer by a problem, unless an answer has begun; what the application says from now on is lost."""
        if not self.status:
            self._replaced = True
            await self._answer(self.refusal or problem)

    @property
    def refusal(self) -> Problem | None:
        """Why the body was not taken."""
        return None if self.body is None else self.body.problem

    def _instead(self, start: Message) -> Problem | None:
        if self.refusal is not None:
            return self.refusal
        headers = list(start.get("headers", ()))
        media_types = [value.partition(b";")[0] for name, value in headers if name.lower() == b"content-type"]
        if start["status"] < 400 or media_types == [MEDIA_TYPE.encode("ascii")]:
            return None
        kept = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name.lower() in _KEPT}
        return of_status(start["status"], headers=kept)

    async def _answer(self, problem: Problem) -> None:
        response = problem_response(problem, self.request_id)
        headers = [*response.raw_headers, *self._own(response.raw_headers)]
        await self._pass({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await self._pass({"type": "http.response.body", "body": response.body})

    def _own(self, given: _Headers) -> _Headers:
        """What every answer says; and that the connection closes, where something of the request was not read."""
        unread = self.body is None or not self.body.ended
        close = [(b"connection", b"close")] if unread and (b"connection", b"close") not in given else []
        return [*self.headers, *close]

    async def _pass(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.bytes_out += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        await self._send(message)
