"""Timing of two ways to do one thing, in turn, so that a ratio holds while the machine's speed drifts."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], *, pairs: int) -> float:
    """Run A B A B …, after one of each to warm up, and print the medians and the median ratio.

    Returns:
        Median of ours / theirs, pair by pair.
    """
    ours()
    theirs()
    times = [(seconds(ours), seconds(theirs)) for _ in range(pairs)]
    ratio = statistics.median(a / b for a, b in times)
    mine, other = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{name:<44} {mine * 1e3:10.2f} ms {other * 1e3:10.2f} ms   {ratio:8.4f} = 1/{1 / ratio:.1f}")
    return ratio


def heading(ours: str, theirs: str, *packages: str) -> None:
    """Print what is compared, on which machine and with which versions."""
    print(f"{platform.platform()}, Python {platform.python_version()}, {platform.processor() or platform.machine()}")
    for package in ("samplemind", *packages):
        try:
            print(f"{package} {version(package)}", end="  ")
        except PackageNotFoundError:
            print(f"{package} not installed", end="  ")
    print(f"\n\n{'':<44} {ours:>13} {theirs:>13}   {'ratio':>8}")
