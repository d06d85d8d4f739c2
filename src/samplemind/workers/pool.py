"""Many files among worker processes: each file has its outcome, whatever happens to a worker."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final

from samplemind.errors import AnalysisError, CrashError, KilledError, WorkerStartError
from samplemind.features.levels import AnalysisLevel, outputs_of
from samplemind.workers.done import Done, Store
from samplemind.workers.drawing import Drawing, placed
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.order import Line
from samplemind.workers.process import Outcome, Reply, WorkerDiedError, WorkerProcess
from samplemind.workers.remote import shown
from samplemind.workers.task import Task

_LOOK_S: Final = 0.1
"""How often workers are looked after."""
_QUEUED: Final = 16
"""Groups of outcomes that wait for a slow reader before the workers do."""
_FALSE_STARTS: Final = 3
"""Workers in a row that die before they are ready until it is no accident, if none ever was ready."""
_FALSE_RESTARTS: Final = 20
"""The same where some were ready: then something is about that makes them fail now and then."""
_KILLED_STARTS: Final = 50
"""Workers in a row that somebody kills before they are ready: that says nothing of them."""
_KILLS: Final = 10
"""Workers in a row that somebody kills over one file: that says nothing of it, but there has to be an end."""
_AFTER_KILL_S: Final = 0.2
"""A pause in which what the system kills for, as want of memory, may pass."""
_GIVE_S: Final = 0.25
"""How often it is looked whether outcomes have waited for long."""

Known = Callable[[str], Outcome | None]


class Pool:
    """Shares files out among worker processes, which start when there is something to do.

    A file over which a worker dies is tried once more, alone in a new worker; then its outcome is a `CrashError`. If
    somebody kills the worker, that says nothing of the file: it is tried again, until that was so many times in a row
    that its outcome is a `KilledError`.

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
            store: keeps the outcomes of a group of files, or of some of them if others take long. Called in threads
                of its own, before anybody sees the outcomes.
        """
        self._stopped.clear()
        run = _Run(self, known, store)
        threads = [threading.Thread(target=self.watch, daemon=True)]
        threads += [threading.Thread(target=run.give, daemon=True)]
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

    def pause(self, seconds: float) -> bool:
        """Wait, but not longer than somebody waits for outcomes; whether nobody does."""
        return self._stopped.wait(seconds)

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
        self._groups: list[Done] = []
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
        done = Done(self._store)
        self._groups.append(done)
        with self._telling(), contextlib.closing(Minder(self._pool)) as minder:
            while not self._pool.is_stopped() and (group := self.line.take()):
                while group:
                    try:
                        for told in minder.told(group):
                            done.add(told)
                    finally:
                        with done.turn:  # what was given on before has arrived then
                            found = done.stored()
                    group = minder.stored()
                    self._put(found)

    def give(self) -> None:
        """A thread's work: outcomes that wait for a file which takes long, stored and given on."""
        try:
            while not self._pool.pause(_GIVE_S):
                for done in [*self._groups]:
                    if done.late:
                        with done.turn:
                            self._put(done.stored())
        except BaseException as error:  # as for the others, but nobody waits for its end
            self._put(error)

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
        """What is `told`, as outcomes."""
        for told in self.told(group, level=level):
            yield told.outcome() if isinstance(told, Reply) else told

    def told(
        self, group: Iterable[tuple[str, int]], *, level: AnalysisLevel | None = None
    ) -> Iterator[Reply | Outcome]:
        """A worker's reply for each file but those that `stored` gives back, or the outcome if none could reply.

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
        kills = 0
        while left and not self._pool.is_stopped():
            worker = self._worker = self._worker or self._started()
            together = [left[0]] if suspect is not None or kills else list(left)
            try:
                for reply in worker.replies(together, level=level):
                    file = left.popleft()
                    suspect, kills = None, 0
                    if reply is None:
                        self._later.append(file)
                    else:
                        yield reply
            except WorkerDiedError as death:
                self._pool.forget(worker)
                self._worker = None
                if self._pool.is_stopped():  # that is why it died
                    return
                path = left[0][0]
                if death.killed:
                    kills += 1
                    if kills < _KILLS:
                        self._pool.pause(_AFTER_KILL_S)
                        continue
                    error: AnalysisError = KilledError(shown(path), _killed(kills))
                elif suspect is None:
                    suspect = path
                    continue
                else:
                    error = CrashError(shown(path), str(death))
                suspect, kills = None, 0
                left.popleft()
                yield Outcome(path, error)

    def drawn(self, path: str, size: int, drawing: Drawing) -> bytes:
        """Draw a file; a worker that dies over it is followed by another one, once, or as often as somebody kills it.

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
        deaths = kills = 0
        while True:
            worker = self._worker = self._worker or self._started()
            try:
                with placed(drawing) as place:
                    return worker.drawn(path, size, place)
            except WorkerDiedError as death:
                self.close()
                if self._pool.is_stopped():
                    raise WorkerStartError("the workers were called off") from death
                if not death.killed:
                    deaths += 1
                    if deaths == 2:
                        raise CrashError(shown(path), str(death)) from None
                    continue
                kills += 1
                if kills == _KILLS:
                    raise KilledError(shown(path), _killed(kills)) from None
                self._pool.pause(_AFTER_KILL_S)

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

    @property
    def is_ready(self) -> bool:
        """Whether a worker waits for files."""
        return self._worker is not None and self._worker.alive

    def ready(self) -> None:
        """Have a worker ready, so that what is taken on next does not wait for one.

        Raises:
            WorkerStartError: no worker can be started, or the pool was stopped.
        """
        if not self.is_ready:
            self.close()
            self._worker = self._started()

    def _started(self) -> WorkerProcess:
        deaths = kills = 0
        while True:
            try:
                return self._pool.start()
            except WorkerDiedError as death:
                deaths += not death.killed
                kills += death.killed
                most = _FALSE_RESTARTS if self._pool.proven else _FALSE_STARTS
                if self._pool.is_stopped() or deaths == most or kills == _KILLED_STARTS:
                    raise WorkerStartError(f"no worker can be started: it {death}") from death
                if death.killed:
                    self._pool.pause(_AFTER_KILL_S)


def _killed(times: int) -> str:
    return f"not analysed: its worker was killed {times} times in a row, by somebody or for want of memory"
