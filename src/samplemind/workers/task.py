"""What a worker is told once, at its start."""

from __future__ import annotations

from dataclasses import dataclass

from samplemind.audio import Limits
from samplemind.features.levels import AnalysisLevel
from samplemind.version import __version__


@dataclass(frozen=True)
class Task:
    """What a worker is told once, at its start.

    `cache_file` and `redis_url` are where answers are looked up; a worker adds none there. `parent` is the process
    that it ends with. `retry_quarantined` matters for URLs: whether one crashed a worker before, only
    the worker that asks for it can tell. With `alone`, nobody else on this machine computes what it computes, until the
    parent says that it has stored the answers. With `timed` it says how long each node took.
    """

    level: AnalysisLevel
    series: bool
    use_cache: bool
    cache_file: str | None
    redis_url: str | None
    limits: Limits
    memory_bytes: int
    parent: int
    retry_quarantined: bool = False
    alone: bool = False
    timed: bool = False
    version: str = __version__
