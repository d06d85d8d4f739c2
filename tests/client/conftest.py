"""Services and clients that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from samplemind.client import Client
from tests.service.running import RunningService, running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service on this machine that asks for no key; tests find each other's audio there."""
    with running(tmp_path_factory.mktemp("service") / "data", "--jobs", "1", "--rate", "1000") as service:
        yield service


@pytest.fixture
def client(service: RunningService) -> Iterator[Client]:
    """A client of it."""
    with Client(service.url) as client:
        yield client
