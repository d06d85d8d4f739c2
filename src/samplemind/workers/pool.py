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
from samplemind.features.levels import AnalysisLevel, outputs_of
from samplemind.workers.drawing import Drawing, placed
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.order import Line
from samplemind.workers.process import Outcome, WorkerDiedError, WorkerProcess
from samplemind.workers.remote import shown
from samplemind.workers.task import Task

_LOOK_S: Final = 0.1
"""How often workers are looked after."""
_QUEUED: Final = 16
"""Groups of outcomes that wait for a slow reader before the workers do."""
_FALSE_STARTS: Final = 3
"""Workers in a row that die before they are ready until it is no accident, if none ever was ready."""
_FALSE_RESTARTS: Final = 20
"""The same where some were ready: then something is about that kills them now and then."""

Known = Callable[[str], Outcome | None]
Store = Callable[[list[Outcome]], None]


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
        self.workers = workers
        self._processes: set[WorkerProcess] = set()
        self._guard = threading.Lock()
        self._first = threading.Lock()
        self._compiled = threading.Event()
        self._stopped = threading.Event()

    def outcomes(
        self, paths: Iterable[str], *, known: Known = lambda path: None, store: Store = lambda outcomes: None
    ) -> Generator[Outcome, None, None]:
        """Outcomes as they come, in no particular order.

        Args:
            paths: read as they are needed, in a thread of their own.
            known: gives the outcome of a path that no worker is needed for. Called there too.
            store: keeps the outcomes of a group of files. Called in the threads that mind the workers, before anybody
                sees the outcomes.
        """
        self._stopped.clear()
        run = _Run(self, known, store)
        threads = [threading.Thread(target=self.watch, daemon=True)]
        threads += [threading.Thread(target=run.mind, daemon=True) for _ in range(self.workers)]
        for thread in threads:
            thread.start()
        threading.Thread(target=run.read, args=[paths], daemon=True).start()
        try:
            yield from run.outcomes(1 + self.workers)
        finally:
            self.stop()
            run.line.end()
            # Not for who reads the paths: they may come from somewhere that never says more.
            for thread in threads:
                thread.join()

    def stop(self) -> None:
        """End all workers, and start no more."""
        self._stopped.set()
        with self._guard:
            for worker in self._processes:
                worker.end()

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
            self._processes.discard(worker)
        worker.close()

    def is_stopped(self) -> bool:
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
            try:
                worker = WorkerProcess(self.limits)
            except OSError as error:
                raise WorkerDiedError(f"can't be started: {error}") from error
            self._processes.add(worker)
        try:
            worker.begin(self.task)
        except WorkerDiedError:
            self.forget(worker)
            raise
        return worker

    def watch(self) -> None:
        """Hold the workers to their limits, until the pool is stopped."""
        while not self._stopped.wait(_LOOK_S):
            with self._guard:
                workers = list(self._processes)
            for worker in workers:
                worker.watch()


class _Run:
    """One run of a pool: what its threads share. Each says None when it is done, or what went wrong before that."""

    def __init__(self, pool: Pool, known: Known, store: Store) -> None:
        self.line = Line(workers=pool.workers)
        self._pool = pool
        self._known = known
        self._store = store
        self._results: queue.Queue[list[Outcome] | BaseException | None] = queue.Queue(_QUEUED)

    def outcomes(self, threads: int) -> Iterator[Outcome]:
        """Outcomes, until so many threads are done."""
        while threads:
            item = self._results.get()
            if item is None:
                threads -= 1
            elif isinstance(item, list):
                yield from item
            else:
                raise item

    def read(self, paths: Iterable[str]) -> None:
        """A thread's work: paths into the line, but those that are known."""
        with self._telling(), contextlib.ExitStack() as ends:
            ends.callback(self.line.end)
            for path in paths:
                if self._pool.is_stopped():
                    return
                outcome = self._known(path)
                if outcome is None:
                    self.line.add(path)
                else:
                    self._put([outcome])

    def mind(self) -> None:
        """A thread's work: groups from the line through a worker."""
        with self._telling(), contextlib.closing(Minder(self._pool)) as minder:
            while not self._pool.is_stopped() and (group := self.line.take()):
                while group:
                    found = list(minder.outcomes(group))
                    self._store(found)
                    group = minder.stored()
                    self._put(found)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:  # whatever it is, who waits for outcomes must hear of it
            self._put(error)
        finally:
            self._put(None)

    def _put(self, item: list[Outcome] | BaseException | None) -> None:
        while not self._pool.is_stopped():
            with contextlib.suppress(queue.Full):
                self._results.put(item, timeout=_LOOK_S)
                return


class Minder:
    """Keeps one worker at work, and starts another one when it dies."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._worker: WorkerProcess | None = None
        self._later: list[tuple[str, int]] = []

    def outcomes(self, group: Iterable[tuple[str, int]], *, level: AnalysisLevel | None = None) -> Iterator[Outcome]:
        """An outcome for each file but those that `stored` gives back.

        Args:
            group: files with their sizes in bytes.
            level: how much to find out; the task's level if None.

        Raises:
            LevelUnavailableError: this version can't compute the level.
            WorkerStartError: no worker can be started.
        """
        if level is not None:
            outputs_of(level)  # told here, because a worker would die over it
        left = deque(group)
        if self._worker is not None and not self._worker.alive:  # it died while it had nothing to do
            self.close()
        suspect: str | None = None
        while left and not self._pool.is_stopped():
            worker = self._worker = self._worker or self._started()
            together = [left[0]] if suspect is not None else list(left)
            try:
                for outcome in worker.outcomes(together, level=level):
                    file = left.popleft()
                    suspect = None
                    if outcome is None:
                        self._later.append(file)
                    else:
                        yield outcome
            except WorkerDiedError as death:
                self._pool.forget(worker)
                self._worker = None
                if self._pool.is_stopped():  # that is why it died
                    return
                path = left[0][0]
                if suspect is not None:
                    left.popleft()
                    yield Outcome(path, CrashError(shown(path), str(death)))
                suspect = path if suspect is None else None

    def drawn(self, path: str, size: int, drawing: Drawing) -> bytes:
        """Draw a file; a worker that dies over it is followed by another one, once.

        Args:
            path: the file.
            size: its size in bytes, by which it is given time.
            drawing: what. A preview is at its target only when it is whole; meanwhile it is beside it, in a file whose
                name ends in ".part".

        Returns:
            Of peaks a JSON document, of a spectrogram a PNG file, of a preview nothing.

        Raises:
            AnalysisError: the file can't be decoded, or is beyond a limit.
            OutputError: the preview can't be written.
            WorkerStartError: no worker can be started, or the pool was stopped.
        """
        if self._worker is not None and not self._worker.alive:  # it died while it had nothing to do
            self.close()
        reason = ""
        for _ in range(2):
            worker = self._worker = self._worker or self._started()
            try:
                with placed(drawing) as place:
                    return worker.drawn(path, size, place)
            except WorkerDiedError as death:
                self.close()
                if self._pool.is_stopped():
                    raise WorkerStartError("the workers were called off") from death
                reason = str(death)
        raise CrashError(shown(path), reason)

    def stored(self) -> list[tuple[str, int]]:
        """The outcomes are where other processes find them; they need not wait for this worker any more.

        Returns:
            Files that another process had in hand, to be tried again.
        """
        if self._worker is not None:
            with contextlib.suppress(WorkerDiedError):  # it holds nothing then
                self._worker.stored()
        later, self._later = self._later, []
        return later

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._pool.forget(self._worker)
            self._worker = None

    def _started(self) -> WorkerProcess:
        for attempt in itertools.count(1):
            try:
                return self._pool.start()
            except WorkerDiedError as death:
                if self._pool.is_stopped() or attempt == (_FALSE_RESTARTS if self._pool.proven else _FALSE_STARTS):
                    raise WorkerStartError(f"no worker can be started: it {death}") from death
        raise AssertionError("an endless loop ended")
