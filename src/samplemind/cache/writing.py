"""One writer at a time, among threads and processes, and who it is."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from filelock import FileLock

POLL_S: Final = 0.01
"""How often a waiting process looks whether the lock is free."""
_NOTE_BYTES: Final = 256
"""Length of the note; a longer command line is cut off."""


class WriteLock:
    """An advisory lock beside a file, and a note of who holds it.

    The note is a file of its own: what locks a file may also empty it, and on Windows nobody else can read it.

    Args:
        path: the file that is written. Locked is ``path.lock``, the note is ``path.writer``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = Path(f"{path}.writer")
        self._threads = threading.Lock()
        self._file: FileLock | None = None

    @contextlib.contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Hold the lock. The folder is made if it is missing, private to the user.

        Raises:
            TimeoutError: somebody else has held it for `timeout` seconds; the message says who.
            OSError: the folder can't be written.
        """
        from filelock import FileLock, Timeout

        if not self._threads.acquire(timeout=timeout):
            raise TimeoutError(f"another thread has been writing to {self.path} for {timeout:g} s")
        try:
            if not self.path.parent.exists():
                self.path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
            if self._file is None:
                self._file = FileLock(f"{self.path}.lock", mode=0o600)
            try:
                self._file.acquire(timeout=timeout, poll_interval=POLL_S)
            except Timeout:
                who = self._holder() if timeout else None  # who doesn't wait doesn't ask
                raise TimeoutError(f"{who or 'another process'} is writing to {self.path}") from None
            try:
                self._note_holder()
                yield
            finally:
                self._file.release()
        finally:
            self._threads.release()

    def before_fork(self) -> None:
        """Wait for the thread that has the lock, so that no child inherits it."""
        self._threads.acquire()
        self._file = None

    def after_fork(self) -> None:
        """Let threads have the lock again."""
        self._threads.release()

    def _note_holder(self) -> None:
        """Leave a note, never taken away: nobody reads it while nobody holds the lock."""
        note = f"{os.getpid()}\t{time.time()}\t{shlex.join(sys.orig_argv)}".encode("utf-8", "replace")
        with contextlib.suppress(OSError):  # a full disk: the lock is there all the same
            file = os.open(self._note, os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                os.write(file, note[:_NOTE_BYTES].ljust(_NOTE_BYTES))  # always over the same block, which is fast
            finally:
                os.close(file)

    def _holder(self) -> str | None:
        """Who left the note, in words, if that process lives."""
        import psutil

        try:
            process, since, command = self._note.read_text("utf-8", "replace").split("\t", 2)
            started = psutil.Process(int(process)).create_time()
            noted = float(since)
        except (OSError, ValueError, psutil.Error):
            return None
        if started > noted + 1:  # the number has passed on to another process
            return None
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(noted))
        return f"process {process} ({command.strip()}), since {clock},"
