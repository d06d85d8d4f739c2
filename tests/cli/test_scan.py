"""``samplemind scan``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Invoke


def test_totals_are_honest(invoke: Invoke, sounds: Path) -> None:
    first = invoke("scan", sounds, "-j", 1)
    assert first.exit_code == 1
    assert first.stdout == "6 files: 5 analysed, 0 unchanged, 1 failed\n"
    assert first.stderr.startswith(f"samplemind: {sounds / 'broken.wav'}: ")
    named = invoke("scan", sounds / "a tone.wav", sounds / "missing.wav", "-j", 1)
    assert named.exit_code == 1
    assert named.stdout.startswith("2 files: ")
    assert named.stderr == f"samplemind: {sounds / 'missing.wav'}: no such file or directory\n"


def test_what_was_scanned_is_not_computed_again(invoke: Invoke, sounds: Path) -> None:
    tone = sounds / "a tone.wav"
    assert invoke("scan", tone, "-j", 1).stdout == "1 file: 1 analysed, 0 unchanged, 0 failed\n"
    assert invoke("analyze", tone, "--format", "json").exit_code == 0
    found = json.loads(invoke("cache", "info", "--format", "json").stdout)
    assert found["computed"] == 1
