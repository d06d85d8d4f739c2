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
from typing import Final

LONGEST_PAUSE_S: Final = 0.005
"""How often somebody who has waited for a while looks whether the lock is free. Of sixteen processes that do nothing
but write, none waits for more than half a second; with 0.02, some wait for 0.9 s."""
_FIRST_PAUSE_S: Final = 0.0005
"""About as long as a small write takes. Each pause is twice as long as the one before."""
_NOTE_BYTES: Final = 256
"""Length of the note; a longer command line is cut off."""


class WriteLock:
    """An advisory lock beside a file, and a note of who holds it.

    The system keeps the lock for the open file, not for the process: two of one process exclude each other, too, and
    that of a process that dies is free. The note is a file of its own: on Windows nobody else can read what is locked.

    Args:
        path: the file that is written. Locked is ``path.lock``, the note is ``path.writer``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = Path(f"{path}.writer")
        self._threads = threading.Lock()

    @contextlib.contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Hold the lock. The folder is made if it is missing, private to the user.

        Raises:
            TimeoutError: somebody else has held it for `timeout` seconds; the message says who.
            OSError: the folder can't be written.
        """
        deadline = time.monotonic() + timeout
        pause = _FIRST_PAUSE_S
        while (file := self._locked(max(0.0, deadline - time.monotonic()))) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                who = self._holder() if timeout else None  # who doesn't wait doesn't ask
                raise TimeoutError(f"{who or 'another process'} is writing to {self.path}")
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE_S)
        try:
            self._note_holder()
            yield
        finally:
            _unlock(file)  # closing alone would leave it to a program that is being started just now
            os.close(file)
            self._threads.release()

    def before_fork(self) -> None:
        """Wait for the thread that has the lock, if one has, so that no child inherits it."""
        self._threads.acquire()

    def after_fork(self) -> None:
        """Let threads have the lock again."""
        self._threads.release()

    def _locked(self, timeout: float) -> int | None:
        """The open file if it could be locked; waits for threads that use the same object, not for others.

        Whoever waits for others has nothing meanwhile that a fork must wait for.
        """
        if not self._threads.acquire(timeout=timeout):
            return None
        file = None
        locked = False
        try:
            if not self.path.parent.exists():
                self.path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
            file = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            locked = _try_to_lock(file)
            return file if locked else None
        finally:
            if not locked:
                if file is not None:
                    os.close(file)
                self._threads.release()

    def _note_holder(self) -> None:
        """Leave a note, never taken away: nobody reads it while nobody holds the lock."""
        note = f"{os.getpid()}\t{time.time()}\t{shlex.join(sys.orig_argv)}".encode("utf-8", "replace")
        with contextlib.suppress(OSError):  # a full disk: the lock is there all the same
            file = os.open(self._note, os.O_WRONLY | os.O_CREAT, 0o600)
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


if sys.platform == "win32":
    import msvcrt

    def _try_to_lock(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _try_to_lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
