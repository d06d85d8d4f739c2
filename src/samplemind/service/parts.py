"""What a running service is made of, for the routes that use it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, ParamSpec, TypeVar, cast

from fastapi import Depends, Request

from samplemind.cache import FeatureCache
from samplemind.library.database import Database
from samplemind.service.configuration import Configuration
from samplemind.service.drawings import Drawings
from samplemind.service.folder import DataFolder
from samplemind.service.hub import Hub
from samplemind.service.identity import Caller
from samplemind.service.measures import Measures
from samplemind.service.runner import Runner
from samplemind.service.turns import Turns
from samplemind.service.uploads import Uploads

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """What a running service is made of."""

    configuration: Configuration
    home: str
    """The name under which the library knows it."""
    folder: DataFolder
    database: Database
    cache: FeatureCache
    uploads: Uploads
    runner: Runner
    drawings: Drawings
    hub: Hub
    measures: Measures
    turns: Turns
    streams: Counter[str] = field(default_factory=Counter)
    """How many streams of events each caller has open."""


def in_turn(route: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Have a route of a `service` run when it is its turn to write."""

    @functools.wraps(route)
    async def waiting(*args: P.args, **given: P.kwargs) -> T:
        service = cast(Service, given["service"])
        return await service.turns.take(functools.partial(route, *args, **given))

    return waiting


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


ServicePart = Annotated[Service, Depends(_service)]
CallerPart = Annotated[Caller, Depends(_caller)]
