"""The runner: the threads of a service that work on jobs, and one that keeps what they hold.

lanes       a worker process each, or a share of a cluster: analyses
scanner     scans of folders
keeper      resumes at the start, renews leases, notices what was cancelled
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from samplemind.audio import Limits
from samplemind.cache import FeatureCache
from samplemind.errors import LibraryError, WorkerStartError
from samplemind.library.database import Database
from samplemind.service import jobs, leases
from samplemind.service.analysts import Cluster, Local
from samplemind.service.hub import Hub
from samplemind.service.lanes import Lane
from samplemind.service.ledger import Ledger, StoppedError
from samplemind.service.scans import Scanner
from samplemind.workers.limits import WorkerLimits

log = logging.getLogger("samplemind.service")

_LOOK_S: Final = 2.0
"""How often it is looked for jobs that nobody said anything of: those that were given back."""
_KEEP_S: Final = 10.0
"""How often leases are renewed: several times before they run out."""
_IDLE_S: Final = 300.0
"""Seconds without a job after which a lane's worker ends: it takes some hundred megabytes, and a second to start."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
"""Until something is tried again that went wrong."""
_CALLED_OFF_S: Final = 5.0
"""How long threads may take to end whose work was called off."""
_FORGET_S: Final = 3600.0
"""How often jobs are forgotten that ended long ago."""


class Runner:
    """Works on jobs until it is stopped. What goes wrong in a thread is logged, waited for, and tried again.

    Args:
        database: the library.
        cache: of answers.
        hub: is told of jobs that changed.
        home: this service, by the name that it had before it was killed; no other one that runs may have it.
        limits: what is refused.
        roots: folders that the operator allows to scan.
        workers: processes that analyse; with a scheduler, groups that are sent to it at a time.
        worker_limits: what one file may cost.
        scheduler: Dask's, as for `executor_for`; None for processes of this machine.
    """

    def __init__(
        self,
        database: Database,
        *,
        cache: FeatureCache,
        hub: Hub,
        home: str,
        limits: Limits,
        roots: Collection[Path] = (),
        workers: int,
        worker_limits: WorkerLimits | None = None,
        scheduler: str | None = None,
    ) -> None:
        worker_limits = worker_limits or WorkerLimits()
        self._ledger = Ledger(database, hub, home)
        self._cluster = Cluster(scheduler, cache, limits, worker_limits) if scheduler is not None else None
        self._lanes = [
            Lane(
                self._ledger,
                self._cluster or Local(cache, limits, worker_limits),
                cache,
                limits,
                roots=roots,
                lanes=workers,
            )
            for _ in range(workers)
        ]
        self._scanner = Scanner(
            self._ledger, cache, limits, worker_limits, roots=roots, workers=workers, scheduler=scheduler
        )
        self._works: tuple[Lane | Scanner, ...] = (*self._lanes, self._scanner)
        self._resumed = threading.Event()
        self._news = threading.Condition()
        self._told = 0
        self._adrift: set[int] = set()
        self._forgot_at = float("-inf")
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin; what this service had in hand when it was killed is queued again first."""
        self._begin("keeper", self._keep)
        for number, lane in enumerate(self._lanes):
            self._begin(f"lane-{number}", functools.partial(self._work, lane.turn, lane.analyst.close))
        self._begin("scanner", functools.partial(self._work, self._scanner.turn, lambda: None))

    def stop(self, grace_s: float) -> None:
        """End: running analyses have some seconds to end; what has not ended by then is queued again, as scans are."""
        self._ledger.stopping.set()
        self.wake()
        self._scanner.call_off()
        self._join(grace_s)
        for lane in self._lanes:
            lane.call_off()
        self._join(_CALLED_OFF_S)
        with contextlib.suppress(LibraryError), self._ledger.database.writing() as session:
            leases.give_back(session, self._ledger.home, time.time())
        if self._cluster is not None:
            self._cluster.close()

    def wake(self) -> None:
        """Say that there are new jobs, after they were written."""
        with self._news:
            self._told += 1
            self._news.notify_all()

    def cancelled(self, tickets: Collection[str]) -> None:
        """Say that jobs were cancelled, after that was written: nobody goes on working on them."""
        for each in self._works:
            each.call_off(tickets)
        self._ledger.tell(tickets)

    def trouble(self) -> str | None:
        """What the runner waits for, in words: workers that can't be started, a library that can't be written."""
        return self._ledger.troubles()

    def states(self) -> Mapping[str, int]:
        """How many of this service's jobs there are in each state."""
        with self._ledger.database.reading() as session:
            return jobs.counts(session, self._ledger.home)

    def counted(self) -> Mapping[str, float]:
        """What was counted since the start."""
        ended: Counter[str] = Counter()
        for lane in self._lanes:
            ended.update(lane.ended.copy())
        analysts = {id(lane.analyst): lane.analyst for lane in self._lanes}.values()
        return {
            "worker_restarts": float(sum(analyst.restarts for analyst in analysts)),
            "analyses": float(ended.total()),
            "analyses_failed": float(ended["failed"] + ended["quarantined"]),
            "analysis_seconds": sum(lane.busy_s for lane in self._lanes),
        }

    def node_seconds(self) -> Mapping[str, float]:
        """Seconds that this machine's workers spent in each node of the feature graph."""
        total: Counter[str] = Counter()
        for lane in self._lanes:
            total.update(lane.node_s.copy())
        return total

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True, name=f"samplemind-{name}")
        self._threads.append(thread)
        thread.start()

    def _join(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self, turn: Callable[[], bool], close: Callable[[], None]) -> None:
        """A thread's work: turns, as long as there is something to do."""
        where = threading.current_thread().name
        self._resumed.wait()
        pause_s = _FIRST_PAUSE_S
        busy_at = time.monotonic()
        while not self._ledger.stopping.is_set():
            told = self._told
            try:
                busy = turn()
            except StoppedError:
                break
            except Exception as error:  # no thread may end but by order
                self._complain(where, error)
                self._ledger.stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            pause_s = _FIRST_PAUSE_S
            self._ledger.well(where)
            if busy:
                busy_at = time.monotonic()
                continue
            if time.monotonic() - busy_at > _IDLE_S:
                close()
            with self._news:
                if self._told == told:
                    self._news.wait(_LOOK_S)
        close()

    def _complain(self, where: str, error: Exception) -> None:
        if not isinstance(error, LibraryError | WorkerStartError):
            log.error("%s failed, and goes on", where, exc_info=error)
        self._ledger.trouble(where, str(error))

    def _keep(self) -> None:
        """The keeper's work."""
        where = threading.current_thread().name
        while not self._ledger.stopping.is_set():
            try:
                if not self._resumed.is_set():
                    self._ledger.change(self._resume)
                    self._resumed.set()
                self._look_after()
            except StoppedError:
                break
            except Exception as error:  # no thread may end but by order
                self._complain(where, error)
            else:
                self._ledger.well(where)
            self._ledger.stopping.wait(_KEEP_S)
        self._resumed.set()

    def _resume(self, session: Session) -> list[str]:
        return leases.resume(session, self._ledger.home, time.time())

    def _look_after(self) -> None:
        """Keep what is in hand, and nothing else."""
        home = self._ledger.home
        in_hand = {job for each in self._works for job in each.in_hand()}
        with self._ledger.database.reading() as session:
            held = leases.held(session, home)
        for each in self._works:
            each.call_off(in_hand - held)
        adrift = held - in_hand
        # What was adrift before was not just taken: whoever took it has failed at it, and at giving it back.
        left, self._adrift = adrift & self._adrift, adrift

        def keep(session: Session) -> list[str]:
            now = time.time()
            leases.renew(session, home, now)
            return leases.give_back(session, home, now, left)

        if held:
            self._ledger.change(keep)
        if time.monotonic() - self._forgot_at > _FORGET_S:
            self._ledger.write(lambda session: jobs.forget(session, time.time()))
            self._forgot_at = time.monotonic()
