"""AudioEngine: what users hold. It owns the cache and the limits, and sends every file through the one pipeline."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from samplemind.audio import Limits
from samplemind.cache import FeatureCache
from samplemind.errors import AnalysisError, LimitExceededError
from samplemind.features.levels import AnalysisLevel, named_level, outputs_of
from samplemind.pipeline import Analysis, analyze_file
from samplemind.result import AudioFeatures
from samplemind.settings import Settings, load_settings
from samplemind.workers.remote import is_url

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import ArrayLike

    from samplemind.workers.limits import WorkerLimits

PathLike = str | os.PathLike[str]

_SPOOL_BYTES: Final = 2**20


class AudioEngine:
    """Analyses audio files, and remembers the answers.

    Args:
        cache: where answers are kept: a `FeatureCache`, or None for nowhere. By default the user's cache.
        settings: limits and folders; by default read from the environment and ``samplemind.toml``.

    An engine may be used from several threads. Close it, or use it as a context manager, to let go of the cache file.
    """

    def __init__(
        self, *, cache: FeatureCache | Literal["default"] | None = "default", settings: Settings | None = None
    ):
        self.settings = settings or load_settings()
        self.cache = default_cache(self.settings) if cache == "default" else cache
        self.limits = Limits(max_duration_s=self.settings.max_duration_s, max_bytes=self.settings.max_bytes)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __enter__(self) -> AudioEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the cache's files."""
        if self.cache is not None:
            self.cache.close()

    def analyze_audio(
        self,
        path: PathLike,
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        use_cache: bool = True,
        series: bool = False,
        isolate: bool = False,
        retry_quarantined: bool = False,
        worker_limits: WorkerLimits | None = None,
    ) -> AudioFeatures:
        """Analyse one file.

        Args:
            path: any audio file.
            level: how much to find out.
            use_cache: look the answer up and keep it; False computes everything and leaves no trace.
            series: also give frame-level series, in `AudioFeatures.series`.
            isolate: in a worker process of its own, within limits of memory and time: a file that crashes a decoder
                costs an error. Starting the worker takes about a second.
            retry_quarantined: try the file again if it crashed a worker before; without `isolate` it may end this
                process now.
            worker_limits: what the file may cost a worker; with `isolate`.

        Raises:
            AnalysisError: the file has no answer; the error names it and the reason.
            LevelUnavailableError: this version can't compute the level.
        """
        if isolate:
            [(_, answer)] = self.batch_analyze(
                path,
                level=level,
                use_cache=use_cache,
                series=series,
                jobs=1,
                retry_quarantined=retry_quarantined,
                worker_limits=worker_limits,
            )
            if isinstance(answer, AnalysisError):
                raise answer
            return answer
        options: dict[str, Any] = {"level": level, "use_cache": use_cache, "series": series}
        return self._analyze(os.fspath(path), retry_quarantined=retry_quarantined, **options).features

    async def analyze_audio_async(
        self,
        path: PathLike,
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        use_cache: bool = True,
        series: bool = False,
    ) -> AudioFeatures:
        """Like `analyze_audio`, in a thread, so that the event loop goes on."""
        import asyncio  # whoever gets here has it; whoever does not need not load it

        return await asyncio.to_thread(self.analyze_audio, path, level=level, use_cache=use_cache, series=series)

    def analyze_stream(self, stream: IO[bytes], *, name: str = "<stdin>", **options: Any) -> AudioFeatures:
        """Analyse the bytes of an audio file, read to their end into a temporary file that is then removed.

        Args:
            stream: binary stream.
            name: what results and errors call the file.
            **options: as for `analyze_audio`.
        """
        import tempfile

        with tempfile.TemporaryDirectory(prefix="samplemind-") as folder:
            path = Path(folder) / "audio"
            with path.open("wb") as file:
                copied = 0
                while chunk := stream.read(_SPOOL_BYTES):
                    copied += len(chunk)
                    if copied > self.limits.max_bytes:
                        raise LimitExceededError(name, f"more than {self.limits.max_bytes} bytes")
                    file.write(chunk)
            try:
                return self._analyze(str(path), name=name, **options).features
            except AnalysisError as error:
                raise type(error)(name, error.reason) from None

    def batch_analyze(
        self,
        paths: PathLike | Iterable[PathLike],
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        use_cache: bool = True,
        series: bool = False,
        jobs: int | None = None,
        executor: Executor | None = None,
        slots: Callable[[], int] | None = None,
        worker_limits: WorkerLimits | None = None,
        retry_quarantined: bool = False,
    ) -> Generator[tuple[str, AudioFeatures | AnalysisError], None, None]:
        """Analyse many files in worker processes; a file without an answer gives its error instead and stops nothing.

        A file that crashes its worker, hangs or needs too much is tried once more alone, and then remembered: it is
        not tried again until it changes.

        Args:
            paths: files; read as they are needed, one at a time: in another thread, or with an executor in the
                caller's, while it waits for an answer.
            level: how much to find out.
            use_cache: as for `analyze_audio`.
            series: as for `analyze_audio`.
            jobs: worker processes; as many as there are cores by default. With 0 files are analysed in this process,
                one by one and unprotected, but for those that crashed a worker before.
            executor: where groups of files are sent, for example to other machines, which must have samplemind and
                see the same paths; each has worker processes of its own there.
            slots: how many groups the executor works on at a time, asked now and then; by default `jobs`.
            worker_limits: what one file may cost a worker.
            retry_quarantined: try files again that crashed their workers.

        Yields:
            Path and answer as they come, in no particular order (with 0 jobs in the order of `paths`).

        Raises:
            LevelUnavailableError: this version can't compute the level.
            WorkerStartError: workers can't be started.
        """
        if jobs is not None and jobs < 0:
            raise ValueError(f"the number of jobs must be 0 or more, not {jobs}")
        named = (os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths))
        level = named_level(level)
        outputs_of(level)  # a level that can't be computed is told here, not by every worker
        if jobs == 0:
            for path in named:
                options: dict[str, Any] = {"level": level, "use_cache": use_cache, "series": series}
                yield path, self._answer(path, retry_quarantined=retry_quarantined, **options)
            return
        from samplemind.workers.batch import batch
        from samplemind.workers.cluster import batch_on
        from samplemind.workers.limits import WorkerLimits, available_cores

        common: dict[str, Any] = {
            "level": level,
            "cache": self.cache if use_cache else None,
            "limits": self.limits,
            "worker_limits": worker_limits or WorkerLimits(),
            "series": series,
            "retry_quarantined": retry_quarantined,
        }
        count = available_cores() if jobs is None else jobs
        if executor is None:
            outcomes = batch(named, workers=count, **common)
        else:
            outcomes = batch_on(executor, named, slots=slots or (lambda: count), **common)
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                failed = isinstance(outcome.answer, AnalysisError)
                self._count("failed" if failed else "analyzed" if outcome.computed else "from_cache")
                yield outcome.path, outcome.answer

    def extract(
        self,
        samples: ArrayLike,
        sample_rate: int,
        *,
        features: str | Iterable[str],
        given: Mapping[str, Any] | None = None,
        use_cache: bool = True,
    ) -> dict[str, Any]:
        """Compute single features of samples in memory.

        Args:
            samples: shape (n,) or (n, channels), full scale ±1.
            sample_rate: in Hz.
            features: names of nodes of the graph, or one; `samplemind explain` lists them. A per-frame node gives
                its whole series.
            given: values that replace nodes, which then don't run.
            use_cache: keep and look up the answer, by the digest of memory, dtype, shape and rate.

        Returns:
            Value by name: arrays, numbers, the node's own types, or `Unknown`.

        Raises:
            InvalidSamplesError: samples that are empty, not finite, or not of one of these shapes.
            LimitExceededError: a sample rate or duration beyond the limits.
            UnknownFeatureError: a name that is no node.
            GraphError: given series are not as long as those that they meet.
        """
        from samplemind.extraction import extract_features

        names = [features] if isinstance(features, str) else features
        cache = self.cache if use_cache else None
        return extract_features(samples, sample_rate, names, given=given, cache=cache, limits=self.limits)

    def _answer(self, path: str, **options: Any) -> AudioFeatures | AnalysisError:
        try:
            return self.analyze_audio(path, **options)
        except AnalysisError as error:
            # Its traceback would keep the file's samples in memory as long as somebody keeps the error.
            error.__context__ = error.__cause__ = None
            return error.with_traceback(None)

    def stats(self) -> dict[str, Any]:
        """Files analysed, answered by the cache alone and failed since the engine was made, and the cache's state."""
        with self._lock:
            counts = {name: self._counts[name] for name in ("analyzed", "from_cache", "failed")}
        return {**counts, "cache": self.cache.stats().to_dict() if self.cache else None}

    def _analyze(
        self,
        path: str,
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        use_cache: bool = True,
        series: bool = False,
        name: str | None = None,
        retry_quarantined: bool = False,
    ) -> Analysis:
        cache = self.cache if use_cache else None
        options: dict[str, Any] = {
            "level": named_level(level),
            "cache": cache,
            "limits": self.limits,
            "series": series,
        }

        def refuse() -> None:
            from samplemind.workers.quarantine import quarantined

            error = None if cache is None or retry_quarantined else quarantined(path, cache)
            if error is not None:
                raise error

        try:
            if is_url(path):
                from samplemind.workers.fetch import analyze_url

                analysis = analyze_url(path, retry_quarantined=retry_quarantined, **options)
            else:
                analysis = analyze_file(path, name=name, refuse=refuse, **options)
        except AnalysisError:
            self._count("failed")
            raise
        self._count("from_cache" if analysis.run is None else "analyzed")
        return analysis

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1


def default_cache(settings: Settings) -> FeatureCache:
    """The user's cache, as the settings place it."""
    return FeatureCache.at(settings.cache_folder, max_bytes=settings.cache_max_bytes, redis_url=settings.redis_url)


def analyze(
    path: PathLike,
    *,
    level: AnalysisLevel | str = AnalysisLevel.STANDARD,
    use_cache: bool = True,
    series: bool = False,
    isolate: bool = False,
    retry_quarantined: bool = False,
    worker_limits: WorkerLimits | None = None,
) -> AudioFeatures:
    """Analyse one file with the user's settings and cache; see `AudioEngine.analyze_audio`."""
    engine = _default_engine(load_settings())
    return engine.analyze_audio(
        path,
        level=level,
        use_cache=use_cache,
        series=series,
        isolate=isolate,
        retry_quarantined=retry_quarantined,
        worker_limits=worker_limits,
    )


@functools.cache
def _default_engine(settings: Settings) -> AudioEngine:
    return AudioEngine(settings=settings)
