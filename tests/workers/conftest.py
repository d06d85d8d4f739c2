"""Workers that can be made to misbehave."""

from __future__ import annotations

from pathlib import Path

import pytest

MISBEHAVIOUR = Path(__file__).parent / "misbehaviour"


@pytest.fixture
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have workers fall over files with telling names: a worker gets this process's path."""
    monkeypatch.syspath_prepend(str(MISBEHAVIOUR))
