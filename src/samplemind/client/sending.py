"""One request, repeated where that is safe, and its answer or an error that says what was wrong."""

from __future__ import annotations

import dataclasses
import email.utils
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx

from samplemind.client.sources import Upload
from samplemind.client.wire import Wire
from samplemind.errors import ServiceError, ServiceUnreachableError, SettingsError
from samplemind.version import __version__

PREFIX: Final = "/api/v1"
MOST_PAUSE_S: Final = 60.0
"""A service that wants a longer pause has an error told: whoever waits decides."""

_FIRST_PAUSE_S: Final = 0.25
_REFUSED: Final = frozenset({429, 503})
"""Nothing was done: too many requests, too much waiting, or the library busy."""
_LOST: Final = frozenset({502, 504})
"""A proxy did not get the answer: something may have been done."""
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class Call:
    """A request.

    Attributes:
        method, path: of HTTP; the path below `PREFIX`, with parts of it quoted.
        params: of the query; those that are None are left out.
        json: the body, as plain data; None for none.
        headers: beside those that every request has.
        upload: the body, in place of `json`.
        again: whether it does no harm if it is done twice.
        timeout_s: in place of the client's: how long the service may be silent.
    """

    method: str
    path: str
    params: Mapping[str, str | int | float | None] = dataclasses.field(default_factory=dict)
    json: Any = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    upload: Upload | None = None
    again: bool = True
    timeout_s: float | None = None


class Sender:
    """Sends requests to one service.

    Args:
        wire: what carries them.
        url: of the service.
        key: that is shown, if any.
        timeout_s: how long the service may be silent.
        retries: how often a request is repeated.

    Raises:
        SettingsError: the URL is none of a service.
    """

    def __init__(self, wire: Wire, url: str, *, key: str | None, timeout_s: float, retries: int) -> None:
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, TypeError) as error:
            raise SettingsError(f"{url!r} is no URL: {error}") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise SettingsError(f"{url!r} is no URL of a service: it begins with http:// or https://")
        self.wire = wire
        self.retries = retries
        self.timeout_s = timeout_s
        self._url = str(parsed).rstrip("/")
        self._headers = {"User-Agent": f"samplemind/{__version__}"}
        if key is not None:
            if not (key.isascii() and key.isprintable() and " " not in key):
                raise SettingsError("this is no key: it has characters that none has")
            self._headers["Authorization"] = f"Bearer {key}"

    async def read(self, call: Call) -> httpx.Response:
        """The answer, with all of its body.

        Raises:
            ServiceError: the service refuses it.
            ServiceUnreachableError: there is none after all tries.
        """
        return await self._answered(call, whole=True)

    async def opened(self, call: Call) -> httpx.Response:
        """The answer, its body not read; whoever asks closes it. Otherwise as `read`."""
        return await self._answered(call, whole=False)

    async def pause(self, tries: int, least_s: float = 0.0) -> None:
        """Wait before the next try: longer each time, and not when everybody else does."""
        # Spreads the tries of many clients; nobody gains by guessing it.
        share = random.uniform(0.5, 1.0)  # noqa: S311  # nosec B311
        await self.wire.sleep(max(least_s, _FIRST_PAUSE_S * 2 ** min(tries - 1, 5) * share))

    async def _answered(self, call: Call, *, whole: bool) -> httpx.Response:
        tries = 0
        while True:
            tries += 1
            least_s = 0.0
            try:
                response = await self._once(call, whole=whole)
            except httpx.RequestError as error:
                unsent = isinstance(error, _UNSENT)
                if not self._may_repeat(call, tries, harmless=unsent):
                    raise unreachable(self._url, error) from error
            else:
                if response.is_success:
                    return response
                wanted_s = _wanted_pause_s(response)
                refused = response.status_code in _REFUSED
                if (
                    not (refused or response.status_code in _LOST)
                    or wanted_s > MOST_PAUSE_S
                    or not self._may_repeat(call, tries, harmless=refused)
                ):
                    raise refusal(response)
                least_s = wanted_s
            await self.pause(tries, least_s)

    def _may_repeat(self, call: Call, tries: int, *, harmless: bool) -> bool:
        """Whether to try again. `harmless`: the last try is known to have done nothing."""
        can_be_sent = call.upload is None or call.upload.can_be_sent
        return tries <= self.retries and (harmless or call.again) and can_be_sent

    async def _once(self, call: Call, *, whole: bool) -> httpx.Response:
        response = await self.wire.send(self._request(call))
        if whole or not response.is_success:
            await self.wire.read(response)
        return response

    def _request(self, call: Call) -> httpx.Request:
        headers = {**self._headers, **call.headers}
        content = None
        if call.upload is not None:
            headers["Content-Type"] = "application/octet-stream"
            size = call.upload.size()
            if size is not None:
                headers["Content-Length"] = str(size)
            content = self.wire.body(call.upload.blocks())
        return self.wire.http.build_request(
            call.method,
            f"{self._url}{PREFIX}{call.path}",
            params={name: value for name, value in call.params.items() if value is not None},
            json=call.json,
            content=content,
            headers=headers,
            timeout=self.timeout_s if call.timeout_s is None else call.timeout_s,
        )


def refusal(response: httpx.Response) -> ServiceError:
    """The error of an answer that was read: what its problem document says, or else its status."""
    status = response.status_code
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    said: dict[str, Any] = {}
    if response.headers.get("content-type", "").partition(";")[0].strip() == "application/problem+json":
        try:
            document = response.json()
        except ValueError:
            document = None
        said = document if isinstance(document, dict) else {}
    return ServiceError(
        status,
        str(said.get("code") or phrase.lower().replace(" ", "-")),
        str(said.get("detail") or phrase),
        said.get("request_id") or response.headers.get("x-request-id"),
    )


def unreachable(url: str, error: httpx.RequestError) -> ServiceUnreachableError:
    """The error of a service that does not answer."""
    what = str(error) or type(error).__name__
    return ServiceUnreachableError(f"{url}: {what}")


def _wanted_pause_s(response: httpx.Response) -> float:
    """What Retry-After says, as seconds or as a date; 0 if it says nothing."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, date.timestamp() - time.time())
