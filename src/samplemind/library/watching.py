"""Folders that are watched: the library follows what happens in them.

    round:  watch ─▶ scan all ─▶ changes ─▶ scan of what changed ─▶ changes ─▶ …

A round ends when a watched folder was removed, replaced, mounted or unmounted, and after ten minutes at the latest: the
system tells nothing of the new one, and not everything of any. As each begins with a scan of all, nothing is lost.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from samplemind.discovery import AUDIO_SUFFIXES
from samplemind.errors import AnalysisError, FileAccessError, LibraryError, LibraryVersionError, NotInLibraryError
from samplemind.library.database import Database
from samplemind.library.folders import absolute, is_below, places, relative
from samplemind.library.scanning import Answer, Scan

if TYPE_CHECKING:
    from watchfiles import Change

    Changes = set[tuple[Change, str]]

ROUND_S: Final = 600.0
"""A scan of 100,000 files that are as they were takes seconds."""
_CALM_MS: Final = 500
"""Changes are acted on when there was none for so long: a file that is being written changes all the time."""
_LONGEST_WAIT_MS: Final = 10_000
"""Or after so long, if something always changes somewhere."""
_LOOK_MS: Final = 1000
"""How often it is looked whether to stop."""
_TRY_AGAIN_S: Final = 5.0
"""After trouble with the library. Who finds it busy has waited before."""

Trouble = Callable[[LibraryError | NotInLibraryError], object]


class Stop(Protocol):
    """An event: `threading.Event` or the like."""

    def is_set(self) -> bool:
        """Whether to stop."""


def watch(
    database: Database,
    folders: Sequence[str],
    scan: Callable[[Iterable[str]], Scan],
    *,
    trouble: Trouble | None = None,
    stop: Stop | None = None,
    poll: bool | None = None,
    round_s: float = ROUND_S,
) -> Generator[tuple[str, Answer], None, None]:
    """Scan folders, and then whatever changes below them, until told to stop.

    Args:
        database: the library.
        folders: absolute.
        scan: makes a scan of paths.
        trouble: is told, once each time, that the library can't be used just now, which is tried again until it can;
            or that a folder was forgotten, which is left alone unless it is scanned again. By default it is raised.
        stop: when to end.
        poll: look at all files all the time, instead of being told by the system, as network drives need it.
        round_s: after so many seconds at the latest, everything is looked at again.

    Yields:
        Answers of files, as `Scan` gives them; an error that was there before not again.

    Raises:
        FileAccessError: a folder is not there, or can't be watched.
        LibraryError: the library can't be used when the watch begins, or needs another version.
    """
    for folder in folders:
        if not os.path.isdir(folder):
            raise FileAccessError(folder, "no such folder")
    with database.reading():  # what will not pass is told at once
        pass
    following = _Following(database, folders, scan, trouble or _raised)
    while stop is None or not stop.is_set():
        watched = {folder: _identity(folder) for folder in folders}
        told_as = {os.path.realpath(folder): folder for folder in folders} | {folder: folder for folder in folders}
        following.waiting.update(folders)
        ends = float("inf")
        there = [folder for folder, identity in watched.items() if identity is not None]
        with contextlib.closing(_changes(there, stop, poll=poll)) as changes:
            for changed in changes:
                named = [(change, path) for change, told in changed if (path := _as_named(told, told_as)) is not None]
                following.waiting.update(path for _, path in named)
                yield from following.scanned()
                if not following.waiting:
                    ends = min(ends, time.monotonic() + round_s)
                # Another one may have the same inode as what was removed.
                removed = any(change.name == "deleted" and path in watched for change, path in named)
                replaced = any(_identity(folder) != identity for folder, identity in watched.items())
                if removed or replaced or time.monotonic() > ends:
                    break


class _Following:
    """What waits to be scanned, until it was.

    Attributes:
        waiting: paths that changed.
    """

    def __init__(
        self,
        database: Database,
        folders: Sequence[str],
        scan: Callable[[Iterable[str]], Scan],
        trouble: Trouble,
    ) -> None:
        self.waiting: set[str] = set()
        self._database = database
        self._folders = folders
        self._scan = scan
        self._trouble = trouble
        self._known: set[str] = set()
        self._forgotten: set[str] = set()
        self._failed: dict[str, str] = {}
        self._in_trouble = False
        self._not_before = 0.0

    def scanned(self) -> Generator[tuple[str, Answer], None, None]:
        """Scan what waits; where the library can't be used, it goes on waiting."""
        if not self.waiting or time.monotonic() < self._not_before:
            return
        try:
            paths = sorted(self._wanted())
            there = [folder for folder in self._folders if folder in paths and os.path.isdir(folder)]
            if paths:
                with contextlib.closing(iter(self._scan(paths))) as answers:
                    yield from self._news(answers)
            self._known.update(folder for folder in there if os.path.isdir(folder))  # else it may not be taken in yet
        except LibraryVersionError:
            raise
        except LibraryError as error:
            self._not_before = time.monotonic() + _TRY_AGAIN_S
            if not self._in_trouble:
                self._in_trouble = True
                self._trouble(error)
        else:
            self._in_trouble = False
            self.waiting.clear()

    def _wanted(self) -> Iterator[str]:
        """What waits, but for what is below folders that somebody took out of the library."""
        with self._database.reading() as session:
            forgotten = self._known.difference(places(session, self._folders))
        for folder in sorted(forgotten - self._forgotten):
            self._trouble(NotInLibraryError(f"{folder} was forgotten, and is left alone until it is scanned again"))
        self._forgotten = forgotten
        for path in self.waiting:
            if not any(is_below(path, folder) for folder in forgotten):
                yield path

    def _news(self, answers: Iterable[tuple[str, Answer]]) -> Iterator[tuple[str, Answer]]:
        """Answers but for errors that were told before: each scan tells all of the files that it meets."""
        for path, answer in answers:
            if not isinstance(answer, AnalysisError):
                self._failed.pop(path, None)
            elif self._failed.get(path) == answer.reason:
                continue
            else:
                self._failed[path] = answer.reason
            yield path, answer


def _raised(error: LibraryError | NotInLibraryError) -> None:
    raise error


def _changes(folders: Sequence[str], stop: Stop | None, *, poll: bool | None) -> Generator[Changes, None, None]:
    """Changes as they come, and nothing now and then; it ends when it is to stop, or was not told of everything."""
    import watchfiles

    try:
        yield from watchfiles.watch(
            *folders,
            watch_filter=None,
            debounce=_LONGEST_WAIT_MS,
            step=_CALM_MS,
            stop_event=stop,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
            force_polling=poll,
            ignore_permission_denied=True,
        )
    except (FileNotFoundError, RuntimeError):  # the latter from its thread: a folder went away before it was watched
        time.sleep(_LOOK_MS / 1000)
        yield set()
    except OSError as error:
        raise FileAccessError(", ".join(folders), f"can't be watched: {error}") from error


def _identity(folder: str) -> tuple[int, int] | None:
    """What tells a folder from another one of its name; None if it is not there."""
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def _as_named(told: str, told_as: Mapping[str, str]) -> str | None:
    """A path that changed, as it is below the folder as it was named; None if a scan would not meet it.

    Args:
        told: as the system tells it: in macOS with links followed.
        told_as: the folders, by how the system may tell them.
    """
    around = max((folder for folder in told_as if is_below(told, folder)), key=len, default=None)
    if around is None:
        return None
    below = relative(told, around)
    if any(name.startswith(".") for name in below.split("/")):
        return None
    if not told.lower().endswith(AUDIO_SUFFIXES) and os.path.isfile(told):  # a folder may be gone by now
        return None
    return absolute(told_as[around], below)
