"""Where results go: standard output, or a file that appears only when it is whole."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NoReturn, TextIO

_PATIENCE_S: Final = 1.5
"""How long an interrupt waits for a reader."""


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends, and is gone without a trace if it fails.

    What is no regular file (a device, a pipe) is written directly.

    Raises:
        OSError: it can't be written there.
    """
    import tempfile

    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        if target.exists():
            shutil.copymode(target, temporary)
        else:
            temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def text_sink(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or the file at `path`, replaced as a whole; in UTF-8, with odd bytes of names as they were."""
    if path is None:
        yield sys.stdout
        return
    with replaced(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="\n")
        yield text
        text.flush()
        text.detach()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold an interrupt back until the block ends, so that a slow reader, too, gets whole records.

    Not for long: a reader that does not read at all gets no more after a moment, or a second interrupt.
    """
    before = signal.getsignal(signal.SIGINT)
    held = False

    def hold(number: int, frame: object) -> None:
        nonlocal held
        if held:
            _give_up(number, frame)
        held = True
        if hasattr(signal, "setitimer"):  # elsewhere it takes the second interrupt
            signal.signal(signal.SIGALRM, _give_up)
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        if held and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGINT, before)
    if held:
        signal.raise_signal(signal.SIGINT)


def _give_up(number: int, frame: object) -> NoReturn:
    """Leave off writing to standard output, now and later: whoever should read it does not."""
    silence()
    raise KeyboardInterrupt


def silence() -> None:
    """Let what is still to be written to standard output go nowhere: Python would write it, or fail, at its end."""
    with contextlib.suppress(OSError, ValueError):  # there is no file behind it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _umask() -> int:
    """What new files of this process don't allow. It can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
