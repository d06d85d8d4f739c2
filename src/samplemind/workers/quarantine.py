"""Files that crashed their workers: remembered beside the answers, until the file changes."""

from __future__ import annotations

import contextlib
import dataclasses

from samplemind.audio import stat_key
from samplemind.cache import FeatureCache
from samplemind.errors import AnalysisError, CrashError, QuarantinedError
from samplemind.pipeline import stat_entry
from samplemind.workers.process import Outcome
from samplemind.workers.remote import is_url, url_entry

PREFIX = "quarantine/"
"""What keys begin with under which reasons are kept."""


def noted(outcome: Outcome) -> Outcome:
    """The outcome, with what the cache should keep of a crash. A file that is gone by now is not remembered."""
    error = outcome.answer
    done = any(key.startswith(PREFIX) for key in outcome.entries)  # by the node where it crashed
    if isinstance(error, CrashError) and not isinstance(error, QuarantinedError) and not done:
        with contextlib.suppress(AnalysisError):
            entry = {PREFIX + _key(outcome.path): error.reason.encode("utf-8", "surrogatepass")}
            return dataclasses.replace(outcome, entries={**outcome.entries, **entry})
    return outcome


def quarantined(path: str, cache: FeatureCache) -> QuarantinedError | None:
    """The error of a file that crashed its workers, and is as it was then.

    Raises:
        FileAccessError: the file is missing or can't be looked at.
    """
    return quarantined_as(_key(path), path, cache)


def quarantined_as(key: str, name: str, cache: FeatureCache) -> QuarantinedError | None:
    """Likewise, of what the cache knows under a key. `name` is what the error calls it."""
    reason = cache.get(PREFIX + key)
    if reason is None:
        return None
    return QuarantinedError(name, f"not tried again: {reason.decode('utf-8', 'surrogatepass')}")


def _key(path: str) -> str:
    return url_entry(path) if is_url(path) else stat_entry(stat_key(path))
