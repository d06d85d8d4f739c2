"""One computation at a time for each key, among the threads of this process and the processes of this machine."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from blake3 import blake3

from samplemind.cache.tier import REMEDY
from samplemind.storage.filesystem import refuse_network
from samplemind.storage.forking import rests_at_fork

_PATIENCE_S: Final = 600.0
"""Who has waited for so long goes on without: the other one may hang, and computing twice does no harm."""
_FIRST_LOOK_S: Final = 0.001
_LATER_LOOKS_S: Final = 0.025
"""How soon a process sees that another one is done; a process can't be woken by a lock that it does not hold."""


@dataclass
class _Key:
    """A key that threads of this process hold or wait for."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class Alone:
    """Locks by key: among threads, and, with a file, among processes.

    Each key is one byte, far out in the file, that the system locks for the process that computes. The file stays
    empty, and a process that dies holds nothing. Get one with `alone_at`: the system's locks are the process's, so
    that all who use a file must share the locks among threads.

    Args:
        path: the file, made when needed; None for threads only.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._keys: dict[str, _Key] = {}
        self._file: int | None = None
        self._process = os.getpid()
        rests_at_fork(self)

    @contextlib.contextmanager
    def holding(self, key: str) -> Iterator[bool]:
        """Hold a key's lock, or go on without after ten minutes.

        Yields:
            Whether somebody else held it before.
        """
        taken, waited = self.take(key)
        try:
            yield waited
        finally:
            if taken:
                self.give(key)

    def take(self, key: str, *, patience_s: float = _PATIENCE_S) -> tuple[bool, bool]:
        """Take a key's lock, and wait for it no longer than `patience_s` seconds.

        Returns:
            Whether it was taken, and whether somebody else held it before.
        """
        deadline = time.monotonic() + patience_s
        held = self._entered(key)
        waited = not held.lock.acquire(blocking=False)
        if waited and not held.lock.acquire(timeout=patience_s):
            self._left(key, held)
            return False, True
        while not self._lock_byte(_place(key), True):
            if time.monotonic() >= deadline:
                held.lock.release()
                self._left(key, held)
                return False, True
            time.sleep(_LATER_LOOKS_S if waited else _FIRST_LOOK_S)
            waited = True
        return True, waited

    def give(self, key: str) -> None:
        """Give up a lock that was taken."""
        held = self._keys.get(key)
        if held is not None:  # None in a forked child
            self._lock_byte(_place(key), False)
            held.lock.release()
            self._left(key, held)

    def before_fork(self) -> None:
        """Hold the lock, so that a child does not inherit it from another thread."""
        self._guard.acquire()

    def after_fork(self) -> None:
        """Release the lock. In a child, nobody holds anything."""
        if os.getpid() != self._process:
            self._process = os.getpid()
            self._keys = {}
            self._close()
        self._guard.release()

    def _entered(self, key: str) -> _Key:
        with self._guard:
            if self._file is None and self.path is not None:
                # Without the file, processes compute twice what they ask for at once; that is all.
                with contextlib.suppress(OSError):
                    refuse_network(self.path.parent, REMEDY)
                    self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            held = self._keys.setdefault(key, _Key())
            held.users += 1
            return held

    def _left(self, key: str, held: _Key) -> None:
        with self._guard:
            held.users -= 1
            if not held.users and self._keys.get(key) is held:
                del self._keys[key]
            if not self._keys:
                self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _lock_byte(self, place: int, wanted: bool) -> bool:
        """Lock or unlock a byte; False if another process has it."""
        with self._guard:
            if self._file is None:
                return True
            try:
                _lock(self._file, place, wanted)
            except (BlockingIOError, PermissionError):
                return False
            except OSError:  # a file system without locks
                return True
            return True


def _place(key: str) -> int:
    return int.from_bytes(blake3(key.encode()).digest(length=6), "little")


@functools.cache
def alone_at(path: Path | None) -> Alone:
    """The one `Alone` of this process for a file, by absolute path."""
    return Alone(path)


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int, place: int, wanted: bool) -> None:
        os.lseek(file, place, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK if wanted else msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(file: int, place: int, wanted: bool) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB if wanted else fcntl.LOCK_UN, 1, place)
