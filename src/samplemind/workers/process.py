"""One worker process, seen from its parent."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess  # nosec B404
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from samplemind import errors
from samplemind.dsp.compiled import announce
from samplemind.errors import AnalysisError, InternalError, OutputError
from samplemind.features.levels import AnalysisLevel
from samplemind.plain import to_plain
from samplemind.result import AudioFeatures
from samplemind.version import __version__
from samplemind.workers.drawing import Drawing
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.protocol import BUFFER_BYTES, receive, send
from samplemind.workers.remote import shown
from samplemind.workers.task import Task

if TYPE_CHECKING:
    import psutil

_LAST_WORDS: Final = 2000
"""Bytes of what a worker wrote on standard error that are looked at when it has died."""
_START_S: Final = 180.0
"""Seconds in which a worker must be ready: the first one ever compiles all kernels."""

ALLOCATION: Final = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20)}
"""Variables that the GNU C library reads: keep what a file's blocks took for the next ones. Getting it from the system
anew took a quarter of a worker's time."""

_DOCUMENTS: Final = msgspec.json.Decoder(AudioFeatures)


@dataclass(frozen=True)
class Outcome:
    """What came of one file; what the cache should keep of it, what the worker counted, and seconds by node."""

    path: str
    answer: AudioFeatures | AnalysisError
    entries: Mapping[str, bytes] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    computed: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What a worker said of one file, not looked into yet.

    Reading many in a row costs little more than half of reading each as it comes, between other work.
    """

    message: Mapping[str, Any]
    blobs: Sequence[bytes]

    def outcome(self) -> Outcome:
        """The outcome that it tells."""
        path, message = self.message["end"], self.message
        if "error" in message:
            return Outcome(path, _error(message))
        document, *blobs = self.blobs
        features = _DOCUMENTS.decode(document)
        if features.path != message["path"]:  # it is no text
            features = dataclasses.replace(features, path=message["path"])
        keys = message["keys"]
        if len(blobs) > len(keys):
            from safetensors.numpy import load

            features = dataclasses.replace(features, series=load(blobs[-1]))
        entries = dict(zip(keys, blobs, strict=False))
        return Outcome(path, features, entries, message["counts"], message["computed"], message.get("seconds", {}))


class WorkerDiedError(Exception):
    """A worker ended before it had answered; the message says why, as far as can be known.

    Attributes:
        killed: nothing that it did is known to be the reason: it was killed, and not by its parent.
    """

    def __init__(self, reason: str, *, killed: bool = False) -> None:
        super().__init__(reason)
        self.killed = killed


class WorkerProcess:
    """A process that is starting; `begin` makes a worker of it.

    Args:
        limits: what one file may cost.
    """

    def __init__(self, limits: WorkerLimits) -> None:
        self.limits = limits
        self._verdict: str | None = None
        self._deadline = time.monotonic() + _START_S
        self._patience = _START_S
        self._cpu_s = 0.0
        self._idle_bytes: int | None = None
        self._seen: psutil.Process | None = None
        self._guard = threading.Lock()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        # The same modules as here, and none from the folder that the user happens to be in.
        environment = {
            **ALLOCATION,
            # How many cores are used, the number of workers says alone: what is behind NumPy and SciPy would start a
            # thread for each when it is loaded. What the user has set stays.
            **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        # No shell, and nothing of the user's among the arguments.
        self._process = subprocess.Popen(  # nosec B603
            [sys.executable, "-P", "-m", "samplemind.worker"],
            bufsize=BUFFER_BYTES,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            env=environment,
        )

    def begin(self, task: Task) -> None:
        """Tell it its task, and wait until it is ready.

        Raises:
            WorkerDiedError: it isn't ready in time, or is another version.
        """
        self._tell(to_plain(task))
        message, _ = self._hear()
        if "compiling" in message:
            announce()
            message, _ = self._hear()
        if "refused" in message:
            raise WorkerDiedError(f"{message['refused']}, and this is {__version__}")
        with self._guard:
            self._deadline = float("inf")
            self._idle_bytes = self._resident()

    def replies(
        self, files: Iterable[tuple[str, int]], *, level: AnalysisLevel | None = None
    ) -> Iterator[Reply | None]:
        """Have it analyse files.

        Args:
            files: paths with their sizes in bytes.
            level: how much to find out; the task's level if None.

        Yields:
            A reply for each file; None for one that another process has in hand: try it again after `stored`.

        Raises:
            WorkerDiedError: it died over the first file that has no reply.
        """
        files = list(files)
        self._tell(
            {
                "files": [(path, self.limits.cpu_for(size)) for path, size in files],
                "cpu_s_per_mb": self.limits.cpu_s_per_mb,
                "level": level,
            }
        )
        self._hear()  # that it starts with the first; each reply says so of the next one
        for _, size in files:
            self._allow(size)
            message, blobs = self._end_of_answer()
            yield None if "busy" in message else Reply(message, blobs)

    def drawn(self, path: str, size: int, drawing: Drawing) -> bytes:
        """Have it draw a file of `size` bytes.

        Returns:
            What `samplemind.workers.drawing.draw` returns.

        Raises:
            AnalysisError: the file can't be decoded, or is beyond a limit.
            OutputError: the preview can't be written.
            WorkerDiedError: it died over the file.
        """
        self._tell(
            {
                "draw": path,
                "kind": type(drawing).__name__,
                "drawing": to_plain(drawing),
                "cpu_s": self.limits.cpu_for(size),
            }
        )
        self._allow(size)
        message, blobs = self._end_of_answer()
        if "unwritten" in message:
            raise OutputError(message["unwritten"])
        if "error" in message:
            raise _error(message)
        return blobs[0]

    def stored(self) -> None:
        """Tell it that others find its answers now.

        Raises:
            WorkerDiedError: it is gone.
        """
        self._tell({"stored": True})

    def _end_of_answer(self) -> tuple[dict[str, Any], list[bytes]]:
        message, blobs = self._hear()
        while "size" in message:  # of what is elsewhere, only the worker gets to know it
            self._allow(message["size"])
            message, blobs = self._hear()
        with self._guard:
            self._deadline = float("inf")
        if "exhausted" in message:
            self.end(f"needed more than {_gigabytes(self.limits.memory_bytes)} of memory")
            raise self._death()
        return message, blobs

    def _allow(self, size: int) -> None:
        with self._guard:
            self._cpu_s = self.limits.cpu_for(size)
            self._patience = self.limits.wall_for(size)
            self._deadline = time.monotonic() + self._patience

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def watch(self) -> None:
        """End it if it takes too long, or too much memory. Called now and then by the parent."""
        with self._guard:
            late = time.monotonic() > self._deadline
            idle = self._idle_bytes
            patience = self._patience
        if late:
            self.end(f"took longer than {patience:.0f} s")
        elif idle is not None and self._resident() > idle + self.limits.memory_bytes:
            self.end(f"needed more than {_gigabytes(self.limits.memory_bytes)} of memory")

    def end(self, verdict: str | None = None) -> None:
        """Kill it, and remember why."""
        with self._guard:
            self._verdict = self._verdict or verdict
        self._process.kill()

    def close(self) -> None:
        """Kill it if it still runs, and forget it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._words):
            if stream is not None:
                with contextlib.suppress(OSError):  # unsent questions don't matter any more
                    stream.close()

    def _tell(self, message: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise AssertionError("the worker was started with a pipe")
        try:
            send(self._process.stdin, message)
        except OSError:
            raise self._death() from None

    def _hear(self) -> tuple[dict[str, Any], list[bytes]]:
        if self._process.stdout is None:
            raise AssertionError("the worker was started with a pipe")
        heard = receive(self._process.stdout)
        if heard is None:
            raise self._death()
        return heard

    def _death(self) -> WorkerDiedError:
        status = self._process.wait()
        # On Windows nothing tells who ended it.
        killed = hasattr(signal, "SIGKILL") and status == -signal.SIGKILL and self._verdict is None
        return WorkerDiedError(self._why(status), killed=killed)

    def _why(self, status: int) -> str:
        if self._verdict is not None:
            return self._verdict
        if hasattr(signal, "SIGXCPU") and status == -signal.SIGXCPU:
            return f"used more than {self._cpu_s:.0f} s of processor time"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"crashed: {signal.strsignal(-status) or signal.Signals(-status).name}"
        last = self._last_words()
        return f"crashed with exit status {status}" + (f": {last}" if last else "")

    def _last_words(self) -> str:
        self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, self._words.tell() - _LAST_WORDS))
        lines = self._words.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _resident(self) -> int:
        import psutil

        with contextlib.suppress(psutil.Error):
            self._seen = self._seen or psutil.Process(self._process.pid)
            return int(self._seen.memory_info().rss)
        return 0


def _error(message: Mapping[str, Any]) -> AnalysisError:
    kind: type[AnalysisError] = getattr(errors, message["error"]["type"], InternalError)
    return kind(shown(message["end"]), message["error"]["reason"])


def _gigabytes(count: int) -> str:
    return f"{count / 2**30:.3g} GiB"
