"""Lanes: each takes a group of jobs, has their files analysed, and writes down what came of them.

    lease ─▶ known to the library, to the cache, or known to fail?  ended without a worker
          ─▶ analyst ─▶ cache ─▶ library and the jobs' ends, in one transaction

Whatever goes wrong on the way, a job that was taken is ended or given back.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from samplemind.audio import Limits, StatKey, file_digest, stat_key
from samplemind.cache import FeatureCache
from samplemind.errors import (
    AnalysisError,
    CrashError,
    FileAccessError,
    InternalError,
    KilledError,
    OutsideRootsError,
    QuarantinedError,
    SampleMindError,
    WorkerStartError,
)
from samplemind.features.levels import AnalysisLevel
from samplemind.library import freshness
from samplemind.library.model import File
from samplemind.library.records import Found, record
from samplemind.library.stamps import failed_stamp
from samplemind.result import AudioFeatures
from samplemind.service import jobs, known, leases
from samplemind.service.analysts import Analyst
from samplemind.service.leases import End, Leased
from samplemind.service.ledger import Ledger, StoppedError
from samplemind.service.links import real_path
from samplemind.service.problems import without_paths
from samplemind.service.transitions import told
from samplemind.workers.batch import known_outcome
from samplemind.workers.process import Outcome

log = logging.getLogger("samplemind.service")

_GONE: Final = End(0, "failed", "FileAccessError", "the file is gone")
_CRASHES: Final = (CrashError.__name__, QuarantinedError.__name__)
_SHARES: Final = 2
"""Each lane takes that part of what all lanes could have, so that none is left with nothing to do."""


@dataclass(frozen=True)
class Case:
    """A job, the file that it is about, and what came of it. `changed`: the file holds other bytes by now."""

    job: Leased
    file_id: int
    stat: StatKey
    answer: AudioFeatures | AnalysisError | None = None
    changed: bool = False


class Lane:
    """Takes jobs that analyse, a group at a time. `turn` is called again and again, from one thread.

    Args:
        ledger: the library.
        analyst: analyses.
        cache: of answers.
        limits: what is refused.
        roots: folders that the operator allows to scan.
        lanes: how many there are.
    """

    def __init__(
        self,
        ledger: Ledger,
        analyst: Analyst,
        cache: FeatureCache,
        limits: Limits,
        *,
        roots: Collection[Path],
        lanes: int,
    ) -> None:
        self.analyst = analyst
        self.ended: dict[str, int] = {}
        """How many jobs ended in which state."""
        self.busy_s = 0.0
        self.node_s: Counter[str] = Counter()
        """Seconds that workers spent in each node of the feature graph."""
        self._ledger = ledger
        self._cache = cache
        self._conditions = freshness.conditions(limits)
        self._roots = roots
        self._lanes = lanes
        self._guard = threading.Lock()
        self._hand: dict[int, str] = {}
        self._called_off = False

    def turn(self) -> bool:
        """Take jobs, and see to them; whether there were any.

        Raises:
            WorkerStartError: nobody can be found to work; the jobs were given back.
            StoppedError: the service is to stop, and it could not be written what came of them.
        """
        with self._ledger.database.reading() as session:
            waiting = jobs.waiting(session, self._ledger.home, "analysis")
            # A job that was taken and waits for a worker would be blamed if the service is killed meanwhile.
            unprepared = waiting and not self.analyst.is_ready and self._needs_work(session)
        if not waiting:
            return False
        if unprepared:
            self.analyst.ready()
        began = time.monotonic()
        taken, files, tickets = self._ledger.write(lambda session: self._take(session, waiting))
        if not taken:
            return False
        with self._guard:
            self._hand = {job.id: job.ticket for job in taken}
        try:
            self._ledger.tell(tickets)
            self._see_to(taken, files)
        except (StoppedError, WorkerStartError):
            raise
        except Exception:  # whatever it is, the jobs must not wait for ever
            log.exception("analysing %d jobs failed", len(taken))
            reason = "failed inside samplemind: the service's log says more"
            self._finish([End(job.id, "failed", InternalError.__name__, reason) for job in taken])
        finally:
            with self._guard:
                self._hand = {}
                called_off, self._called_off = self._called_off, False
            if called_off:
                self.analyst.close()
            self.busy_s += time.monotonic() - began
        return True

    def _needs_work(self, session: Session) -> bool:
        """Whether the next jobs are more than to look up what the library has."""
        return any(
            subject not in known.analyzed(session, [subject], AnalysisLevel(level))
            for subject, level in leases.next_asked(session, self._ledger.home, "analysis")
        )

    def in_hand(self) -> set[int]:
        """The jobs that it works on."""
        with self._guard:
            return {*self._hand}

    def call_off(self, which: Collection[int | str] | None = None) -> None:
        """Stop working on jobs, named by id or ticket, or on all. What is in hand beside them is begun again later."""
        with self._guard:
            if self._hand and (which is None or not {*self._hand, *self._hand.values()}.isdisjoint(which)):
                self._called_off = True
                self.analyst.call_off()

    def _take(self, session: Session, waiting: int) -> tuple[list[Leased], dict[str, list[known.Candidate]], list[str]]:
        """Lease jobs; those that the library has an answer to are done with it. Also the files of the others."""
        now = time.time()
        most = max(1, waiting // (_SHARES * self._lanes))
        leased = leases.lease(session, self._ledger.home, kind="analysis", now=now, most=most)
        if not leased:
            return [], {}, []
        done = known.analyzed(session, [job.subject for job in leased], AnalysisLevel(leased[0].level))
        ends = [End(job.id, "done") for job in leased if job.subject in done]
        leases.finish(session, self._ledger.home, ends, now)
        left = [job.subject for job in leased if job.subject not in done]
        files = known.candidates(session, left, self._ledger.home)
        return leased, files, told(session, [job.id for job in leased])

    def _see_to(self, taken: Sequence[Leased], files: Mapping[str, Sequence[known.Candidate]]) -> None:
        """Have jobs ended, but those that are in the library: these are."""
        level = AnalysisLevel(taken[0].level)
        now_ns = time.time_ns()
        ends: list[End] = []
        settled: list[Case] = []
        open_cases: dict[str, Case] = {}
        for job in taken:
            if job.subject not in files:
                self._count("done")
                continue
            case = self._case(job, files[job.subject], level)
            if isinstance(case, End):
                ends.append(case)
            elif case.answer is not None:
                settled.append(case)
            else:
                open_cases[case.stat.path] = case
        self._finish(ends)
        outcomes: Sequence[Outcome] = ()
        trouble: WorkerStartError | None = None
        try:
            if open_cases:
                given = [(path, case.stat.size) for path, case in open_cases.items()]
                outcomes = self.analyst.outcomes(given, level)
        except WorkerStartError as error:  # or else the worker was called off while it started
            trouble = None if self._called_off else error
        for outcome in outcomes:
            self.node_s.update(outcome.seconds)
        settled += [_answered(open_cases.pop(outcome.path), outcome.answer) for outcome in outcomes]
        self._settle(settled, level, now_ns)
        self._give_back([case.job.id for case in open_cases.values()])
        if trouble is not None:
            raise trouble

    def _case(self, job: Leased, files: Sequence[known.Candidate], level: AnalysisLevel) -> Case | End:
        """What is to be done for a job, or its end."""
        end = dataclasses.replace(_GONE, id=job.id)
        for file in files:
            try:
                real_path(file.path, file.root, self._roots)
                stat = stat_key(file.path)
                failed = file.error is not None and file.stamp == failed_stamp(stat, self._conditions)
                if failed and file.error not in _CRASHES:  # of those the cache knows more
                    return End(job.id, "failed", file.error, _told(file.reason or "", file.path))
                outcome = known_outcome(file.path, level=level, cache=self._cache)
            except OutsideRootsError as error:
                end = End(job.id, "failed", type(error).__name__, error.reason)
                continue
            except FileAccessError:
                continue  # another one may be there
            case = Case(job, file.id, stat)
            return case if outcome is None else _answered(case, outcome.answer)
        return end

    def _settle(self, cases: Sequence[Case], level: AnalysisLevel, now_ns: int) -> None:
        """Write down what came of some files: all together, or else each alone, so that one costs but itself."""
        if not cases:
            return
        try:
            self._ledger.change(lambda session: self._write(session, cases, level, now_ns))
        except StoppedError:
            raise
        except Exception as error:
            if len(cases) > 1:
                for case in cases:
                    self._settle([case], level, now_ns)
                return
            log.exception("what came of a file can't be written")
            kind = type(error).__name__ if isinstance(error, SampleMindError) else InternalError.__name__
            self._finish([End(cases[0].job.id, "failed", kind, "what came of it can't be written into the library")])
            return
        for case in cases:
            if not case.changed:
                self._count(_end(case).state)

    def _write(self, session: Session, cases: Sequence[Case], level: AnalysisLevel, now_ns: int) -> list[str]:
        now = time.time()
        there = set(session.scalars(select(File.id).where(File.id.in_({case.file_id for case in cases}))))
        gone = [dataclasses.replace(_GONE, id=case.job.id) for case in cases if case.file_id not in there]
        cases = [case for case in cases if case.file_id in there]  # nothing that was taken away comes back
        found = [
            Found(case.stat, case.answer)
            for case in cases
            if case.answer is not None and not isinstance(case.answer, FileAccessError | KilledError)
        ]
        today = freshness.fingerprints(level)[level]
        record(session, found, level=level, fingerprint=today, conditions=self._conditions, now=now, now_ns=now_ns)
        meant = [case for case in cases if not case.changed]
        for case in meant:
            if isinstance(case.answer, AudioFeatures):
                known.share(session, case.job.subject)
            elif not isinstance(case.answer, FileAccessError):  # what the file holds is known all the same
                session.execute(update(File).where(File.id == case.file_id).values(digest=case.job.subject))
        changed = [case.job.id for case in cases if case.changed]
        return [
            *leases.finish(session, self._ledger.home, [*map(_end, meant), *gone], now),
            *leases.give_back(session, self._ledger.home, now, changed),
        ]

    def _finish(self, ends: Sequence[End]) -> None:
        if ends:
            home = self._ledger.home
            self._ledger.change(lambda session: leases.finish(session, home, ends, time.time()))
            for end in ends:
                self._count(end.state)

    def _give_back(self, ids: Sequence[int]) -> None:
        if ids:
            home = self._ledger.home
            self._ledger.change(lambda session: leases.give_back(session, home, time.time(), ids))

    def _count(self, state: str) -> None:
        self.ended[state] = self.ended.get(state, 0) + 1


def _answered(case: Case, answer: AudioFeatures | AnalysisError) -> Case:
    """The case with its answer, and whether that is of the bytes that were meant."""
    if isinstance(answer, AudioFeatures):
        return dataclasses.replace(case, answer=answer, changed=answer.file_digest != case.job.subject)
    try:
        digest = file_digest(case.stat.path)
    except FileAccessError as gone:
        return dataclasses.replace(case, answer=gone)
    return dataclasses.replace(case, answer=answer, changed=digest != case.job.subject)


def _end(case: Case) -> End:
    """How a job ends whose file has an answer."""
    answer = case.answer
    if not isinstance(answer, AnalysisError):
        return End(case.job.id, "done")
    state = "quarantined" if isinstance(answer, CrashError) else "failed"
    return End(case.job.id, state, type(answer).__name__, _told(answer.reason, case.stat.path))


def _told(reason: str, path: str) -> str:
    """A reason without the server's paths."""
    return without_paths(reason.replace(path, "the file"))
