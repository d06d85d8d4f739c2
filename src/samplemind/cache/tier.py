"""What every tier of the cache promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

REMEDY: Final = (
    "set SAMPLEMIND_CACHE_DIR to a folder of this machine, and SAMPLEMIND_REDIS_URL to share the cache among machines"
)
"""What to do about a folder that no cache can be in."""


@dataclass(frozen=True)
class TierState:
    """What a tier holds, and what it had to give up.

    `bytes` counts what keeping the entries takes, as the tier itself counts it towards `max_bytes`. `oldest_s` is the
    age of the oldest entry in seconds, `unused_s` how long ago the one unused for longest was used; both None where
    there is none, or the tier does not know.
    """

    entries: int
    bytes: int
    max_bytes: int | None
    evictions: int
    oldest_s: float | None
    unused_s: float | None


class Tier(Protocol):
    """One place that keeps bytes by key. Safe to use from several threads.

    All methods raise `OSError` or `sqlite3.Error` when the place can't be used, and soon: a tier that does not answer
    says so in a second, not in a minute.
    """

    name: str
    shared: bool
    """Whether other machines see it. What is true of this machine's files alone is not kept there."""

    def get(self, key: str) -> bytes | None:
        """The entry, or None. Counts as a use of it."""

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The entries that are there, by key. Does not count as a use: who asks for thousands wants none."""

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Keep entries, all or none of them, and drop those unused for longest if there is too much."""

    def remove(self, keys: Iterable[str]) -> int:
        """Remove entries; the number of them that were there."""

    def items(self) -> Iterator[tuple[str, bytes]]:
        """All entries, in no particular order and in bounded memory. Does not count as a use."""

    def prune(self, *, max_bytes: int | None = None, unused_s: float | None = None) -> int:
        """Remove entries unused for `unused_s` seconds, then those unused for longest until `max_bytes` are kept.

        Returns:
            The number of entries removed.
        """

    def clear(self) -> int:
        """Remove everything; the number of entries that were there."""

    def state(self) -> TierState:
        """What is there now."""

    def close(self) -> None:
        """Let go of files and connections; the next use takes them up again."""
