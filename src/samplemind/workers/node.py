"""A node's side of a cluster: groups of paths come in, outcomes go out as plain data.

Any `concurrent.futures.Executor` may call `analyze_group`, in threads or processes, here or elsewhere. The files are
analysed by worker processes of this machine, as in a batch; they stay ready for the next group.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
import platform
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from samplemind import errors
from samplemind.audio import Limits
from samplemind.cache import FeatureCache
from samplemind.errors import AnalysisError, InternalError, WorkerStartError
from samplemind.features.levels import AnalysisLevel
from samplemind.plain import from_plain, to_plain
from samplemind.result import AudioFeatures
from samplemind.settings import load_settings
from samplemind.version import __version__
from samplemind.workers.batch import keep, known_outcome, worker_task
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.order import GROUP_BYTES, GROUP_FILES, size_of
from samplemind.workers.pool import Minder, Pool
from samplemind.workers.process import Outcome
from samplemind.workers.quarantine import noted
from samplemind.workers.remote import is_url, line_of
from samplemind.workers.shards import ShardFolder

_IDLE_S: Final = 60.0
"""Seconds without a group after which workers end."""
_LOOK_S: Final = 5.0
"""How often that is looked at."""
_STORE_S: Final = 1.0
"""Seconds in which groups that were called off must have stored what they had found."""


@dataclass(frozen=True)
class GroupTask:
    """What a node is told with every group.

    Relative paths are meant from `folder`, where the caller is. `redis_url` wins over the node's own setting. `output`
    is the folder or URL where the node writes shards.
    """

    level: AnalysisLevel
    series: bool
    folder: str
    use_cache: bool
    redis_url: str | None
    limits: Limits
    worker_limits: WorkerLimits
    retry_quarantined: bool
    output: str | None = None
    version: str = __version__


def analyze_group(task_json: str, paths: list[str], shard: str | None = None) -> dict[str, Any]:
    """Analyse a group of files.

    Args:
        task_json: a `GroupTask` as JSON.
        paths: files as this machine knows them, and URLs.
        shard: name of the shard that the group becomes, if the task has an output.

    Returns:
        ``outcomes``, one for each path, as `packed` gives them; or ``shard`` with what `Shard` holds; or ``refused``
        with a reason that would be the same for every group; or ``failed`` with the type of an error and its text. It
        is not raised: an executor may write down the arguments of what fails, and passwords can be in them.
    """
    try:
        return _analyzed(task_json, paths, shard)
    except Exception as error:  # whatever it is, another node may not have it
        known = isinstance(error, errors.SampleMindError)
        text = line_of(error) if known else f"{type(error).__name__}: {line_of(error)}"
        return {"failed": [type(error).__name__, f"{text} (on {platform.node()})"]}


def _analyzed(task_json: str, paths: list[str], shard: str | None) -> dict[str, Any]:
    described = json.loads(task_json)
    if described.get("version") != __version__:
        return {"refused": f"the node {platform.node()} has samplemind {__version__}"}
    task: GroupTask = from_plain(GroupTask, described)
    if task.output is None or shard is None:
        return {"outcomes": [packed(outcome) for outcome in _workers(task_json, task).outcomes(paths)]}
    folder = ShardFolder(task.output)
    written = folder.found(shard) or folder.write(shard, _workers(task_json, task).outcomes(paths))
    return {"shard": to_plain(written)}


def end_workers() -> None:
    """End this process's workers, also those at work; groups that they had fail, and keep what was found."""
    with _guard:
        workers = [*_kept.values()]
        _kept.clear()
    for each in workers:
        each.close()


@contextlib.contextmanager
def without_workers() -> Iterator[None]:
    """End this process's workers, and let none start meanwhile: groups fail at once, whoever sent them."""
    reason = object()
    with _guard:
        _against.add(reason)
    try:
        end_workers()
        yield
    finally:
        with _guard:
            _against.remove(reason)


def packed(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain data, with the cache's entries and the series as bytes."""
    plain: dict[str, Any] = {
        "path": outcome.path,
        "entries": dict(outcome.entries),
        "counts": dict(outcome.counts),
        "computed": outcome.computed,
    }
    answer = outcome.answer
    if isinstance(answer, AnalysisError):
        return {**plain, "error": [type(answer).__name__, answer.path, answer.reason]}
    if answer.series is not None:
        import numpy as np
        from safetensors.numpy import save

        plain["series"] = save({name: np.ascontiguousarray(rows) for name, rows in answer.series.items()})
    return {**plain, "features": answer.to_dict()}


def unpacked(plain: dict[str, Any]) -> Outcome:
    """The outcome that `packed` turned into plain data."""
    answer: AudioFeatures | AnalysisError
    if "error" in plain:
        kind, path, reason = plain["error"]
        answer = getattr(errors, kind, InternalError)(path, reason)
    else:
        answer = AudioFeatures.from_dict(plain["features"])
        if "series" in plain:
            from safetensors.numpy import load

            answer = dataclasses.replace(answer, series=load(plain["series"]))
    return Outcome(plain["path"], answer, plain["entries"], plain["counts"], plain["computed"])


class _Workers:
    """This process's workers for one task: as many as groups come at a time, ready for the next ones.

    Args:
        task: what the groups are analysed for.
    """

    def __init__(self, task: GroupTask) -> None:
        self._task = task
        self._cache = _node_cache(task.redis_url) if task.use_cache else None
        limits = task.worker_limits
        self._pool = Pool(
            worker_task(
                task.level,
                task.series,
                self._cache,
                task.limits,
                limits,
                retry_quarantined=task.retry_quarantined,
                alone=True,
            ),
            workers=0,
            limits=limits,
        )
        self._idle: list[Minder] = []
        self._guard = threading.Lock()
        self._left = threading.Condition(self._guard)
        self._busy = 0
        self._used = time.monotonic()
        threading.Thread(target=self._pool.watch, daemon=True).start()

    def outcomes(self, paths: list[str]) -> list[Outcome]:
        """An outcome for each path, in their order. What was found is in this node's cache.

        Raises:
            WorkerStartError: no worker can be started, or they were called off.
        """
        places = {path: path if is_url(path) else os.path.join(self._task.folder, path) for path in paths}
        found: dict[str, Outcome] = {}
        unknown = []
        for place in dict.fromkeys(places.values()):
            outcome = self._known(place)
            if outcome is None:
                unknown.append((place, size_of(place)))
            else:
                found[place] = outcome
        if unknown:
            with self._minder() as minder:
                for group in _groups(unknown):
                    for outcome in self._analyzed(group, minder):
                        found[outcome.path] = outcome
        if any(place not in found for place in places.values()):
            raise WorkerStartError(_CALLED_OFF)
        return [_renamed(found[places[path]], path) for path in paths]

    def _analyzed(self, group: list[tuple[str, int]], minder: Minder) -> Iterator[Outcome]:
        """Outcomes of files with their sizes; they are kept before anybody sees them."""
        while group:
            found = [*map(noted, minder.outcomes(group))]
            ours = self._task.output is not None  # else the parent gets all of it, and counts
            if self._cache is not None:
                keep(found if ours else [dataclasses.replace(outcome, counts={}) for outcome in found], self._cache)
            yield from (dataclasses.replace(outcome, entries={}) for outcome in found) if ours else found
            group = minder.stored()  # and what another process had in hand is tried again

    def close(self) -> None:
        """End all of them, and wait a moment for the groups at work, which store what was found."""
        self._pool.stop()
        with self._guard:
            idle, self._idle = self._idle, []
            self._left.wait_for(lambda: not self._busy, timeout=_STORE_S)
        for minder in idle:
            minder.close()
        if self._cache is not None:
            self._cache.close()

    @property
    def idle_s(self) -> float:
        """For how many seconds there was no group."""
        with self._guard:
            return 0.0 if self._busy else time.monotonic() - self._used

    @contextlib.contextmanager
    def _minder(self) -> Iterator[Minder]:
        with self._guard:
            self._busy += 1
            minder = self._idle.pop() if self._idle else Minder(self._pool)
        fit = False
        try:
            yield minder
            fit = True  # else there may be answers that nobody has heard
        finally:
            with self._guard:
                self._busy -= 1
                self._used = time.monotonic()
                fit = fit and not self._pool.is_stopped()
                if fit:
                    self._idle.append(minder)
                self._left.notify_all()
            if not fit:
                minder.close()

    def _known(self, path: str) -> Outcome | None:
        task = self._task
        if self._cache is None:
            return None
        try:
            return known_outcome(
                path,
                level=task.level,
                cache=self._cache,
                series=task.series,
                retry_quarantined=task.retry_quarantined,
            )
        except AnalysisError as unreadable:
            return Outcome(path, unreadable.with_traceback(None))


def _groups(files: Iterable[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """Files with their sizes, as many together as are some seconds of work: each group is kept when it is done."""
    group: list[tuple[str, int]] = []
    for file in files:
        group.append(file)
        if len(group) == GROUP_FILES or sum(size for _, size in group) > GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def _renamed(outcome: Outcome, path: str) -> Outcome:
    """The outcome of a file under the name that the caller has for it."""
    if outcome.path == path:
        return outcome
    answer = outcome.answer
    if isinstance(answer, AnalysisError):
        return dataclasses.replace(outcome, path=path, answer=type(answer)(path, answer.reason))
    return dataclasses.replace(outcome, path=path, answer=dataclasses.replace(answer, path=path))


_CALLED_OFF: Final = "the workers were called off"
_against: set[object] = set()
"""There is one for each `without_workers` that lasts."""
_guard = threading.Lock()
_kept: dict[str, _Workers] = {}
_inherited: list[_Workers] = []
atexit.register(end_workers)


def _disown() -> None:
    """In a forked process: those workers are its parent's, and are not to be spoken to, nor ended."""
    _inherited.extend(_kept.values())
    _kept.clear()
    _against.clear()
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_disown)


def _workers(task_json: str, task: GroupTask) -> _Workers:
    with _guard:
        if _against:
            raise WorkerStartError(_CALLED_OFF)
        if not _kept:
            threading.Thread(target=_end_idle, daemon=True).start()
        if task_json not in _kept:
            _kept[task_json] = _Workers(task)
        return _kept[task_json]


def _end_idle() -> None:
    """End workers that nobody needs any more: a node may outlive many runs."""
    while True:
        time.sleep(_LOOK_S)
        with _guard:
            idle = [key for key, workers in _kept.items() if workers.idle_s > _IDLE_S]
            ending = [_kept.pop(key) for key in idle]
            over = not _kept
        for workers in ending:
            workers.close()
        if over:
            return


def _node_cache(redis_url: str | None) -> FeatureCache:
    """The cache that this machine's settings name."""
    settings = load_settings()
    return FeatureCache.at(
        settings.cache_folder, max_bytes=settings.cache_max_bytes, redis_url=redis_url or settings.redis_url
    )
