"""Client: as AsyncClient, for programs that wait."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from samplemind.client.asynchronous import DEFAULT_URL, RETRIES, TIMEOUT_S
from samplemind.client.operations import KEPT, PAGE_SIZE, Operations
from samplemind.client.sending import Sender
from samplemind.client.sources import Source
from samplemind.client.values import Audio, Collection, Identity, Job, Peaks, Tag
from samplemind.client.wire import BlockingWire, finished, iterated
from samplemind.features.levels import AnalysisLevel
from samplemind.result import AudioFeatures


class Client:
    """A service, for programs that wait. Arguments and errors are those of `AsyncClient`, and so is what is done.

    Args:
        url: of the service.
        key: as ``samplemind keys create`` printed it; None for a service on this machine that asks for none.
        timeout_s: how long the service may be silent before a request is tried again, or given up.
        retries: how often a request is repeated that was refused for the moment (429, 503), or that got no answer and
            does no harm if it is done twice.
        http: a client of httpx with settings of its own (certificates, proxies); it is not closed with this one.

    Raises:
        SettingsError: the URL or the key can't be one.

    All methods raise `ServiceError` if the service refuses, and `ServiceUnreachableError` if there is no answer.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        http: httpx.Client | None = None,
    ) -> None:
        self._http = http or httpx.Client()
        self._owned = http is None
        self._all = Operations(Sender(BlockingWire(self._http), url, key=key, timeout_s=timeout_s, retries=retries))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._owned:
            self._http.close()

    def upload(self, source: Source, *, name: str | None = None, idempotency_key: str | None = None) -> Audio:
        """Upload a file, in blocks. What the service has already is answered as well.

        Args:
            source: a path, a file that is open for reading bytes, or the bytes themselves.
            name: what to call it; by default as the file is called.
            idempotency_key: the name of this upload, for programs that repeat it themselves; by default one is made
                up, so that our own repetitions are answered as the first try was.

        Raises:
            FileAccessError: the file can't be read.
        """
        return finished(self._all.upload(source, name=name, idempotency_key=idempotency_key))

    def analyze(
        self,
        source: Source,
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        name: str | None = None,
        timeout_s: float | None = None,
    ) -> AudioFeatures:
        """Upload a file, and wait for what it is.

        Args:
            source: as for `upload`; so is `name`.
            level: how much to find out.
            name: what to call it.
            timeout_s: how long to wait after the upload; None as long as it takes.

        Raises:
            AnalysisError: it has no answer; the same class as if it had been analysed on this machine.
            ServiceTimeoutError: the time is over; the job goes on.
        """
        return finished(self._all.analyze(source, level=level, name=name, timeout_s=timeout_s))

    def audio(self, audio_id: str) -> Audio:
        """One file, by its id or the digest of its sound."""
        return finished(self._all.audio(audio_id))

    def all_audio(self, *, limit: int | None = None, page_size: int = PAGE_SIZE) -> Iterator[Audio]:
        """All files, analysed or not, the latest first.

        Args:
            limit: how many at most; None all.
            page_size: how many are asked for at once.
        """
        return iterated(self._all.all_audio(limit=limit, page_size=page_size))

    def search(self, query: str = "", *, limit: int | None = None, page_size: int = PAGE_SIZE) -> Iterator[Audio]:
        """Sounds that a query of docs/search.md finds, the best first; otherwise as `all_audio`."""
        return iterated(self._all.search(query, limit=limit, page_size=page_size))

    def delete(self, audio_id: str) -> None:
        """Take an upload away. What was said of its sound is kept."""
        return finished(self._all.delete(audio_id))

    def download(self, audio_id: str, target: str | os.PathLike[str]) -> Path:
        """Get the file as it is. What breaks off is taken up where it was.

        Args:
            audio_id: which.
            target: the file to write; it appears, or is replaced, when all of it is there and its digest is right.

        Raises:
            OutputError: it can't be written.
        """
        return finished(self._all.download(audio_id, target))

    def download_preview(self, audio_id: str, target: str | os.PathLike[str]) -> Path:
        """Get the sound in a form that browsers play: the file itself, or FLAC; otherwise as `download`."""
        return finished(self._all.download_preview(audio_id, target))

    def peaks(self, audio_id: str, *, points: int = 1000) -> Peaks:
        """What a waveform is drawn from, as so many slices of the duration."""
        return finished(self._all.peaks(audio_id, points=points))

    def spectrogram(self, audio_id: str, *, width: int = 1024, height: int = 256) -> bytes:
        """A picture (PNG): time to the right, frequency upwards, level as brightness."""
        return finished(self._all.spectrogram(audio_id, width=width, height=height))

    def analysis(self, audio_id: str, *, level: AnalysisLevel | str = AnalysisLevel.STANDARD) -> AudioFeatures:
        """What was found out about a file at this level, or a higher one; `ServiceError` 404 if nothing was."""
        return finished(self._all.analysis(audio_id, level=level))

    def request_analysis(
        self, audio_id: str, *, level: AnalysisLevel | str = AnalysisLevel.STANDARD
    ) -> AudioFeatures | Job:
        """What is known about a file at this level, or else the job that finds it out."""
        return finished(self._all.request_analysis(audio_id, level=level))

    def job(self, job_id: str) -> Job:
        """A job as it is now."""
        return finished(self._all.job(job_id))

    def jobs(
        self,
        *,
        state: str | None = None,
        batch: str | None = None,
        limit: int | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[Job]:
        """Jobs, the latest first: all, those in a state, or the parts of a batch; otherwise as `all_audio`."""
        return iterated(self._all.jobs(state=state, batch=batch, limit=limit, page_size=page_size))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that has ended stays as it is."""
        return finished(self._all.cancel(job_id))

    def watch(self, job_id: str, *, timeout_s: float | None = None) -> Iterator[Job]:
        """A job as it is, and again whenever it changes, until it has ended.

        Server-sent events tell it; where these don't come through, it is asked for now and then.

        Raises:
            ServiceTimeoutError: it has not ended in time.
        """
        return iterated(self._all.watch(job_id, timeout_s=timeout_s))

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """A job when it has ended, however it has; otherwise as `watch`."""
        return finished(self._all.wait(job_id, timeout_s=timeout_s))

    def analyze_all(
        self,
        audio_ids: Iterable[str],
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        idempotency_key: str | None = None,
    ) -> Job:
        """Have much analysed that the service has: the job of all of it."""
        return finished(self._all.analyze_all(audio_ids, level=level, idempotency_key=idempotency_key))

    def scan(
        self,
        root: str,
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        idempotency_key: str | None = None,
    ) -> Job:
        """Have a folder of the server taken in that its operator allows: the job of all of it."""
        return finished(self._all.scan(root, level=level, idempotency_key=idempotency_key))

    def correct(
        self, audio_id: str, *, tempo: float | str | None = KEPT, key: str | None = KEPT, kind: str | None = KEPT
    ) -> Audio:
        """Say what a sound's tempo, key or kind is. None takes a correction back; what is left out stays."""
        return finished(self._all.correct(audio_id, tempo=tempo, key=key, kind=kind))

    def tags(self) -> list[Tag]:
        """All tags."""
        return finished(self._all.tags())

    def add_tag(self, audio_id: str, tag: str) -> Audio:
        """Give a sound a tag."""
        return finished(self._all.add_tag(audio_id, tag))

    def remove_tag(self, audio_id: str, tag: str) -> Audio:
        """Take a tag from a sound."""
        return finished(self._all.remove_tag(audio_id, tag))

    def collections(self) -> list[Collection]:
        """All collections."""
        return finished(self._all.collections())

    def collection(self, name: str) -> Collection:
        """One collection; ``collection:NAME`` in a search finds what is in it."""
        return finished(self._all.collection(name))

    def save_collection(self, name: str, query: str | None = None) -> Collection:
        """Make a collection, or give one another query; the sounds that were put into it stay."""
        return finished(self._all.save_collection(name, query))

    def delete_collection(self, name: str) -> None:
        """Remove a collection; its sounds stay."""
        return finished(self._all.delete_collection(name))

    def add_to_collection(self, name: str, audio_id: str) -> None:
        """Put a sound into a collection."""
        return finished(self._all.add_to_collection(name, audio_id))

    def remove_from_collection(self, name: str, audio_id: str) -> None:
        """Take a sound out of a collection; what its query finds stays found."""
        return finished(self._all.remove_from_collection(name, audio_id))

    def who(self) -> Identity:
        """Who is asking: whose key this is, and what it is good for."""
        return finished(self._all.who())

    def sign_in(self, key: str) -> Identity:
        """Show a key once, and be known by a cookie from then on, as browsers are."""
        return finished(self._all.sign_in(key))

    def sign_out(self) -> None:
        """Have the cookie forgotten."""
        return finished(self._all.sign_out())
