"""AsyncClient: for programs with an event loop."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

import httpx

from samplemind.client.operations import Operations
from samplemind.client.sending import Sender
from samplemind.client.wire import AsyncWire

DEFAULT_URL: Final = "http://127.0.0.1:8000"
TIMEOUT_S: Final = 30.0
RETRIES: Final = 4


class AsyncClient(Operations):
    """A service, for programs with an event loop (asyncio).

    Args:
        url: of the service.
        key: as ``samplemind keys create`` printed it; None for a service on this machine that asks for none.
        timeout_s: how long the service may be silent before a request is tried again, or given up.
        retries: how often a request is repeated that was refused for the moment (429, 503), or that got no answer and
            does no harm if it is done twice.
        http: a client of httpx with settings of its own (certificates, proxies); it is not closed with this one.

    Raises:
        SettingsError: the URL or the key can't be one.

    All methods raise `ServiceError` if the service refuses, and `ServiceUnreachableError` if there is no answer.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._http = http or httpx.AsyncClient()
        self._owned = http is None
        super().__init__(Sender(AsyncWire(self._http), url, key=key, timeout_s=timeout_s, retries=retries))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._owned:
            await self._http.aclose()
