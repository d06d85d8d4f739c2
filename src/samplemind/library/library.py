"""Library: the sounds that were scanned, for programs in Python."""

from __future__ import annotations

import functools
import os
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from samplemind.errors import FileAccessError
from samplemind.features.levels import AnalysisLevel
from samplemind.library.opening import open_database
from samplemind.settings import Settings, load_settings
from samplemind.workers.remote import is_url

if TYPE_CHECKING:
    from samplemind.engine import AudioEngine
    from samplemind.library.scanning import Answer, Scan
    from samplemind.library.watching import Stop

PathLike = str | os.PathLike[str]


class Library:
    """The sounds that were scanned: what they are, where they are, what their user said of them.

    A context manager. Several processes may use one library at once.

    Args:
        settings: where it is; by default those of `load_settings`.
        engine: what analyses; by default one with the same settings, made when it is needed.
    """

    def __init__(self, settings: Settings | None = None, *, engine: AudioEngine | None = None) -> None:
        self.settings = load_settings() if settings is None else settings
        self.database = open_database(self.settings)
        self._engine = engine
        self._engine_is_ours = engine is None

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database, and the engine unless it was handed in."""
        self.database.close()
        if self._engine is not None and self._engine_is_ours:
            self._engine.close()

    def scan(
        self,
        paths: PathLike | Iterable[PathLike],
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        jobs: int | None = None,
        retry: bool = False,
        noted: bool = True,
    ) -> Scan:
        """Take folders and files into the library: analyse what is new or changed, in worker processes.

        Args:
            paths: folders and files of this machine.
            level: how much to find out.
            jobs: worker processes; as many as there are cores by default.
            retry: try files again that had no answer, or crashed, though they are as they were.
            noted: keep a note of the scan among the library's jobs.

        Returns:
            To be iterated over once: path and answer of each file that is new or changed, when it is recorded; its
            `totals` count along.

        Raises:
            FileAccessError: a path is a URL.
            LibraryError: the library can't be used.
        """
        from samplemind.features.levels import named_level, outputs_of
        from samplemind.library.scanning import Scan

        named = [os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
        for path in named:
            if is_url(path):
                raise FileAccessError(path, "a library holds files of this machine: samplemind analyze takes URLs")
        level = named_level(level)
        outputs_of(level)
        analyze = functools.partial(self.engine.batch_analyze, level=level, jobs=jobs, retry_quarantined=retry)
        return Scan(self.database, named, level=level, analyze=analyze, retry=retry, noted=noted)

    def watch(
        self,
        folders: PathLike | Iterable[PathLike],
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        jobs: int | None = None,
        stop: Stop | None = None,
        poll: bool | None = None,
    ) -> Generator[tuple[str, Answer], None, None]:
        """Scan folders, and then whatever changes in them, until `stop` is set.

        Args:
            folders: of this machine.
            level: as for `scan`.
            jobs: as for `scan`.
            stop: an event; without one it goes on until the generator is closed.
            poll: look at all files now and then, instead of being told by the system.

        Yields:
            Path and answer of each file that is new or changed, when it is recorded.

        Raises:
            FileAccessError: a folder is not there, or can't be watched.
            LibraryError: the library can't be used.
        """
        from samplemind.library.watching import watch

        named = [folders] if isinstance(folders, str | os.PathLike) else list(folders)
        absolute = [os.path.abspath(folder) for folder in named]
        scan = functools.partial(self.scan, level=level, jobs=jobs, noted=False)
        yield from watch(absolute, scan, stop=stop, poll=poll)

    @property
    def engine(self) -> AudioEngine:
        """What analyses."""
        if self._engine is None:
            from samplemind.engine import AudioEngine

            self._engine = AudioEngine(settings=self.settings)
        return self._engine
