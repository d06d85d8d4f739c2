"""Drawings: waveforms, spectrograms and previews, made by a worker when they are first asked for, and then kept.

draw/<file digest>/<drawing>             in the cache
quarantine/draw/<file digest>/<drawing>  likewise: why its workers died
previews/<file digest>.flac              in the data folder, those that were not asked for the longest removed first
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from samplemind.audio import Limits
from samplemind.cache import FeatureCache
from samplemind.errors import CrashError, OutputError, WorkerStartError
from samplemind.service.analysts import Local
from samplemind.service.problems import Problem
from samplemind.workers.drawing import Drawing, Preview
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.order import size_of
from samplemind.workers.quarantine import PREFIX, quarantined_as

VERSION: Final = 1
"""Raised when drawings change: those of another version are made anew."""
_QUEUED: Final = 64
"""Drawings that wait: some seconds, unless the sounds are long."""
_RETRY_S: Final = 5
_LOOK_S: Final = 0.5
"""How often it is looked whether to stop."""
_IDLE_S: Final = 300.0
"""Seconds without a drawing after which the worker ends."""


class Drawings:
    """Draws what is asked for, one drawing at a time.

    Args:
        cache: where drawings are kept.
        limits: what is refused.
        previews: folder of previews.
        previews_max_bytes: how large they may be together.
        worker_limits: what one drawing may cost.
    """

    def __init__(
        self,
        *,
        cache: FeatureCache,
        limits: Limits,
        previews: Path,
        previews_max_bytes: int,
        worker_limits: WorkerLimits | None = None,
    ) -> None:
        self._cache = cache
        self._analyst = Local(cache, limits, worker_limits or WorkerLimits())
        self._previews = previews
        self._previews_max_bytes = previews_max_bytes
        self._queue: queue.Queue[tuple[str, Callable[[], bytes], Future[bytes]]] = queue.Queue(_QUEUED)
        self._guard = threading.Lock()
        self._waiting: dict[str, Future[bytes]] = {}
        self._drew_at = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True, name="samplemind-drawings")

    def start(self) -> None:
        """Begin. What a service that was killed had begun is removed."""
        for part in self._previews.glob("*.part"):
            part.unlink(missing_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """End; who waits for a drawing hears that it won't come."""
        with self._guard:
            self._stopped.set()
        self._analyst.call_off()
        self._thread.join()

    async def draw(self, path: str, digest: str, drawing: Drawing) -> bytes:
        """A drawing of a file, as `Minder.drawn` gives it.

        Args:
            path: where the file is.
            digest: of its bytes.
            drawing: what.

        Raises:
            AnalysisError: the file can't be drawn.
            Problem: 503, too many drawings wait.
        """
        key = f"draw/{digest}/{word(drawing)}"
        kept = await asyncio.to_thread(self._cache.get, key)
        if kept is not None:
            return kept
        return await self._made(key, lambda: self._drawn(path, key, drawing))

    async def preview(self, path: str, digest: str) -> Path:
        """A file in FLAC that sounds like another file; arguments and errors as of `draw`."""
        target = self._previews / f"{digest}.flac"
        if not await asyncio.to_thread(_touched, target):
            await self._made(f"draw/{digest}/preview", lambda: self._transcoded(path, digest, target))
        return target

    def forget(self, digest: str) -> None:
        """Remove the preview of a file that was taken away; what the cache has of it goes as room is needed."""
        (self._previews / f"{digest}.flac").unlink(missing_ok=True)

    async def _made(self, key: str, make: Callable[[], bytes]) -> bytes:
        """What the thread makes; who asks for the same meanwhile gets the same."""
        with self._guard:
            future = self._waiting.get(key)
            if future is None:
                future = self._waiting[key] = self._queued(key, make)
        return await asyncio.shield(asyncio.wrap_future(future))

    def _queued(self, key: str, make: Callable[[], bytes]) -> Future[bytes]:
        future: Future[bytes] = Future()
        if self._stopped.is_set():
            raise WorkerStartError("the service stops")
        try:
            self._queue.put_nowait((key, make, future))
        except queue.Full:
            reason = "too much is to be drawn already: try again later"
            raise Problem(503, reason, code="queue-full", headers={"Retry-After": str(_RETRY_S)}) from None
        return future

    def _work(self) -> None:
        """The thread's work."""
        while not (self._stopped.is_set() and self._queue.empty()):
            try:
                key, make, future = self._queue.get(timeout=_LOOK_S)
            except queue.Empty:
                if time.monotonic() - self._drew_at > _IDLE_S:
                    self._analyst.close()
                continue
            future.set_running_or_notify_cancel()  # from now on nobody can call it off
            try:
                made = make()
            except Exception as error:  # whatever it is, who waits has to hear of it
                self._forget(key)
                future.set_exception(error)
            else:
                self._forget(key)
                future.set_result(made)
            self._drew_at = time.monotonic()
        self._analyst.close()

    def _forget(self, key: str) -> None:
        with self._guard:
            del self._waiting[key]

    def _drawn(self, path: str, key: str, drawing: Drawing) -> bytes:
        if self._stopped.is_set():
            raise WorkerStartError("the service stops")
        before = quarantined_as(key, path, self._cache)
        if before is not None:
            raise before
        try:
            drawn = self._analyst.drawn(path, size_of(path), drawing)
        except CrashError as error:
            self._cache.put({PREFIX + key: error.reason.encode("utf-8", "surrogatepass")})
            raise
        if drawn:
            self._cache.put({key: drawn})
        return drawn

    def _transcoded(self, path: str, digest: str, target: Path) -> bytes:
        self._drawn(path, f"draw/{digest}/preview.{VERSION}", Preview(str(target)))
        self._make_room(target)
        return b""

    def _make_room(self, newest: Path) -> None:
        """Remove the previews that were not asked for the longest, while they are too large together."""
        try:
            found = [(entry.stat(), entry.path) for entry in os.scandir(self._previews) if entry.name.endswith(".flac")]
        except OSError as error:
            raise OutputError(f"previews can't be kept: {error.strerror}") from error
        total = sum(status.st_size for status, _ in found)
        for status, path in sorted(found, key=lambda each: each[0].st_mtime_ns):
            if total <= self._previews_max_bytes or path == str(newest):
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
            total -= status.st_size


def word(drawing: Drawing) -> str:
    """A drawing of this version, as a word."""
    values = map(str, dataclasses.astuple(drawing))
    return "-".join((type(drawing).__name__.lower(), *values, f"v{VERSION}"))


def _touched(path: Path) -> bool:
    """Whether a preview is there; it was asked for last, then."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True
