"""Many files among worker processes: each file has its outcome, whatever happens to a worker."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final

from samplemind.errors import CrashError, WorkerStartError
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.order import groups
from samplemind.workers.process import Outcome, WorkerDiedError, WorkerProcess
from samplemind.workers.task import Task

_LOOK_S: Final = 0.1
"""How often workers are looked after."""
_QUEUED: Final = 256
"""Outcomes that wait for a slow reader before the workers do."""
_FALSE_STARTS: Final = 3
"""Workers in a row that die before they are ready until it is no accident, if none ever was ready."""
_FALSE_RESTARTS: Final = 20
"""The same where some were ready: then something is about that kills them now and then."""

Known = Callable[[str], Outcome | None]
_Group = list[tuple[str, int]]


class Pool:
    """Shares files out among worker processes, which start when there is something to do.

    A file over which a worker dies is tried once more, alone in a new worker; then its outcome is a `CrashError`.

    Args:
        task: what all workers are told.
        workers: how many.
        limits: what one file may cost.
    """

    def __init__(self, task: Task, *, workers: int, limits: WorkerLimits) -> None:
        self.task = task
        self.limits = limits
        self._count = workers
        self._workers: set[WorkerProcess] = set()
        self._guard = threading.Lock()
        self._first = threading.Lock()
        self._compiled = threading.Event()
        self._stopped = threading.Event()

    def outcomes(self, paths: Iterable[str], known: Known = lambda path: None) -> Generator[Outcome, None, None]:
        """Outcomes as they come, in no particular order.

        Args:
            paths: read as they are needed, in the threads that mind the workers, one at a time.
            known: gives the outcome of a path that no worker is needed for. Called likewise.
        """
        results: queue.Queue[Outcome | BaseException | None] = queue.Queue(_QUEUED)
        self._stopped.clear()

        def put(item: Outcome | BaseException | None) -> None:
            while not self._stopped.is_set():
                with contextlib.suppress(queue.Full):
                    results.put(item, timeout=_LOOK_S)
                    return

        def unknown() -> Iterator[str]:
            for path in paths:
                if self._stopped.is_set():
                    return
                outcome = known(path)
                if outcome is None:
                    yield path
                else:
                    put(outcome)

        source = groups(unknown(), workers=self._count)
        reading = threading.Lock()

        def work() -> None:
            try:
                with contextlib.closing(_Minder(self)) as minder:
                    while not self._stopped.is_set():
                        with reading:
                            group = next(source, None)
                        if group is None:
                            break
                        for outcome in minder.outcomes(group):
                            put(outcome)
            except BaseException as error:  # whatever it is, the reader must hear of it
                put(error)
            put(None)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(self._count)]
        threads.append(threading.Thread(target=self._watch, daemon=True))
        for thread in threads:
            thread.start()
        try:
            working = self._count
            while working:
                item = results.get()
                if item is None:
                    working -= 1
                elif isinstance(item, Outcome):
                    yield item
                else:
                    raise item
        finally:
            self._stopped.set()
            with self._guard:
                for worker in self._workers:
                    worker.end()
            for thread in threads:
                thread.join()

    def start(self) -> WorkerProcess:
        """A worker that is ready.

        Raises:
            WorkerDiedError: it does not get ready, or the pool was stopped.
        """
        if self._compiled.is_set():
            return self._begun()
        with self._first:  # one compiles what the others then load
            worker = self._begun()
            self._compiled.set()
            return worker

    def forget(self, worker: WorkerProcess) -> None:
        """End a worker."""
        with self._guard:
            self._workers.discard(worker)
        worker.close()

    @property
    def stopped(self) -> bool:
        """Whether nobody waits for outcomes any more."""
        return self._stopped.is_set()

    @property
    def proven(self) -> bool:
        """Whether some worker was ready once."""
        return self._compiled.is_set()

    def _begun(self) -> WorkerProcess:
        with self._guard:
            if self._stopped.is_set():
                raise WorkerDiedError("was called off")
            worker = WorkerProcess(self.limits)
            self._workers.add(worker)
        try:
            worker.begin(self.task)
        except WorkerDiedError:
            self.forget(worker)
            raise
        return worker

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK_S):
            with self._guard:
                workers = list(self._workers)
            for worker in workers:
                worker.watch()


class _Minder:
    """Keeps one worker at work, and starts another one when it dies."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._worker: WorkerProcess | None = None

    def outcomes(self, group: _Group) -> Iterator[Outcome]:
        """An outcome for each file."""
        left = deque(group)
        suspect: str | None = None
        while left and not self._pool.stopped:
            worker = self._worker = self._worker or self._started()
            together = [left[0]] if suspect is not None else list(left)
            try:
                for outcome in worker.outcomes(together):
                    left.popleft()
                    suspect = None
                    yield outcome
            except WorkerDiedError as death:
                self._pool.forget(worker)
                self._worker = None
                path = left[0][0]
                if suspect is not None:
                    left.popleft()
                    yield Outcome(path, CrashError(path, str(death)))
                suspect = path if suspect is None else None

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._pool.forget(self._worker)

    def _started(self) -> WorkerProcess:
        for attempt in itertools.count(1):
            try:
                return self._pool.start()
            except WorkerDiedError as death:
                if self._pool.stopped or attempt == (_FALSE_RESTARTS if self._pool.proven else _FALSE_STARTS):
                    raise WorkerStartError(f"no worker can be started: it {death}") from death
        raise AssertionError("an endless loop ended")
