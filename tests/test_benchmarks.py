"""The benchmarks run; what they measure is not looked at here."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("against_librosa", ("--seconds", "2", "--pairs", "1")),
        ("scanning", ("--files", "20", "--jobs", "1")),
        ("cached", ("--seconds", "2", "--pairs", "1")),
        ("cache_entries", ("--entries", "500")),
        ("library_search", ("--entries", "500", "--queries", "2")),
        ("service_load", ("--uploads", "4", "--megabytes", "1", "--requests", "5", "--sounds", "4")),
        ("scale", ("--files", "20", "--rounds", "1", "--warm-up", "0", "--no-dask")),
        pytest.param(
            "memory",
            ("--minutes", "0.1"),
            marks=pytest.mark.skipif(sys.platform == "win32", reason="there is no wait4 on Windows"),
        ),
    ],
)
def test_a_benchmark_runs(name: str, options: tuple[str, ...]) -> None:
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}", *options]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "samplemind 0." in found.stdout
    assert any(unit in found.stdout for unit in (" = 1/", " µs", " ms"))
