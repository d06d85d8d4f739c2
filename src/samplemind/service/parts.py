"""What a running service is made of, for the routes that use it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

import anyio
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
from samplemind.service.uploads import Uploads


@dataclass(frozen=True)
class Service:
    """What a running service is made of."""

    configuration: Configuration
    folder: DataFolder
    database: Database
    cache: FeatureCache
    uploads: Uploads
    runner: Runner
    drawings: Drawings
    hub: Hub
    measures: Measures
    writers: anyio.CapacityLimiter
    """Threads for uploads that wait for their turn to write: not those that others read in."""
    streams: Counter[str] = field(default_factory=Counter)
    """How many streams of events each caller has open."""


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


ServicePart = Annotated[Service, Depends(_service)]
CallerPart = Annotated[Caller, Depends(_caller)]
