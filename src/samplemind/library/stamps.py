"""Stamps: whether a file is as it was when it was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samplemind.audio import StatKey


def stamp(stat: StatKey) -> str:
    """What tells a file from what it becomes when somebody touches it, beside its size."""
    return f"{stat.mtime_ns}.{stat.ctime_ns}.{stat.inode}"


def failed_stamp(stat: StatKey, conditions: str) -> str:
    """The same for a file without an answer: under other conditions it may have one."""
    return f"{stamp(stat)}@{conditions}"
