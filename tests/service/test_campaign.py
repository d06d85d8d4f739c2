"""The short form of the campaign."""

from __future__ import annotations

import sys

import pytest

from tests.campaigns import service_kill


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_killed_services_do_what_they_accepted_once() -> None:
    found = service_kill.run(3, clients=2)
    assert found["killed"] == 3
    assert found["jobs"] > 0
    assert found["computed"] > 0
    assert {what: found[what] for what in service_kill.WRONG if found[what]} == {}
