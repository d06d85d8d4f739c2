"""One URL through the flow: ask, look up, fetch into a file that is gone afterwards, analyse."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from blake3 import blake3

from samplemind.audio import Limits, stat_key
from samplemind.cache import FeatureCache
from samplemind.errors import AnalysisError, FileAccessError, InternalError, LimitExceededError, SampleMindError
from samplemind.features.levels import AnalysisLevel
from samplemind.pipeline import Analysis, analyze_file, remembered_bytes, stat_entry
from samplemind.workers.quarantine import quarantined_as
from samplemind.workers.remote import FAILED, Remote, is_local, look_up, opened, persistently, scheme, shown

STALL_S: Final = 60.0
"""Seconds without a byte after which a server is given up."""
_PIECE: Final = 2**20
"""Bytes that are read at once."""
_AHEAD: Final = 8 * 2**20
"""Bytes that are asked of a store at once."""
_NEWS_BYTES: Final = 64 * 2**20
"""How much more of an object of unknown size comes before it is told."""


def analyze_url(
    url: str,
    *,
    level: AnalysisLevel,
    cache: FeatureCache | None,
    limits: Limits,
    series: bool = False,
    retry_quarantined: bool = False,
    sized: Callable[[int], None] = lambda size: None,
    stall_s: float | None = None,
) -> Analysis:
    """Take what is behind a URL through the flow, as `analyze_file` does with a file.

    Args:
        url: what fsspec opens.
        level: how much to find out.
        cache: where answers are looked for and kept; None for neither.
        limits: what is refused. Bytes are counted as they come, whatever the server says.
        series: also give frame-level series.
        retry_quarantined: try it although it crashed a worker before.
        sized: is told how many bytes it has, once or as they come.
        stall_s: give up after so many seconds without a byte. Only in a process's main thread, whose alarm it takes.

    Raises:
        AnalysisError: it has no answer; the error names the URL, without its secrets, and the reason.
    """
    options: dict[str, Any] = {"level": level, "cache": cache, "limits": limits, "series": series}
    try:
        if is_local(url):
            return _of_local(url, options, retry_quarantined)
        return _of_remote(url, options, retry_quarantined, sized, stall_s)
    except SampleMindError:
        raise
    except Exception as error:  # a mistake of ours must not stop a batch
        raise InternalError(shown(url), f"failed inside samplemind: {error!r}") from error


def _of_remote(
    url: str, options: dict[str, Any], retry_quarantined: bool, sized: Callable[[int], None], stall_s: float | None
) -> Analysis:
    level, cache, limits = (options[name] for name in ("level", "cache", "limits"))
    with _patience(shown(url), stall_s) as go_on:
        remote = look_up(url)
        sized(remote.size or 0)
        limits.check_bytes(remote.name, remote.size or 0)
        if cache and remote.key and not options["series"]:
            known = _known(remote.name, remote.key, remote.size, level, cache, retry_quarantined)
            if known is not None:
                return known
        go_on()
        with contextlib.ExitStack() as ends:
            file, path = ends.enter_context(_nameless_file())
            digest = _fetched(url, remote, file, limits, sized, go_on)
            go_on(None)
            try:
                analysis = analyze_file(path, name=remote.name, digest=digest, **options)
            except AnalysisError as error:
                raise type(error)(remote.name, error.reason) from error.__cause__
    if cache and remote.key:
        cache.put({remote.key: digest.encode()})
    return analysis


def _known(
    name: str, key: str, size: int | None, level: AnalysisLevel, cache: FeatureCache, retry_quarantined: bool
) -> Analysis | None:
    """What the cache has of content whose digest it keeps under a key.

    Raises:
        QuarantinedError: it has no answer, but remembers that the content crashed a worker.
    """
    digest = cache.get(key)
    if digest is not None and size is not None:
        known = remembered_bytes(name, digest.decode(), size, level=level, cache=cache)
        if known is not None:
            return known
    error = None if retry_quarantined else quarantined_as(key, name, cache)
    if error is not None:
        raise error
    return None


def _of_local(url: str, options: dict[str, Any], retry_quarantined: bool) -> Analysis:
    """It is a file of this machine after all: nothing is fetched."""
    level, cache, name = options["level"], options["cache"], shown(url)
    try:
        _, path = opened(url)
        if cache and not options["series"]:
            stat = stat_key(path)
            known = _known(name, stat_entry(stat), stat.size, level, cache, retry_quarantined)
            if known is not None:
                return known
        return analyze_file(path, name=name, **options)
    except AnalysisError as error:
        raise type(error)(name, error.reason) from error.__cause__


def _fetched(
    url: str,
    remote: Remote,
    file: IO[bytes],
    limits: Limits,
    sized: Callable[[int], None],
    go_on: Callable[..., None],
) -> str:
    """Fetch the content into a file, and take its digest on the way; again if the network fails."""
    digest = persistently(url, lambda: _copied(url, remote, file, limits, sized, go_on))
    if remote.key is not None and look_up(url).key != remote.key:
        raise FileAccessError(remote.name, "changed while it was read")
    return digest


def _copied(
    url: str,
    remote: Remote,
    file: IO[bytes],
    limits: Limits,
    sized: Callable[[int], None],
    go_on: Callable[..., None],
) -> str:
    file.seek(0)
    file.truncate()
    digest = blake3()
    copied = 0
    # Pages are read in one go: not every server gives parts of them.
    ahead = 0 if scheme(url) in ("http", "https") else _AHEAD
    with remote.fs.open(remote.path, "rb", block_size=ahead) as source:
        while piece := source.read(_PIECE):
            go_on()
            if (copied + len(piece)) // _NEWS_BYTES > copied // _NEWS_BYTES and remote.size is None:
                sized(copied)
            copied += len(piece)
            if copied > limits.max_bytes:
                raise LimitExceededError(remote.name, f"more than {limits.max_bytes} bytes")
            digest.update(piece)
            file.write(piece)
    if remote.size is not None and copied < remote.size:
        raise OSError(f"it ended after {copied} of {remote.size} bytes")
    file.flush()
    return digest.hexdigest()


@contextlib.contextmanager
def _nameless_file() -> Iterator[tuple[IO[bytes], str]]:
    """A file without a name, and a path to it all the same: it ends with this process, however that happens.

    Where the system has no such thing, it is in a folder, which the next one to come here removes if nobody else did.
    """
    if sys.platform == "linux" and os.path.isdir("/proc/self/fd"):
        with tempfile.TemporaryFile() as file:
            yield file, f"/proc/self/fd/{file.fileno()}"
        return
    import psutil

    for left in Path(tempfile.gettempdir()).glob("samplemind-url-*-*"):
        owner = left.name.split("-")[2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(prefix=f"samplemind-url-{os.getpid()}-") as folder,
        (Path(folder) / "audio").open("wb") as file,
    ):
        yield file, file.name


@contextlib.contextmanager
def _patience(name: str, seconds: float | None) -> Iterator[Callable[..., None]]:
    """Give up what is called `name` where nothing happens for so long.

    The error is one that nobody tries again: several such waits are longer than the parent's.

    Yields:
        What to call when something happened; with None the waiting is over.
    """
    if seconds is None or not hasattr(signal, "setitimer"):
        yield lambda *_: None
        return

    def late(*_: object) -> None:
        raise FileAccessError(name, f"{FAILED}: nothing came for {seconds:.3g} s")

    def go_on(again: float | None = seconds) -> None:
        signal.setitimer(signal.ITIMER_REAL, again or 0.0)

    before = signal.signal(signal.SIGALRM, late)
    go_on()
    try:
        yield go_on
    finally:
        go_on(None)
        signal.signal(signal.SIGALRM, before)
