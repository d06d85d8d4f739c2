"""Who analyses: a worker process of this machine, or the nodes of a Dask cluster. The service never decodes."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Final, Protocol

from samplemind.audio import Limits
from samplemind.cache import FeatureCache
from samplemind.errors import WorkerStartError
from samplemind.features.levels import ADDED, AnalysisLevel
from samplemind.workers.batch import keep, worker_task
from samplemind.workers.cluster import batch_on
from samplemind.workers.drawing import Drawing
from samplemind.workers.executors import executor_for
from samplemind.workers.flights import Slots
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.pool import Minder, Pool
from samplemind.workers.process import Outcome, WorkerProcess

HIGHEST: Final = list(ADDED)[-1]
"""A worker that is ready for this level is ready for all."""


class Analyst(Protocol):
    """Analyses files, a group at a time."""

    @property
    def restarts(self) -> int:
        """How often a worker was started because the one before had died."""

    @property
    def is_ready(self) -> bool:
        """Whether `outcomes` need not wait for somebody to get ready."""

    def ready(self) -> None:
        """Have somebody ready to work.

        Raises:
            WorkerStartError: nobody can be found to work.
        """

    def outcomes(self, files: Sequence[tuple[str, int]], level: AnalysisLevel) -> list[Outcome]:
        """Outcomes of files given with their sizes in bytes, once the cache has what was found.

        Raises:
            WorkerStartError: nobody can be found to work.
        """

    def call_off(self) -> None:
        """Have `outcomes` return soon, without those that it does not have yet. Called from another thread."""

    def close(self) -> None:
        """Let go of processes and connections; they come again when they are needed."""


class CountingPool(Pool):
    """A pool that counts how many workers it has started."""

    starts = 0

    def start(self) -> WorkerProcess:
        """A worker that is ready, as of `Pool`."""
        self.starts += 1
        return super().start()


class Local:
    """One worker process, which is followed by another one when it dies or its work is called off.

    Args:
        cache: where answers are looked up and kept.
        limits: what is refused.
        worker_limits: what one file may cost.
    """

    def __init__(self, cache: FeatureCache, limits: Limits, worker_limits: WorkerLimits) -> None:
        self._cache = cache
        task = worker_task(HIGHEST, False, cache, limits, worker_limits, retry_quarantined=False, alone=True)
        self._task = dataclasses.replace(task, timed=True)
        self._limits = worker_limits
        self._minded: tuple[CountingPool, Minder] | None = None
        self._guard = threading.Lock()
        self._off = False
        self._restarts_before = 0

    @property
    def restarts(self) -> int:
        """As of `Analyst`."""
        minded = self._minded
        return self._restarts_before + (max(0, minded[0].starts - 1) if minded else 0)

    @property
    def is_ready(self) -> bool:
        """As of `Analyst`."""
        minded = self._minded
        return minded is not None and minded[1].is_ready

    def ready(self) -> None:
        """As of `Analyst`."""
        self._ready()[1].ready()

    def outcomes(self, files: Sequence[tuple[str, int]], level: AnalysisLevel) -> list[Outcome]:
        """As of `Analyst`."""
        pool, minder = self._ready()
        found: list[Outcome] = []
        left = [*files]
        while left and not pool.is_stopped():
            some: list[Outcome] = []
            try:
                for outcome in minder.outcomes(left, level=level):
                    some.append(outcome)
            finally:
                keep(some, self._cache)
            found += some
            left = minder.stored()  # and what another process had in hand is tried again
        return found

    def drawn(self, path: str, size: int, drawing: Drawing) -> bytes:
        """What is drawn of a file of so many bytes, as of `Minder.drawn`."""
        return self._ready()[1].drawn(path, size, drawing)

    def call_off(self) -> None:
        """End the worker, and start no other one until `close`."""
        with self._guard:
            self._off = True
            if self._minded is not None:
                self._minded[0].stop()

    def close(self) -> None:
        """End the worker. Called where `outcomes` is."""
        with self._guard:
            minded, self._minded, self._off = self._minded, None, False
        if minded is not None:
            pool, minder = minded
            pool.stop()
            minder.close()
            self._restarts_before += max(0, pool.starts - 1)

    def _ready(self) -> tuple[CountingPool, Minder]:
        with self._guard:
            if self._minded is None:
                pool = CountingPool(self._task, workers=1, limits=self._limits)
                if self._off:
                    pool.stop()
                threading.Thread(target=pool.watch, daemon=True, name="samplemind-watch").start()
                self._minded = pool, Minder(pool)
            return self._minded


class Cluster:
    """Dask's workers, each with a worker process of its own. They must see the files under the same paths.

    Args:
        scheduler: its address, as for `executor_for`.
        cache: as for `Local`; nodes have their own beside it.
        limits: likewise.
        worker_limits: likewise.
    """

    restarts = 0

    def __init__(self, scheduler: str, cache: FeatureCache, limits: Limits, worker_limits: WorkerLimits) -> None:
        self._scheduler = scheduler
        self._cache = cache
        self._limits = limits
        self._worker_limits = worker_limits
        self._guard = threading.Lock()
        self._ends = contextlib.ExitStack()
        self._found: tuple[Executor, Slots] | None = None

    @property
    def is_ready(self) -> bool:
        """As of `Analyst`."""
        return self._found is not None

    def ready(self) -> None:
        """As of `Analyst`."""
        self._reached()

    def outcomes(self, files: Sequence[tuple[str, int]], level: AnalysisLevel) -> list[Outcome]:
        """As of `Analyst`; may be called from several threads."""
        executor, slots = self._reached()
        try:
            return [
                *batch_on(
                    executor,
                    [path for path, _ in files],
                    level=level,
                    cache=self._cache,
                    limits=self._limits,
                    worker_limits=self._worker_limits,
                    slots=slots,
                )
            ]
        except WorkerStartError:
            self.close()  # the next time, the scheduler is looked for anew
            raise

    def call_off(self) -> None:
        """Nothing: what nodes have begun they finish."""

    def close(self) -> None:
        """Let go of the scheduler."""
        with self._guard:
            self._found = None
            self._ends.close()

    def _reached(self) -> tuple[Executor, Slots]:
        with self._guard:
            if self._found is None:
                self._found = self._ends.enter_context(executor_for(self._scheduler, jobs=1))
            return self._found
