"""Library: the sounds that were scanned, for programs in Python."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

from samplemind.errors import FileAccessError
from samplemind.features.levels import AnalysisLevel
from samplemind.library.opening import open_database
from samplemind.settings import Settings, load_settings
from samplemind.workers.remote import is_url, shown

if TYPE_CHECKING:
    from samplemind.engine import AudioEngine
    from samplemind.library.scanning import Answer, Scan
    from samplemind.library.search import Page
    from samplemind.library.watching import Stop, Trouble
    from samplemind.result import AudioFeatures

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
        watching: bool = False,
    ) -> Scan:
        """Take folders and files into the library: analyse what is new or changed, in worker processes.

        Args:
            paths: folders and files of this machine.
            level: how much to find out.
            jobs: worker processes; as many as there are cores by default.
            retry: try files again that had no answer, or crashed, though they are as they were.
            watching: this is one of many: it leaves no note among the library's jobs, and says nothing of files that
                came and went.

        Returns:
            To be iterated over once: path and answer of each file that is new or changed, when it is recorded; its
            `totals` count along.

        Raises:
            FileAccessError: a path is a URL.
            LibraryError: the library can't be used.
        """
        from samplemind.features.levels import named_level, outputs_of
        from samplemind.library.scanning import Scan

        named = _files_named(paths)
        level = named_level(level)
        outputs_of(level)
        analyze = functools.partial(self.engine.batch_analyze, level=level, jobs=jobs, retry_quarantined=retry)
        limits = self.engine.limits
        return Scan(self.database, named, level=level, analyze=analyze, limits=limits, retry=retry, watching=watching)

    def watch(
        self,
        folders: PathLike | Iterable[PathLike],
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        jobs: int | None = None,
        stop: Stop | None = None,
        poll: bool | None = None,
        trouble: Trouble | None = None,
        round_s: float | None = None,
    ) -> Generator[tuple[str, Answer], None, None]:
        """Scan folders, and then whatever changes in them, until `stop` is set.

        Args:
            folders: of this machine.
            level: as for `scan`.
            jobs: as for `scan`.
            stop: an event; without one it goes on until the generator is closed.
            poll: look at all files all the time, instead of being told by the system.
            trouble: is told, once each time, that the library can't be used just now (`LibraryError`), which is tried
                again until it can; or that a folder was forgotten (`NotInLibraryError`), which is left alone until it
                is scanned again. By default the error is raised.
            round_s: the system doesn't tell of everything: how often all is looked at; every ten minutes by default.

        Yields:
            Path and answer of each file that is new or changed, when it is recorded.

        Raises:
            FileAccessError: a folder is not there, or can't be watched, or is a URL.
            LibraryError: the library can't be used from the beginning, or is of another version.
        """
        from samplemind.library.folders import whole
        from samplemind.library.watching import ROUND_S, watch

        paths = [whole(folder) for folder in _files_named(folders)]
        scan = functools.partial(self.scan, level=level, jobs=jobs, watching=True)
        every_s = ROUND_S if round_s is None else round_s
        yield from watch(self.database, paths, scan, trouble=trouble, stop=stop, poll=poll, round_s=every_s)

    def search(self, query: str = "", *, limit: int = 50, cursor: str | None = None) -> Page:
        """Find sounds: a page of them, and the cursor of the next one.

        Args:
            query: as `docs/search.md` describes it; without one, all sounds are found, the latest first.
            limit: how many at most, from 1 to 1000.
            cursor: of the page before, of the same query.

        Raises:
            QueryError: the query can't be understood, or the cursor is none of its.
            NotInLibraryError: it names a collection that is not there.
            LibraryError: the library can't be used.
        """
        from samplemind.library.query import parse
        from samplemind.library.search import search

        asked = parse(query)
        with self.database.reading() as session:
            return search(session, asked, limit=limit, cursor=cursor, now=time.time())

    def features(self, sound: PathLike) -> AudioFeatures:
        """What was measured of a sound when it was last analysed, without reading any file.

        Args:
            sound: a path that was scanned, or the beginning of the digest of a sound.

        Raises:
            NotInLibraryError: the library doesn't have it.
            LibraryError: the library can't be used.
        """
        from sqlalchemy import select

        from samplemind.library import folders
        from samplemind.library.model import Analysis, File, Root
        from samplemind.library.places import audio_at
        from samplemind.result import AudioFeatures

        with self.database.reading() as session:
            audio_id = audio_at(session, os.fspath(sound))
            latest = select(Analysis.document).where(Analysis.audio_id == audio_id)
            document = session.scalars(latest.order_by(Analysis.analyzed_at.desc()).limit(1)).one()
            files = session.execute(select(File, Root.path).join(Root).where(File.audio_id == audio_id)).all()
        of_the_file: dict[str, Any] = dict.fromkeys(
            ("path", "file_digest", "file_size_bytes", "container", "codec", "bit_depth")
        )
        meant = os.path.abspath(sound)
        for file, root in files:
            path = folders.absolute(root, file.path)
            if of_the_file["path"] is None or path == meant:
                of_the_file = {
                    "path": path,
                    "file_digest": file.digest,
                    "file_size_bytes": file.size,
                    "container": file.container,
                    "codec": file.codec,
                    "bit_depth": file.bit_depth,
                }
        return AudioFeatures.from_dict({**document, **of_the_file})

    def correct(self, sounds: PathLike | Iterable[PathLike], **values: str | float | None) -> None:
        """Say what a sound's tempo, key or kind is, whatever was or will be measured.

        Args:
            sounds: paths, folders, or beginnings of digests.
            **values: ``tempo=140, key="F#m", kind="loop"``; None takes a correction back.

        Raises:
            NotInLibraryError: the library doesn't have one of them; nothing was changed.
            LibraryValueError: a field that can't be corrected, or a value that makes no sense.
            LibraryError: the library can't be used.
        """
        from samplemind.library.corrections import correct
        from samplemind.library.places import changing

        said = {name: "" if value is None else str(value) for name, value in values.items()}
        with changing(self.database, _named(sounds)) as (session, ids):
            correct(session, ids, said, time.time())

    def tag(self, sounds: PathLike | Iterable[PathLike], *tags: str) -> None:
        """Give sounds tags; arguments and errors as of `correct`."""
        from samplemind.library.places import changing
        from samplemind.library.tags import add_tags

        with changing(self.database, _named(sounds)) as (session, ids):
            add_tags(session, ids, tags)

    def untag(self, sounds: PathLike | Iterable[PathLike], *tags: str) -> None:
        """Take tags from sounds; arguments and errors as of `correct`."""
        from samplemind.library.places import changing
        from samplemind.library.tags import remove_tags

        with changing(self.database, _named(sounds)) as (session, ids):
            remove_tags(session, ids, tags)

    @property
    def engine(self) -> AudioEngine:
        """What analyses."""
        if self._engine is None:
            from samplemind.engine import AudioEngine

            self._engine = AudioEngine(settings=self.settings)
        return self._engine


def _files_named(paths: PathLike | Iterable[PathLike]) -> list[str]:
    """Paths of this machine; others are refused."""
    named = _named(paths)
    for path in named:
        if is_url(path):
            raise FileAccessError(shown(path), "a library holds files of this machine: samplemind analyze takes URLs")
    return named


def _named(paths: PathLike | Iterable[PathLike]) -> list[str]:
    return [os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
