"""Timing of two ways to do one thing, in turn, so that a ratio holds while the machine's speed drifts."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_CPU_FACTS: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Timing:
    """Medians in seconds, and the median of ours / theirs, pair by pair."""

    ours_s: float
    theirs_s: float
    ratio: float


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def timing(ours: Callable[[], object], theirs: Callable[[], object], *, pairs: int) -> Timing:
    """Run A B A B …, after one of each to warm up."""
    ours()
    theirs()
    times = [(seconds(ours), seconds(theirs)) for _ in range(pairs)]
    mine, other = (statistics.median(column) for column in zip(*times, strict=True))
    return Timing(mine, other, statistics.median(a / b for a, b in times))


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], *, pairs: int) -> float:
    """Time two ways, and print medians and ratio in a line.

    Returns:
        Median of ours / theirs, pair by pair.
    """
    found = timing(ours, theirs, pairs=pairs)
    print(
        f"{name:<44} {found.ours_s * 1e3:10.2f} ms {found.theirs_s * 1e3:10.2f} ms"
        f"   {found.ratio:8.4f} = 1/{1 / found.ratio:.1f}"
    )
    return found.ratio


def machine(*packages: str) -> None:
    """Print on which machine, how busy, and with which versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{platform.platform()}, Python {platform.python_version()}, {_processor()}, {cores} cores{busy}")
    print("  ".join(f"{package} {_version(package)}" for package in ("samplemind", *packages)) + "\n", flush=True)


def heading(ours: str, theirs: str, *packages: str) -> None:
    """Print machine and versions, and what is compared."""
    machine(*packages)
    print(f"{'':<44} {ours:>13} {theirs:>13}   {'ratio':>8}")


def table(*titles: str) -> None:
    """Print the head of a table in Markdown."""
    row(*titles)
    print("|" + "---|" * len(titles))


def row(*cells: str) -> None:
    """Print a row of a table in Markdown."""
    print(f"| {' | '.join(cells)} |", flush=True)


def against(goal: float | None, found: float, *, shown: Callable[[float], str]) -> Sequence[str]:
    """Two cells: what there should be at most, and whether that is so."""
    return ("–", "–") if goal is None else (shown(goal), "yes" if found <= goal else "no")


def as_time(seconds: float) -> str:
    """Seconds as people write them."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def as_ratio(ratio: float) -> str:
    """A ratio; one over something if it is small."""
    return f"{ratio:.2f}" if ratio > 0.1 else f"1/{1 / ratio:.0f}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    if _CPU_FACTS.exists():
        for line in _CPU_FACTS.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
