"""Files that crashed their workers: remembered beside the answers, until the file changes."""

from __future__ import annotations

import contextlib

from samplemind.audio import stat_key
from samplemind.cache import FeatureCache
from samplemind.errors import AnalysisError, CrashError, QuarantinedError
from samplemind.pipeline import stat_entry

PREFIX = "quarantine/"
"""What keys begin with under which reasons are kept."""


def quarantine(error: CrashError, cache: FeatureCache) -> None:
    """Remember a file with its reason. A file that is gone by now is not remembered."""
    with contextlib.suppress(AnalysisError):
        cache.put({_key(error.path): error.reason.encode("utf-8", "surrogatepass")})


def quarantined(path: str, cache: FeatureCache) -> QuarantinedError | None:
    """The error of a file that crashed its workers, and is as it was then.

    Raises:
        FileAccessError: the file is missing or can't be looked at.
    """
    reason = cache.get(_key(path))
    if reason is None:
        return None
    return QuarantinedError(path, f"not tried again: {reason.decode('utf-8', 'surrogatepass')}")


def _key(path: str) -> str:
    return PREFIX + stat_entry(stat_key(path))
