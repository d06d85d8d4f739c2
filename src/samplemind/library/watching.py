"""Folders that are watched: the library follows what happens in them."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from samplemind.discovery import AUDIO_SUFFIXES
from samplemind.errors import FileAccessError
from samplemind.library.folders import is_below, relative
from samplemind.library.scanning import Answer, Scan

if TYPE_CHECKING:
    from watchfiles import Change

_CALM_MS: Final = 500
"""Changes are acted on when there was none for so long: a file that is being written changes all the time."""
_LONGEST_WAIT_MS: Final = 10_000
"""Or after so long, if something always changes somewhere."""
_LOOK_MS: Final = 1000
"""How often it is looked whether to stop."""


class Stop(Protocol):
    """An event: `threading.Event` or the like."""

    def is_set(self) -> bool:
        """Whether to stop."""


def watch(
    folders: Sequence[str], scan: Callable[[Iterable[str]], Scan], *, stop: Stop | None = None, poll: bool | None = None
) -> Generator[tuple[str, Answer], None, None]:
    """Scan folders, and then whatever changes below them, until told to stop.

    Args:
        folders: absolute.
        scan: makes a scan of paths.
        stop: when to end.
        poll: look at all files all the time, instead of being told by the system, as network drives need it.

    Yields:
        Answers of files, as `Scan` gives them.

    Raises:
        FileAccessError: a folder is not there, or can't be watched.
    """
    import watchfiles

    for folder in folders:
        if not os.path.isdir(folder):
            raise FileAccessError(folder, "no such folder")
    changes = watchfiles.watch(
        *folders,
        watch_filter=functools.partial(_matters, folders),
        debounce=_LONGEST_WAIT_MS,
        step=_CALM_MS,
        stop_event=stop,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        force_polling=poll,
        ignore_permission_denied=True,
    )
    with contextlib.closing(changes):
        waiting: set[str] = set(folders)  # what happens from here on is not lost
        for changed in _named(changes, folders):
            if changed_or_all := waiting | {path for _, path in changed}:
                yield from scan(sorted(changed_or_all))
            waiting = set()


def _named(
    changes: Generator[set[tuple[Change, str]], None, None], folders: Sequence[str]
) -> Generator[set[tuple[Change, str]], None, None]:
    """The changes; an error of the system names the folders."""
    try:
        yield from changes
    except OSError as error:
        raise FileAccessError(", ".join(folders), f"can't be watched: {error}") from error


def _matters(folders: Sequence[str], change: Change, path: str) -> bool:
    """Whether a change is one of an audio file, or of a folder, which may be gone by now; and a scan would meet it."""
    folder = max((folder for folder in folders if is_below(path, folder)), key=len, default=os.path.dirname(path))
    if any(name.startswith(".") for name in relative(path, folder).split("/")):
        return False
    return path.lower().endswith(AUDIO_SUFFIXES) or not os.path.isfile(path)
