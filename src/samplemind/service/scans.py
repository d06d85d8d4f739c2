"""Scans that a service was asked for: folders that its operator allows become part of the library, one at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import threading
import time
from collections.abc import Collection, Generator, Iterable, Iterator
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from samplemind.audio import Limits
from samplemind.cache import FeatureCache
from samplemind.errors import (
    FileAccessError,
    InternalError,
    LibraryError,
    OutsideRootsError,
    SampleMindError,
    WorkerStartError,
)
from samplemind.features.levels import AnalysisLevel
from samplemind.library.scanning import Answer, Scan
from samplemind.service import jobs, leases
from samplemind.service.leases import End, Leased
from samplemind.service.ledger import Ledger, StoppedError, passes
from samplemind.service.links import staying
from samplemind.service.problems import without_paths
from samplemind.service.transitions import told
from samplemind.workers.batch import batch
from samplemind.workers.cluster import batch_on
from samplemind.workers.executors import executor_for
from samplemind.workers.limits import WorkerLimits

log = logging.getLogger("samplemind.service")

_NOTED_S: Final = 1.0
"""How often a scan says how far it is."""


_SKIPPED: Final = "links that lead out of the folders that are allowed were skipped"


class _CalledOffError(Exception):
    """The scan is to end."""


class Scanner:
    """Takes scans, one at a time; otherwise like a `Lane`.

    Args:
        ledger: the library.
        cache: of answers.
        limits: what is refused.
        roots: folders that the operator allows: links that lead out of all of them are not followed.
        worker_limits: what one file may cost.
        workers: processes beside those of the lanes.
        scheduler: Dask's, in their place.
    """

    def __init__(
        self,
        ledger: Ledger,
        cache: FeatureCache,
        limits: Limits,
        worker_limits: WorkerLimits,
        *,
        roots: Collection[Path],
        workers: int,
        scheduler: str | None,
    ) -> None:
        self._ledger = ledger
        self._cache = cache
        self._limits = limits
        self._roots = roots
        self._worker_limits = worker_limits
        self._workers = workers
        self._scheduler = scheduler
        self._guard = threading.Lock()
        self._hand: Leased | None = None
        self._off = threading.Event()

    def turn(self) -> bool:
        """Take a scan, and see to it; whether there was one. Raises as `Lane.turn`, and `LibraryError` likewise."""
        with self._ledger.database.reading() as session:
            waiting = jobs.waiting(session, self._ledger.home, "scan")
        if not waiting:
            return False
        home = self._ledger.home
        taken = self._ledger.write(lambda session: leases.lease(session, home, kind="scan", now=time.time()))
        if not taken:
            return False
        [job] = taken
        with self._guard:
            self._hand = job
            self._off.clear()
        try:
            self._ledger.tell([job.ticket])
            end = self._scanned(job)
            self._ledger.change(lambda session: leases.finish(session, home, [end], time.time()))
        except _CalledOffError:
            self._give_back(job)
        except (WorkerStartError, LibraryError):
            self._give_back(job)
            raise
        finally:
            with self._guard:
                self._hand = None
        return True

    def in_hand(self) -> set[int]:
        """The job that it works on."""
        with self._guard:
            return set() if self._hand is None else {self._hand.id}

    def call_off(self, which: Collection[int | str] | None = None) -> None:
        """As of `Lane`. It takes effect when the next file comes."""
        with self._guard:
            if self._hand is not None and (which is None or {self._hand.id, self._hand.ticket} & {*which}):
                self._off.set()

    def _give_back(self, job: Leased) -> None:
        home = self._ledger.home
        self._ledger.change(lambda session: leases.give_back(session, home, time.time(), [job.id]))

    def _scanned(self, job: Leased) -> End:
        """Scan a folder; how that ended."""
        if not os.path.isdir(job.subject):
            return End(job.id, "failed", FileAccessError.__name__, "the folder is not there")
        follow = staying(self._roots)
        if not follow(job.subject):  # it was when the job was accepted
            return End(job.id, "failed", OutsideRootsError.__name__, "the folder is not allowed any more")
        level = AnalysisLevel(job.level)

        def analyze(paths: Iterable[str]) -> Generator[tuple[str, Answer], None, None]:
            return self._answers(paths, level)

        try:
            scan = Scan(
                self._ledger.database,
                [job.subject],
                level=level,
                analyze=analyze,
                limits=self._limits,
                watching=True,
                follow=follow,
            )
            outside = 0
            noted = time.monotonic()
            with contextlib.closing(iter(scan)) as answers:
                for _, answer in answers:
                    outside += isinstance(answer, OutsideRootsError)
                    self._refuse_called_off()
                    if time.monotonic() - noted > _NOTED_S:
                        self._note(job, scan)
                        noted = time.monotonic()
            self._note(job, scan)
        except (_CalledOffError, StoppedError, WorkerStartError):
            raise
        except LibraryError as error:
            if passes(error):
                raise
            log.exception("a scan can't be written")
            return End(job.id, "failed", type(error).__name__, "what it found can't be written into the library")
        except Exception as error:  # whatever it is, the job must not wait for ever
            log.exception("a scan failed")
            if isinstance(error, SampleMindError):
                return End(job.id, "failed", type(error).__name__, without_paths(str(error)))
            return End(
                job.id, "failed", InternalError.__name__, "failed inside samplemind: the service's log says more"
            )
        if outside:
            return End(job.id, "done", OutsideRootsError.__name__, f"{_SKIPPED}: {outside}")
        return End(job.id, "done")

    def _answers(self, paths: Iterable[str], level: AnalysisLevel) -> Generator[tuple[str, Answer], None, None]:
        with contextlib.ExitStack() as ends:
            wanted = self._wanted(paths)
            if self._scheduler is None:
                outcomes = batch(
                    wanted,
                    level=level,
                    cache=self._cache,
                    limits=self._limits,
                    workers=self._workers,
                    worker_limits=self._worker_limits,
                )
            else:
                executor, slots = ends.enter_context(executor_for(self._scheduler, jobs=1))
                outcomes = batch_on(
                    executor,
                    wanted,
                    level=level,
                    cache=self._cache,
                    limits=self._limits,
                    worker_limits=self._worker_limits,
                    slots=slots,
                )
            for outcome in ends.enter_context(contextlib.closing(outcomes)):
                yield outcome.path, outcome.answer

    def _wanted(self, paths: Iterable[str]) -> Iterator[str]:
        for path in paths:
            self._refuse_called_off()
            yield path

    def _refuse_called_off(self) -> None:
        if self._off.is_set():
            raise _CalledOffError

    def _note(self, job: Leased, scan: Scan) -> None:
        home, totals = self._ledger.home, dataclasses.asdict(scan.totals)

        def noted(session: Session) -> list[str]:
            leases.note(session, home, job.id, totals, time.time())
            return told(session, [job.id])

        self._ledger.change(noted)
