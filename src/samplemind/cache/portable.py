"""A tier read through from end to end: to check it, or to carry it to another machine in a file.

The file is JSON Lines (https://jsonlines.org), all ASCII:

    {"format": "samplemind cache", "version": 1}
    {"key": "audio/5d0a…/basic", "sealed": "c2FtcGxl…"}
    …
    {"entries": 1028}

A line holds an entry with its seal, in base64: a damaged line costs itself and nothing after it, and the last one says
that nothing is missing. Reading it takes memory for some entries only, and runs nothing that is in it, where a database
from elsewhere would bring its own schema.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from samplemind.cache import LOCAL, mending
from samplemind.cache.bundle import decode
from samplemind.cache.disk import LONG_TIMEOUT_S, DiskTier
from samplemind.cache.seal import unsealed
from samplemind.cache.tier import Tier

FORMAT: Final = "samplemind cache"
VERSION: Final = 1
"""Raised when the layout of the file changes, or the seal; files of a higher version are refused."""

_LONGEST_LINE: Final = 2**28
"""Bytes: no entry comes near it, and a file without line ends must not fill the memory."""
_LONGEST_HEAD: Final = 2**10
_BATCH_BYTES: Final = 2**22
_BATCH_ENTRIES: Final = 500
"""So much is put into a tier at once: others wait for a write, and one that is cut short is lost."""
_BATCH_SHARE: Final = 0.1
"""Of the tier's limit, no more at once: it refuses what would push out all else."""
_DIGEST: Final = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True)
class Checked:
    """How many entries there were, and how many of them were damaged and removed.

    `fault` is what was wrong with the disk tier's file itself, now or when it was used, if anything was: then it was
    begun anew with the entries that could be read. The old one is kept as ``.broken`` if nothing could be.
    """

    entries: int
    damaged: int
    fault: str | None = None


@dataclass(frozen=True)
class Exported:
    """How many entries were written, and how many were left out because they are damaged."""

    entries: int
    damaged: int


@dataclass(frozen=True)
class Imported:
    """How many entries were added, were there already, and were damaged; and whether the file has its last line."""

    added: int
    present: int
    damaged: int
    complete: bool


def verify(tier: Tier) -> Checked:
    """Read every entry, and remove those that are no answers: damaged ones, and ones that this version can't read.

    Before that, what can be read of a disk tier's file is taken up, if it is damaged or was when it was used.
    """
    with _patient(tier):
        fault = _mended(tier) if isinstance(tier, DiskTier) else None
        entries = 0
        damaged: set[str] = set()
        for key, data in tier.items():
            entries += 1
            if not _is_answer(key, data):
                damaged.add(key)
        if damaged:
            tier.remove(damaged)
        # A row whose key was damaged is not found by it, but perhaps another one is.
        if isinstance(tier, DiskTier) and damaged and any(key in damaged for key, _ in tier.items()):
            fault = "entries are not found by their keys"
            tier.set_aside()
            mending.take_up(tier)
    return Checked(entries, len(damaged), fault)


def _mended(tier: DiskTier) -> str | None:
    """Take up what can be read of a damaged file; what was wrong with it, or None."""
    fault = mending.fault(tier.path)
    if fault is not None:
        tier.set_aside()
    taken_up = mending.take_up(tier)
    return fault or ("found when it was used, and set aside" if taken_up else None)


@contextlib.contextmanager
def _patient(tier: Tier) -> Iterator[None]:
    """Let a disk tier's writes wait for others who are at it for long."""
    if not isinstance(tier, DiskTier):
        yield
        return
    before, tier.write_timeout_s = tier.write_timeout_s, LONG_TIMEOUT_S
    try:
        yield
    finally:
        tier.write_timeout_s = before


def export_entries(tier: Tier, file: BinaryIO) -> Exported:
    """Write all entries to a file, but those that are true of this machine's files only.

    Others may use the tier meanwhile: what they add may be in the file or not.
    """
    entries = damaged = 0
    _write(file, {"format": FORMAT, "version": VERSION})
    for key, data in tier.items():
        if key.startswith(LOCAL):
            continue
        if not _is_answer(key, data):
            damaged += 1
            continue
        _write(file, {"key": key, "sealed": base64.b64encode(data).decode("ascii")})
        entries += 1
    _write(file, {"entries": entries})
    return Exported(entries, damaged)


def import_entries(file: BinaryIO, tier: Tier) -> Imported:
    """Add the entries of an exported file that are not there yet, some hundred at a time.

    Each has its seal checked; damaged ones are left out. Cut short at any moment, the tier is as whole as before.

    Raises:
        ValueError: the file was not exported by samplemind, or by a version whose format this one does not know.
    """
    check_head(file)
    limit = tier.state().max_bytes
    reading = _Reading(file, _BATCH_BYTES if limit is None else min(_BATCH_BYTES, limit * _BATCH_SHARE))
    added = present = 0
    with _patient(tier):
        for batch in reading.batches():
            new = {key: data for key, data in batch.items() if not _is_kept(tier, key)}
            if new:
                tier.put(new)
            added += len(new)
            present += len(batch) - len(new)
    return Imported(added, present, reading.damaged, reading.complete)


def check_head(file: BinaryIO) -> None:
    """Read the first line of an exported file.

    Raises:
        ValueError: as for `import_entries`.
    """
    head = _parsed(file.readline(_LONGEST_HEAD)) or {}
    version = head.get("version")
    if head.get("format") != FORMAT or not isinstance(version, int) or version < 1:
        raise ValueError("not a file that samplemind cache export wrote")
    if version > VERSION:
        raise ValueError(f"written by a newer samplemind (format {version}; this one knows {VERSION})")


class _Reading:
    """The lines of an exported file after the first, as they are read.

    `damaged` counts what was no entry so far; `complete` is whether the last line came, and as many before it as it
    says.
    """

    def __init__(self, file: BinaryIO, batch_bytes: float) -> None:
        self._file = file
        self._batch_bytes = batch_bytes
        self._entries = 0
        self.damaged = 0
        self.complete = False

    def batches(self) -> Iterator[dict[str, bytes]]:
        """The entries, some at a time."""
        batch: dict[str, bytes] = {}
        size = 0
        while line := self._file.readline(_LONGEST_LINE):
            document = _parsed(line)
            if document is not None and "entries" in document:
                self.complete = document["entries"] == self._entries + self.damaged
                continue
            entry = _entry(document or {})
            if entry is None:
                self.damaged += 1
                continue
            key, data = entry
            if batch and (size + len(data) > self._batch_bytes or len(batch) >= _BATCH_ENTRIES):
                yield batch
                batch, size = {}, 0
            batch[key] = data
            size += len(data)
            self._entries += 1
        if batch:
            yield batch


def _write(file: BinaryIO, document: dict[str, object]) -> None:
    file.write(json.dumps(document).encode("ascii") + b"\n")


def _parsed(line: bytes) -> dict[str, object] | None:
    """The object that a line holds, or None if it holds none."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _entry(document: dict[str, object]) -> tuple[str, bytes] | None:
    """Key and sealed value of a line, or None if they are no answer, or none for other machines."""
    key, text = document.get("key"), document.get("sealed")
    if not isinstance(key, str) or not isinstance(text, str) or key.startswith(LOCAL):
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return (key, data) if _is_answer(key, data) else None


def _is_kept(tier: Tier, key: str) -> bool:
    data = tier.get(key)
    return data is not None and unsealed(key, data) is not None


def _is_answer(key: str, data: bytes) -> bool:
    """Whether an entry is what was sealed under its key, and what this version keeps under such keys."""
    value = unsealed(key, data)
    if value is None:
        return False
    match key.partition("/")[0]:
        case "audio" | "array":
            return decode(value) is not None
        case "file":
            return _parsed(value) is not None
        case "stat" | "url":
            return _DIGEST.fullmatch(value) is not None
    return True
