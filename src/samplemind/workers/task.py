"""What a worker is told once, at its start."""

from __future__ import annotations

from dataclasses import dataclass

from samplemind.audio import Limits
from samplemind.features.levels import AnalysisLevel
from samplemind.version import __version__


@dataclass(frozen=True)
class Task:
    """What a worker is told once, at its start.

    `cache_file` and `redis_url` are where answers are looked up; a worker never writes there. `parent` is the process
    that it ends with.
    """

    level: AnalysisLevel
    series: bool
    use_cache: bool
    cache_file: str | None
    redis_url: str | None
    limits: Limits
    memory_bytes: int
    parent: int
    version: str = __version__
