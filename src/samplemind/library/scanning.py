"""Scans: the library comes to know what is in a folder. What it knows already costs a look at the file system.

walk ─▶ a row of the same stamp?   unchanged
     ─▶ bytes that are known?      moved, or a copy: recorded at once
     ─▶ workers                    analysed, or failed: recorded in groups
rows that the walk did not meet    missing, never deleted
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import os
import stat as file_status
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, TypeVar

from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from samplemind import errors
from samplemind.audio import StatKey, file_digest, stat_key
from samplemind.discovery import audio_files
from samplemind.errors import AnalysisError, FileAccessError, InternalError, LibraryError
from samplemind.features import feature_graph
from samplemind.features.levels import AnalysisLevel, outputs_of
from samplemind.library import entries, folders
from samplemind.library.database import Database
from samplemind.library.folders import Place
from samplemind.library.model import Analysis, Audio, File, Job, Root
from samplemind.library.records import Bytes, Found, failed_stamp, record, stamp
from samplemind.result import AudioFeatures

T = TypeVar("T")
Answer = AudioFeatures | AnalysisError
Analyze = Callable[[Iterable[str]], Generator[tuple[str, Answer], None, None]]
"""Answers of files as they come: `AudioEngine.batch_analyze`, with all arguments given but the paths."""

_ASKED_AT_ONCE: Final = entries.AT_ONCE
_WRITTEN_AT_ONCE: Final = 200
"""Files in one transaction."""
_LONGEST_WAIT_S: Final = 1.0
"""After that, what came is written with the next file."""
_ABANDONED_S: Final = 3600.0
"""A scan that has said nothing for so long was killed."""


@dataclass(frozen=True)
class Totals:
    """What became of the files of a scan: `files` is the sum of the next four."""

    analyzed: int = 0
    known: int = 0
    """Moved, renamed or copied: their bytes were known."""
    unchanged: int = 0
    failed: int = 0
    missing: int = 0
    """Files that were there before and are not any more."""

    @property
    def files(self) -> int:
        """All that were met."""
        return self.analyzed + self.known + self.unchanged + self.failed


class Scan:
    """Answers of files that are new or changed, as they are recorded; `totals` counts all of them meanwhile.

    Args:
        database: the library.
        paths: folders and files. One that is not there makes the files missing that the library has of it.
        level: how much to find out.
        analyze: analyses those that need it.
        retry: try files again that had no answer, though they are as they were.
        watching: this is one of many: it leaves no note among the jobs, and says nothing of files that came and went.
    """

    def __init__(
        self,
        database: Database,
        paths: Iterable[str],
        *,
        level: AnalysisLevel,
        analyze: Analyze,
        retry: bool = False,
        watching: bool = False,
    ) -> None:
        self.totals = Totals()
        self._database = database
        given = {os.path.abspath(path) for path in paths}
        self._paths = sorted(path for path in given if given.isdisjoint(_around(path)))
        self._level = level
        self._analyze = analyze
        self._retry = retry
        self._watching = watching
        self._today = fingerprints(level)
        self._now_ns = time.time_ns()
        self._flying: dict[str, StatKey] = {}
        self._counting = threading.Lock()
        self._seen = _Numbers()
        self._unread: list[str] = []
        self._refused: deque[tuple[str, AnalysisError]] = deque()
        self._over = threading.Event()

    def __iter__(self) -> Generator[tuple[str, Answer], None, None]:
        """Answers of files that were not known before; each is recorded when it is given."""
        job = None if self._watching else self._begun()
        state, reason = "interrupted", None
        try:
            places = [place for place in map(self._place, self._paths) if place is not None]
            yield from self._told()
            with contextlib.closing(self._analyze(self._wanted(places))) as answers:
                yield from self._recorded(answers, job)
            yield from self._told()
            for place in places:
                self._mark_missing(place)
            state = "done"
        except Exception as error:
            state, reason = "failed", str(error)
            raise
        finally:
            self._over.set()  # who reads the paths may be far from the next one that somebody waits for
            if job is not None:
                self._ended(job, state, reason)

    def _told(self) -> Iterator[tuple[str, Answer]]:
        """Errors of files that no worker was asked about."""
        while self._refused:
            yield self._refused.popleft()

    def _recorded(
        self, answers: Iterator[tuple[str, Answer]], job: int | None
    ) -> Generator[tuple[str, Answer], None, None]:
        """Write answers in groups, and give them on."""
        group: list[tuple[str, Answer]] = []
        written = time.monotonic()
        try:
            for item in answers:
                group.append(item)
                if len(group) >= _WRITTEN_AT_ONCE or time.monotonic() - written > _LONGEST_WAIT_S:
                    given, group = group, []
                    self._record(given, job)
                    written = time.monotonic()
                    yield from given
                    yield from self._told()
        finally:
            self._record(group, job)  # also of a scan that is called off
        yield from group

    def _record(self, answers: Sequence[tuple[str, Answer]], job: int | None) -> None:
        found = []
        for path, answer in answers:
            failed = isinstance(answer, AnalysisError)
            self._count(**{"failed" if failed else "analyzed": 1})
            stat = self._flying.pop(path)
            if not isinstance(answer, FileAccessError):  # it says nothing of the sound: a drive may have been unplugged
                found.append(Found(stat, answer))
        if found:
            self._write(found, job)

    def _write(self, found: Sequence[Found], job: int | None) -> None:
        with self._database.writing() as session:
            self._keep(session, found)
            if job is not None:
                totals = dataclasses.asdict(self.totals)
                session.execute(update(Job).where(Job.id == job).values(seen_at=time.time(), totals=totals))

    def _keep(self, session: Session, found: Sequence[Found]) -> None:
        fingerprint = self._today[self._level]
        record(session, found, level=self._level, fingerprint=fingerprint, now=time.time(), now_ns=self._now_ns)

    def _count(self, **more: int) -> None:
        with self._counting:
            counted = {name: getattr(self.totals, name) + count for name, count in more.items()}
            self.totals = dataclasses.replace(self.totals, **counted)

    def _place(self, path: str) -> Place | None:
        """Where a path is in the library; what is not there and never was is told as an error."""
        with self._database.reading() as session:
            place = folders.place_of(session, path)
            known = place is not None and session.scalar(select(select(File.id).where(place.below()).exists()))
        is_there = os.path.lexists(path)
        if not (is_there or known or (place is not None and not place.path)):
            if not self._watching:
                self._refuse(path, FileAccessError(path, "no such file or directory"))
            return None
        if place is not None:
            return place
        with self._database.writing() as session:
            folder = path if os.path.isdir(path) else os.path.dirname(path)
            place = folders.added(session, folder, time.time())
        return dataclasses.replace(place, path=folders.relative(path, place.root))

    def _refuse(self, path: str, error: AnalysisError) -> None:
        self._count(failed=1)
        self._refused.append((path, error))

    def _wanted(self, places: Iterable[Place]) -> Iterator[str]:
        """Paths of files that have to be analysed. Runs in a thread of whoever analyses."""
        for place in places:
            for group in _groups(self._met(place), _ASKED_AT_ONCE):
                if self._over.is_set():
                    return
                yield from self._unknown(place, group)

    def _met(self, place: Place) -> Iterator[tuple[str, StatKey]]:
        """The files that are there now, by path below the root."""
        start = folders.absolute(place.root, place.path)
        for item in audio_files([start]) if os.path.lexists(start) else ():
            if self._over.is_set():
                return
            if isinstance(item, FileAccessError):
                self._unread.append(item.path)
                self._refuse(item.path, item)
                continue
            try:
                yield folders.relative(item, place.root), stat_key(item)
            except AnalysisError as error:
                if os.path.lexists(item):  # else it went away just now
                    self._refuse(item, error)

    def _unknown(self, place: Place, met: Sequence[tuple[str, StatKey]]) -> Iterator[str]:
        """Of some files, those whose sound is not known; of the others it is recorded where they are."""
        with self._database.reading() as session:
            rows = _rows_of(session, place.root_id, [path for path, _ in met])
            fresh = self._fresh(session, {row.audio_id for row in rows.values() if row.audio_id is not None})
            left, back = [], []
            for path, stat in met:
                row = rows.get(path)
                if row is not None and self._is_settled(row, stat, fresh):
                    self._seen.add(row.id)  # of others it is asked in the end whether they are still there
                    back += [row] if row.missing_since is not None else []
                    continue
                left.append(stat)
            known = select(File.size).where(File.size.in_({stat.size for stat in left}), File.digest.is_not(None))
            likely = set(session.scalars(known.distinct())) if left else set()
        if back:
            with self._database.writing() as session:
                those = File.id.in_([row.id for row in back])
                session.execute(update(File).where(those).values(missing_since=None))
                touched = session.scalars(select(File.audio_id).where(those))  # as it is now: some may be forgotten
                entries.refresh(session, {audio_id for audio_id in touched if audio_id is not None})
        new = {stat.path for path, stat in met if path not in rows}
        done = self._with_known_bytes([stat for stat in left if stat.size in likely], new)
        for stat in left:
            if stat.path not in done:
                self._flying[stat.path] = stat
                yield stat.path

    def _is_settled(self, row: Row[Any], stat: StatKey, fresh: set[int]) -> bool:
        """Whether a file is as it was when it was recorded, and nothing is left to do. Counts it."""
        if row.size != stat.size:
            return False
        if row.audio_id in fresh and row.stamp == stamp(stat):
            self._count(unchanged=1)
            return True
        if row.error is not None and not self._retry and row.stamp == failed_stamp(stat, self._today[self._level]):
            kind = getattr(errors, row.error, InternalError)
            self._refuse(stat.path, kind(stat.path, row.reason or ""))
            return True
        return False

    def _with_known_bytes(self, stats: Sequence[StatKey], new: Collection[str]) -> set[str]:
        """Record those of some files whose bytes the library has; the paths of these. Only `new` paths may be moves."""
        digests = {}
        for stat in stats:
            if self._over.is_set():
                return set()
            with contextlib.suppress(AnalysisError):  # whoever analyses it will say why
                digests[stat.path] = file_digest(stat.path)
        if not digests:
            return set()
        found = []
        # What the library has of them is looked up by who writes: nobody forgets it, or moves it elsewhere, meanwhile.
        with self._database.writing() as session:
            others = _files_of(session, set(digests.values()))
            fresh = self._fresh(session, {file.audio_id for files in others.values() for file, _ in files})
            for stat in stats:
                files = [
                    (file, root) for file, root in others.get(digests.get(stat.path, ""), ()) if file.audio_id in fresh
                ]
                if files and _untouched(stat):
                    file, _ = files[0]
                    known = Bytes(file.audio_id, file.digest, file.container, file.codec, file.bit_depth)
                    found.append(Found(stat, known, self._moved_from(files) if stat.path in new else None))
            if found:
                self._keep(session, found)
        self._count(known=len(found))
        return {each.stat.path for each in found}

    def _moved_from(self, files: Iterable[tuple[File, str]]) -> int | None:
        """Of files, each with its root, one that is gone and stands for no other file yet."""
        for file, root in files:
            if file.id not in self._seen and _is_gone(root, file.path) and os.path.isdir(root):
                self._seen.add(file.id)
                return file.id
        return None

    def _fresh(self, session: Session, audio_ids: Iterable[int]) -> set[int]:
        """Those whose analysis is of this level or above, and would come out the same today."""
        found: set[int] = set()
        for group in _groups(iter(sorted(set(audio_ids))), _ASKED_AT_ONCE):
            rows = session.execute(
                select(Analysis.audio_id, Analysis.level, Analysis.fingerprint).where(Analysis.audio_id.in_(group))
            )
            found |= {audio_id for audio_id, level, print_ in rows if self._today.get(AnalysisLevel(level)) == print_}
        return found

    def _mark_missing(self, place: Place) -> None:
        """Mark what the library has of a place and the walk did not meet. What could not be read is left as it is."""
        now = time.time()
        unread = [folders.relative(path, place.root) for path in self._unread if folders.is_below(path, place.root)]
        after = 0
        while True:
            with self._database.reading() as session:
                there = session.execute(
                    select(File.id, File.path)
                    .where(place.below(), File.id > after, File.missing_since.is_(None))
                    .order_by(File.id)
                    .limit(_ASKED_AT_ONCE)
                ).all()
            if not there:
                break
            after = there[-1].id
            gone = [
                file.id
                for file in there
                if file.id not in self._seen
                and not any(file.path.startswith(f"{path}/") or not path for path in unread)
                and _is_gone(place.root, file.path)
            ]
            if gone:
                self._count(missing=len(gone))
                with self._database.writing() as session:
                    session.execute(update(File).where(File.id.in_(gone)).values(missing_since=now))
                    touched = session.scalars(select(File.audio_id).where(File.id.in_(gone)))
                    entries.refresh(session, {audio_id for audio_id in touched if audio_id is not None})
        if not place.path:
            self._note_root(place, now)

    def _note_root(self, place: Place, now: float) -> None:
        """Note that all of a root was scanned, or that it is not there."""
        with self._database.writing() as session:
            root = session.get(Root, place.root_id)
            if root is None:  # it became part of another one, or was forgotten
                return
            files = select(File.id).where(File.root_id == root.id)
            is_empty = session.scalar(select(~files.where(File.missing_since.is_(None)).exists()))
            was_empty = session.scalar(select(~files.exists()))
            if not os.path.isdir(root.path) or (is_empty and not was_empty):
                root.missing_since = root.missing_since or now
            else:
                root.missing_since, root.scanned_at = None, now

    def _begun(self) -> int:
        now = time.time()
        with self._database.writing() as session:
            session.execute(
                update(Job)
                .where(Job.kind == "scan", Job.state == "running", Job.seen_at < now - _ABANDONED_S)
                .values(state="interrupted", ended_at=now)
            )
            subject = os.pathsep.join(self._paths)
            job = Job(
                kind="scan", state="running", subject=subject, level=str(self._level), started_at=now, seen_at=now
            )
            session.add(job)
            session.flush()
            return job.id

    def _ended(self, job: int, state: str, reason: str | None) -> None:
        now = time.time()
        totals = dataclasses.asdict(self.totals)
        # Where it can't be written that the scan failed, that is why it did.
        with contextlib.suppress(LibraryError), self._database.writing() as session:
            session.execute(
                update(Job)
                .where(Job.id == job)
                .values(state=state, reason=reason, totals=totals, seen_at=now, ended_at=now)
            )


class _Numbers:
    """A set of numbers of rows: a bit each, for a million of them fit in 125 kB."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> None:
        """Put a number in."""
        byte, bit = divmod(number, 8)
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte - len(self._bits) + 1 + len(self._bits) // 8))
        self._bits[byte] |= 1 << bit

    def __contains__(self, number: int) -> bool:
        byte, bit = divmod(number, 8)
        return byte < len(self._bits) and bool(self._bits[byte] >> bit & 1)


def _rows_of(session: Session, root_id: int, paths: Sequence[str]) -> dict[str, Any]:
    """What is recorded of files of a root, by path."""
    columns = (File.path, File.id, File.audio_id, File.size, File.stamp, File.error, File.reason, File.missing_since)
    rows = session.execute(select(*columns).where(File.root_id == root_id, File.path.in_(paths)))
    return {row.path: row for row in rows}


def _files_of(session: Session, digests: set[str]) -> dict[str, list[tuple[Any, str]]]:
    """Files with an answer, by the digest of their bytes, each with the path of its root."""
    found: dict[str, list[tuple[Any, str]]] = {}
    rows = session.execute(
        select(File, Root.path)
        .join(Root, File.root_id == Root.id)
        .join(Audio, File.audio_id == Audio.id)
        .where(File.digest.in_(digests))
        .order_by(File.id)
    )
    for file, root in rows:
        found.setdefault(str(file.digest), []).append((file, root))
    return found


def _is_gone(root: str, path: str) -> bool:
    """Whether no file is there any more. One that can't be asked for is not said to be gone."""
    try:
        return not file_status.S_ISREG(os.stat(folders.absolute(root, path)).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def _untouched(stat: StatKey) -> bool:
    """Whether a file is still as it was before its bytes were read."""
    try:
        return stat_key(stat.path) == stat
    except AnalysisError:
        return False


def _around(path: str) -> Iterator[str]:
    """The folders that an absolute path is in."""
    while (folder := os.path.dirname(path)) != path:
        yield folder
        path = folder


def _groups(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while group := list(itertools.islice(items, size)):
        yield group


def fingerprints(level: AnalysisLevel) -> dict[AnalysisLevel, str]:
    """For a level and those above it: what its answers depend on, but for the files."""
    found = {}
    for each in AnalysisLevel:
        if level in each.included:
            with contextlib.suppress(errors.LevelUnavailableError):
                found[each] = _fingerprint(each)
    return found


@functools.cache
def _fingerprint(level: AnalysisLevel) -> str:
    prints = feature_graph().fingerprints
    parts = [prints[node] for nodes in outputs_of(level).values() for node in nodes]
    for package in ("av", "soundfile"):  # libraries that decode
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"no {package}")
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
