"""A service that runs: its parts put together, and uvicorn before them."""

from __future__ import annotations

import contextlib
import functools
import socket
import time
from collections.abc import AsyncIterator, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Final

import anyio
import uvicorn
from starlette.datastructures import Headers
from starlette.types import ASGIApp

from samplemind.audio import Limits
from samplemind.cache import FeatureCache
from samplemind.errors import SettingsError
from samplemind.library.database import FILE_NAME, Database
from samplemind.service import keys
from samplemind.service.app import application
from samplemind.service.compression import Compression
from samplemind.service.configuration import Configuration, is_loopback
from samplemind.service.drawings import Drawings
from samplemind.service.folder import DataFolder
from samplemind.service.guard import Guard
from samplemind.service.heads import Heads
from samplemind.service.hub import Hub
from samplemind.service.identity import Caller
from samplemind.service.logs import logging_configuration
from samplemind.service.measures import Measures
from samplemind.service.parts import Service
from samplemind.service.protocol import protocol_of
from samplemind.service.routes.sessions import COOKIE
from samplemind.service.runner import Runner
from samplemind.service.turns import Turns
from samplemind.service.uploads import Uploads

_BACKLOG: Final = 2048
_WRITERS: Final = 8
"""Requests that may wait for those who write, each in a thread."""
_ASKERS: Final = 4
"""Threads that look keys up: they wait for nobody who writes."""
_WRITE_TIMEOUT_S: Final = 10.0
"""How long a request waits for those who write, before it is told to come again."""
_GOODBYE_S: Final = 5
"""How long requests that are being answered may still take when the service is asked to stop."""


def guarded(configuration: Configuration, folder: DataFolder, home: str) -> ASGIApp:
    """The whole application, with all that stands before it.

    Args:
        configuration: what the operator set.
        folder: the data folder, held.
        home: the name under which the library knows the service.
    """
    place = configuration.library_url or folder.path / FILE_NAME
    database = Database(place, write_timeout_s=_WRITE_TIMEOUT_S)
    measures = Measures()

    @contextlib.asynccontextmanager
    async def opening() -> AsyncIterator[Service]:
        service = await anyio.to_thread.run_sync(begun)
        try:
            yield service
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(ended, service)

    def begun() -> Service:
        cache = FeatureCache.at(
            folder.cache, max_bytes=configuration.cache_max_bytes, redis_url=configuration.redis_url
        )
        hub = Hub()
        limits = Limits(max_duration_s=configuration.max_duration_s, max_bytes=configuration.max_upload_bytes)
        runner = Runner(
            database,
            cache=cache,
            hub=hub,
            home=home,
            limits=limits,
            roots=configuration.roots,
            workers=configuration.workers,
            scheduler=configuration.scheduler,
        )
        drawings = Drawings(
            cache=cache,
            limits=limits,
            previews=folder.previews,
            previews_max_bytes=configuration.previews_max_bytes,
        )
        uploads = Uploads(folder, database, home=home, min_free_bytes=configuration.min_free_bytes)
        uploads.adopt()
        runner.start()
        drawings.start()
        measures.watch_cache(cache.stats)
        measures.watch_jobs(runner.states, runner.counted, runner.node_seconds)
        return Service(
            configuration,
            home,
            folder,
            database,
            cache,
            uploads,
            runner,
            drawings,
            hub,
            measures,
            Turns(_WRITERS, _WRITE_TIMEOUT_S),
        )

    def ended(service: Service) -> None:
        service.runner.stop(configuration.stop_s)
        service.drawings.stop()
        service.cache.close()
        service.database.close()

    authenticate = functools.partial(_caller, database, anyio.CapacityLimiter(_ASKERS))
    app: ASGIApp = Heads(Compression(application(opening)))
    return Guard(app, configuration, authenticate, measures.observe)


def run(configuration: Configuration, tell: Callable[[str], None]) -> None:
    """Serve until asked to stop.

    Args:
        configuration: what the operator set.
        tell: is given the address once the service listens.

    Raises:
        SettingsError: the address or the data folder can't be used, or others can reach the address and nobody has a
            key.
        LibraryError: the library can't be used.
    """
    folder = DataFolder(configuration.data_dir)
    with folder.held() as home, contextlib.closing(_listening(configuration)) as listening:
        _check(configuration, folder)
        host, port = listening.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        server = _Server(
            uvicorn.Config(
                guarded(configuration, folder, home),
                http=protocol_of(configuration),
                ws="none",
                loop="asyncio",
                lifespan="on",
                log_config=logging_configuration(),
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=_GOODBYE_S,
            ),
            functools.partial(tell, address),
        )
        server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn's, which says when it listens."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            self._tell()


def _check(configuration: Configuration, folder: DataFolder) -> None:
    """Refuse to serve with a library that can't be used, or for others where nobody has a key."""
    place = configuration.library_url or folder.path / FILE_NAME
    with contextlib.closing(Database(place)) as database, database.reading() as session:
        if not keys.any_valid(session) and not configuration.open:
            reason = f"nobody has a key for the service at {configuration.host}: samplemind keys create NAME makes one"
            raise SettingsError(reason)
    if configuration.open and not is_loopback(configuration.host):
        raise AssertionError("a service that others can reach asks for keys")


def _listening(configuration: Configuration) -> socket.socket:
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            configuration.host, configuration.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listening = socket.socket(family, kind, protocol)  # asyncio looks for TCP here, to send small answers at once
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"can't listen at {configuration.host}, port {configuration.port}: {reason}") from None
    return listening


async def _caller(database: Database, threads: anyio.CapacityLimiter, headers: Headers) -> Caller | None:
    """Who shows a key, or else the cookie of a browser that showed one. What can be neither costs no thread."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    key = text.strip() if scheme.lower() == "bearer" else ""
    cookie = "" if key else _cookie(headers) or ""
    if not (keys.is_key(key) or keys.is_cookie(cookie)):
        return None

    def find() -> Caller | None:
        with database.reading() as session:
            return keys.caller_of_key(session, key) if key else keys.caller_of_cookie(session, cookie, time.time())

    return await anyio.to_thread.run_sync(find, limiter=threads)


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None else None
