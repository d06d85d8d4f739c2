"""Scans: the library comes to know what is in a folder. What it knows already costs a look at the file system.

walk ─▶ a row of the same stamp?   unchanged
     ─▶ bytes that are known?      moved, or a copy: recorded at once
     ─▶ workers                    analysed, or failed: recorded in groups
rows that the walk did not meet    missing, never deleted
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from samplemind import errors
from samplemind.audio import Limits, StatKey, file_digest, stat_key
from samplemind.discovery import audio_files
from samplemind.errors import (
    AnalysisError,
    FileAccessError,
    InternalError,
    KilledError,
    LibraryError,
    OutsideRootsError,
)
from samplemind.features.levels import AnalysisLevel
from samplemind.library import entries, folders, freshness
from samplemind.library.account import Account
from samplemind.library.database import Database
from samplemind.library.groups import groups
from samplemind.library.missing import is_gone, mark_missing
from samplemind.library.model import File, Job, Root
from samplemind.library.numbers import Numbers
from samplemind.library.records import Bytes, Found, record
from samplemind.library.stamps import failed_stamp, stamp
from samplemind.result import AudioFeatures

Answer = AudioFeatures | AnalysisError
Analyze = Callable[[Iterable[str]], Generator[tuple[str, Answer], None, None]]
"""Answers of files as they come: `AudioEngine.batch_analyze`, with all arguments given but the paths."""

_WRITTEN_AT_ONCE: Final = 200
"""Files in one transaction."""
_LONGEST_WAIT_S: Final = 1.0
"""After that, what came is written with the next file."""
_ABANDONED_S: Final = 3600.0
"""A scan that has said nothing for so long was killed."""
_NOTED_S: Final = 60.0
"""How often a scan says that it lives."""
_COPIES: Final = 500
"""Of more files of the same bytes not all are looked at."""


class Scan(Account):
    """Answers of files that are new or changed, as they are recorded; `totals` counts all of them meanwhile.

    Args:
        database: the library.
        paths: folders and files. One that is not there makes the files missing that the library has of it.
        level: how much to find out.
        limits: what is refused: under others, files without an answer are tried again.
        analyze: analyses those that need it.
        retry: try files again that had no answer, though they are as they were.
        watching: this is one of many: it leaves no note among the jobs, and says nothing of files that came and went.
        follow: as of `audio_files`; what is not followed is a file that failed.
    """

    def __init__(
        self,
        database: Database,
        paths: Iterable[str],
        *,
        level: AnalysisLevel,
        analyze: Analyze,
        limits: Limits | None = None,
        retry: bool = False,
        watching: bool = False,
        follow: Callable[[str], bool] = lambda link: True,
    ) -> None:
        super().__init__()
        self._bare: list[str] = []
        self._database = database
        given = {folders.whole(path) for path in paths}
        self._paths = sorted(path for path in given if given.isdisjoint(folders.around(path)))
        self._level = level
        self._analyze = analyze
        self._retry = retry
        self._watching = watching
        self._follow = follow
        self._today = freshness.fingerprints(level)
        self._conditions = freshness.conditions(limits or Limits())
        self._now_ns = time.time_ns()
        self._flying: dict[str, StatKey] = {}
        self._seen = Numbers()
        self._job: int | None = None
        self._noted = time.monotonic()

    def __iter__(self) -> Generator[tuple[str, Answer], None, None]:
        """Answers of files that were not known before; each is recorded when it is given."""
        if not self._watching:
            self._begin()
        state, reason = "interrupted", None
        try:
            self._add_roots()
            with contextlib.closing(self._analyze(self._wanted())) as answers:
                yield from self._recorded(answers)
            for marked in mark_missing(self._database, self._paths, self._seen, time.time()):
                if isinstance(marked, int):
                    self._count(missing=marked)
                elif not self._watching:
                    self.met += 1
                    self._refuse(marked, FileAccessError(marked, "no such file or directory"))
            self._note_absent()
            yield from self.untold()
            state = "done"
        except Exception as error:
            state, reason = "failed", str(error)
            raise
        finally:
            self._close()  # who reads the paths may be far from the next one that somebody waits for
            # Where it can't be written that the scan failed, that is why it did.
            with contextlib.suppress(LibraryError), self._database.writing() as session:
                self._note(session, state=state, reason=reason, ended_at=time.time())

    def _begin(self) -> None:
        """Note the scan among the jobs, and those that were killed as interrupted."""
        now = time.time()
        with self._database.writing() as session:
            killed = (Job.kind == "scan") & (Job.state == "running") & (Job.seen_at < now - _ABANDONED_S)
            killed &= Job.ticket.is_(None)  # a service minds its own
            session.execute(update(Job).where(killed).values(state="interrupted", ended_at=now))
            subject = os.pathsep.join(self._paths)
            job = Job(kind="scan", state="running", subject=subject, level=str(self._level), seen_at=now)
            job.created_at = job.started_at = now
            session.add(job)
            session.flush()
            self._job = job.id

    def _note(self, session: Session, **values: Any) -> None:
        """Note how far the scan is."""
        if self._job is not None:
            self._noted = time.monotonic()
            values |= {"totals": dataclasses.asdict(self.totals), "seen_at": time.time()}
            session.execute(update(Job).where(Job.id == self._job).values(**values))

    def _add_roots(self) -> None:
        """Make roots of the folders, or of the folders of the files, that are not below one."""
        for some in groups(self._paths):
            with self._database.reading() as session:
                places = folders.places(session, some)
            for path in some:
                if path not in places and os.path.lexists(path):
                    with self._database.writing() as session:
                        folders.added(session, path if os.path.isdir(path) else os.path.dirname(path), time.time())

    def _recorded(self, answers: Iterator[tuple[str, Answer]]) -> Generator[tuple[str, Answer], None, None]:
        """Write answers in groups, and give them on."""
        group: list[tuple[str, Answer]] = []
        given: deque[tuple[str, Answer]] = deque()
        written = time.monotonic()
        try:
            for item in answers:
                group.append(item)
                if len(group) >= _WRITTEN_AT_ONCE or time.monotonic() - written > _LONGEST_WAIT_S:
                    recorded, group = group, []
                    self._record(recorded)
                    written = time.monotonic()
                    given.extend(recorded)
                    while given:
                        yield given.popleft()
                    yield from self.untold()
        finally:
            self._record(group)  # also of a scan that is called off
            given.extend(group)
            self._refused.extend((path, answer) for path, answer in given if isinstance(answer, AnalysisError))
        yield from (item for item in given if not isinstance(item[1], AnalysisError))
        yield from self.untold()

    def _record(self, answers: Sequence[tuple[str, Answer]]) -> None:
        found = []
        for path, answer in answers:
            failed = isinstance(answer, AnalysisError)
            self._count(**{"failed" if failed else "analyzed": 1})
            stat = self._flying.pop(path)
            # These say nothing of the sound: a drive may have been unplugged, a worker killed.
            if not isinstance(answer, FileAccessError | KilledError):
                found.append(Found(stat, answer))
        if found:
            with self._database.writing() as session:
                self._keep(session, found)
                self._note(session)

    def _keep(self, session: Session, found: Sequence[Found]) -> None:
        record(
            session,
            found,
            level=self._level,
            fingerprint=self._today[self._level],
            conditions=self._conditions,
            now=time.time(),
            now_ns=self._now_ns,
        )

    def _note_absent(self) -> None:
        """Note how many files the library has of paths where there are none."""
        if self._watching:
            return
        with self._database.reading() as session:
            for path, place in folders.places(session, self._bare).items():
                missing = select(func.count()).select_from(File).where(place.below(), File.missing_since.is_not(None))
                count = session.scalar(missing)
                if count:
                    self.absent[path] = count

    def _wanted(self) -> Iterator[str]:
        """Paths of files that have to be analysed. Runs in a thread of whoever analyses."""
        for met in groups(self._met()):
            if self._over.is_set():
                return
            yield from self._unknown(met)
            if time.monotonic() - self._noted > _NOTED_S:
                with self._database.writing() as session:
                    self._note(session)

    def _met(self) -> Iterator[StatKey]:
        """The files that are there now."""
        for item in audio_files(self._there(), follow=self._follow):
            if self._over.is_set():
                return
            if isinstance(item, OutsideRootsError):
                self.met += 1
                self._refuse(item.path, item)
                continue
            if isinstance(item, FileAccessError):  # a folder
                self.unreadable += 1
                self._count((item.path, item))
                continue
            try:
                stat = stat_key(item)
            except AnalysisError as error:
                if os.path.lexists(item):  # else it went away just now
                    self.met += 1
                    self._refuse(item, error)
                continue
            self.met += 1
            yield stat
        self.all_met = True

    def _there(self) -> Iterator[str]:
        """The paths that are there, each when all files of those before it were met."""
        for path in self._paths:
            before = self.met + self.unreadable
            if os.path.lexists(path):
                yield path
            if self.met + self.unreadable == before:
                self._bare.append(path)

    def _unknown(self, met: Sequence[StatKey]) -> Iterator[str]:
        """Of some files, those whose sound is not known; of the others it is recorded where they are."""
        with self._database.reading() as session:
            rows = _rows_of(session, [stat.path for stat in met])
            fresh = freshness.fresh(session, _audio_ids(rows.values()), self._today)
            left, back, unchanged = [], [], 0
            for stat in met:
                row = rows.get(stat.path)
                if row is None or row.size != stat.size:
                    left.append(stat)
                    continue
                if row.audio_id in fresh and row.stamp == stamp(stat):
                    unchanged += 1
                elif (error := self._error_of_before(row, stat)) is not None:
                    self._refuse(stat.path, error)
                else:
                    left.append(stat)
                    continue
                self._seen.add(row.id)  # of others it is asked in the end whether they are still there
                back += [row.id] if row.missing_since is not None else []
            self._count(unchanged=unchanged)
            known = select(File.size).where(File.size.in_({stat.size for stat in left}), File.digest.is_not(None))
            likely = set(session.scalars(known.distinct())) if left else set()
        if back:
            with self._database.writing() as session:
                session.execute(update(File).where(File.id.in_(back)).values(missing_since=None))
                touched = session.execute(select(File.audio_id).where(File.id.in_(back)))  # some may be forgotten now
                entries.refresh(session, _audio_ids(touched))
        done = self._with_known_bytes([stat for stat in left if stat.size in likely], rows.keys())
        for stat in left:
            if stat.path not in done:
                self._flying[stat.path] = stat
                yield stat.path

    def _error_of_before(self, row: Row[Any], stat: StatKey) -> AnalysisError | None:
        """Why a file of the recorded size had no answer, if it would have none today either."""
        if row.error is None or self._retry or row.stamp != failed_stamp(stat, self._conditions):
            return None
        kind = getattr(errors, row.error, InternalError)
        return kind(stat.path, row.reason or "")

    def _with_known_bytes(self, stats: Sequence[StatKey], recorded: Collection[str]) -> set[str]:
        """Record those of some files whose bytes the library has; the paths of these.

        A file whose path is not `recorded` may be one that is gone from where it was.
        """
        digests = {}
        for stat in stats:
            if self._over.is_set():
                return set()
            with contextlib.suppress(AnalysisError):  # whoever analyses it will say why
                digests[stat] = file_digest(stat.path)
        if not digests:
            return set()
        found = []
        # What the library has of them is looked up by who writes: nobody forgets it, or moves it elsewhere, meanwhile.
        with self._database.writing() as session:
            others = _files_of(session, set(digests.values()))
            fresh = freshness.fresh(session, _audio_ids(file for some in others.values() for file in some), self._today)
            gone = {digest: self._gone(files) for digest, files in others.items()}
            for stat, digest in digests.items():
                same = next((file for file in others.get(digest, ()) if file.audio_id in fresh), None)
                if same is not None and _untouched(stat):
                    known = Bytes(same.audio_id, digest, same.container, same.codec, same.bit_depth)
                    moved_from = None if stat.path in recorded else next(gone[digest], None)
                    found.append(Found(stat, known, moved_from))
            if found:
                self._keep(session, found)
        self._count(known=len(found))
        return {each.stat.path for each in found}

    def _gone(self, files: Iterable[Row[Any]]) -> Iterator[int]:
        """Those of some files that are gone, from folders that are there, and stand for no other file yet."""
        for file in files:
            if file.id not in self._seen and is_gone(file.root, file.path) and os.path.isdir(file.root):
                self._seen.add(file.id)
                yield file.id


def _rows_of(session: Session, paths: Iterable[str]) -> dict[str, Any]:
    """What is recorded of files, by absolute path."""
    by_root: dict[int, dict[str, str]] = {}
    for path, place in folders.places(session, paths).items():
        by_root.setdefault(place.root_id, {})[place.path] = path
    columns = (File.path, File.id, File.audio_id, File.size, File.stamp, File.error, File.reason, File.missing_since)
    return {
        below[row.path]: row
        for root_id, below in by_root.items()
        for row in session.execute(select(*columns).where(File.root_id == root_id, File.path.in_(below)))
    }


def _audio_ids(rows: Iterable[Any]) -> set[int]:
    return {row.audio_id for row in rows if row.audio_id is not None}


def _files_of(session: Session, digests: set[str]) -> dict[str, list[Any]]:
    """Files with an answer, by the digest of their bytes; of very many copies only some, the missing ones first."""
    order = func.row_number().over(partition_by=File.digest, order_by=(File.missing_since.is_(None), File.id))
    columns = (File.id, File.path, File.audio_id, File.digest, File.container, File.codec, File.bit_depth)
    ranked = (
        select(*columns, Root.path.label("root"), order.label("number"))
        .join(Root, File.root_id == Root.id)
        .where(File.digest.in_(digests), File.audio_id.is_not(None))
        .subquery()
    )
    found: dict[str, list[Any]] = {}
    rows = session.execute(select(ranked).where(ranked.c.number <= _COPIES).order_by(ranked.c.digest, ranked.c.number))
    for row in rows:
        found.setdefault(row.digest, []).append(row)
    return found


def _untouched(stat: StatKey) -> bool:
    """Whether a file is still as it was before its bytes were read."""
    try:
        return stat_key(stat.path) == stat
    except AnalysisError:
        return False
