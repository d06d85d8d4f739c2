"""Everything that can be asked of a service, over a wire that pauses or does not."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx

from samplemind.client.downloads import downloaded
from samplemind.client.failures import ANALYSIS_ERRORS, raise_failure
from samplemind.client.sending import Call, Sender
from samplemind.client.sources import Source, Upload
from samplemind.client.values import Audio, Collection, Identity, Job, Peaks, Tag, value_of
from samplemind.client.watching import changes
from samplemind.errors import LibraryValueError, ServiceError, ServiceTimeoutError
from samplemind.features.levels import AnalysisLevel
from samplemind.result import AudioFeatures

T = TypeVar("T")

PAGE_SIZE: Final = 200
KEPT: Final[Any] = object()
"""Stands for a correction that is not touched: None takes one back."""


class Operations:
    """What can be asked.

    Args:
        sender: to the service.

    All methods raise `ServiceError` if the service refuses, and `ServiceUnreachableError` if there is no answer; and
    `LibraryValueError` for the names "", "." and "..", which can't be parts of an address.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def upload(self, source: Source, *, name: str | None = None, idempotency_key: str | None = None) -> Audio:
        """Upload a file, in blocks. What the service has already is answered as well.

        Args:
            source: a path, a file that is open for reading bytes, or the bytes themselves.
            name: what to call it; by default as the file is called.
            idempotency_key: the name of this upload, for programs that repeat it themselves; by default one is made
                up, so that our own repetitions are answered as the first try was.

        Raises:
            FileAccessError: the file can't be read.
        """
        return await self._uploaded(Upload(source, name), idempotency_key)

    async def analyze(
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
        upload = Upload(source, name)
        try:
            audio = await self._uploaded(upload, None)
        except ServiceError as error:
            kind = ANALYSIS_ERRORS.get(error.code)
            if kind is None:
                raise
            raise kind(upload.called, error.detail) from error
        answer = await self.request_analysis(audio.id, level=level)
        if isinstance(answer, AudioFeatures):
            return answer
        job = await self.wait(answer.id, timeout_s=timeout_s)
        raise_failure(job, upload.called)
        return await self.analysis(audio.id, level=level)

    async def _uploaded(self, upload: Upload, key: str | None) -> Audio:
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        return await self._asked(Audio, Call("POST", "/audio", {"name": upload.name}, headers=headers, upload=upload))

    async def audio(self, audio_id: str) -> Audio:
        """One file, by its id or the digest of its sound."""
        return await self._asked(Audio, Call("GET", _audio(audio_id)))

    async def all_audio(self, *, limit: int | None = None, page_size: int = PAGE_SIZE) -> AsyncGenerator[Audio, None]:
        """All files, analysed or not, the latest first.

        Args:
            limit: how many at most; None all.
            page_size: how many are asked for at once.
        """
        async for item in self._pages(Audio, "/audio", {}, limit, page_size):
            yield item

    async def search(
        self, query: str = "", *, limit: int | None = None, page_size: int = PAGE_SIZE
    ) -> AsyncGenerator[Audio, None]:
        """Sounds that a query of docs/search.md finds, the best first; otherwise as `all_audio`."""
        async for item in self._pages(Audio, "/search", {"q": query}, limit, page_size):
            yield item

    async def delete(self, audio_id: str) -> None:
        """Take an upload away. What was said of its sound is kept."""
        await self._sender.read(Call("DELETE", _audio(audio_id), again=False))

    async def download(self, audio_id: str, target: str | os.PathLike[str]) -> Path:
        """Get the file as it is. What breaks off is taken up where it was.

        Args:
            audio_id: which.
            target: the file to write; it appears, or is replaced, when all of it is there and its digest is right.

        Raises:
            OutputError: it can't be written.
        """
        return await downloaded(self._sender, f"{_audio(audio_id)}/content", Path(target))

    async def download_preview(self, audio_id: str, target: str | os.PathLike[str]) -> Path:
        """Get the sound in a form that browsers play: the file itself, or FLAC; otherwise as `download`."""
        return await downloaded(self._sender, f"{_audio(audio_id)}/preview", Path(target))

    async def peaks(self, audio_id: str, *, points: int = 1000) -> Peaks:
        """What a waveform is drawn from, as so many slices of the duration."""
        return await self._asked(Peaks, Call("GET", f"{_audio(audio_id)}/peaks", {"points": points}))

    async def spectrogram(self, audio_id: str, *, width: int = 1024, height: int = 256) -> bytes:
        """A picture (PNG): time to the right, frequency upwards, level as brightness."""
        size = {"width": width, "height": height}
        return (await self._sender.read(Call("GET", f"{_audio(audio_id)}/spectrogram.png", size))).content

    async def analysis(self, audio_id: str, *, level: AnalysisLevel | str = AnalysisLevel.STANDARD) -> AudioFeatures:
        """What was found out about a file at this level, or a higher one; `ServiceError` 404 if nothing was."""
        return _features(await self._sender.read(Call("GET", f"{_audio(audio_id)}/analysis", {"level": level})))

    async def request_analysis(
        self, audio_id: str, *, level: AnalysisLevel | str = AnalysisLevel.STANDARD
    ) -> AudioFeatures | Job:
        """What is known about a file at this level, or else the job that finds it out."""
        response = await self._sender.read(Call("POST", f"{_audio(audio_id)}/analysis", {"level": level}))
        return _value(Job, response) if response.status_code == 202 else _features(response)

    async def job(self, job_id: str) -> Job:
        """A job as it is now."""
        return await self._asked(Job, Call("GET", _job(job_id)))

    async def jobs(
        self,
        *,
        state: str | None = None,
        batch: str | None = None,
        limit: int | None = None,
        page_size: int = PAGE_SIZE,
    ) -> AsyncGenerator[Job, None]:
        """Jobs, the latest first: all, those in a state, or the parts of a batch; otherwise as `all_audio`."""
        async for item in self._pages(Job, "/jobs", {"state": state, "batch": batch}, limit, page_size):
            yield item

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that has ended stays as it is."""
        return await self._asked(Job, Call("DELETE", _job(job_id)))

    async def watch(self, job_id: str, *, timeout_s: float | None = None) -> AsyncGenerator[Job, None]:
        """A job as it is, and again whenever it changes, until it has ended.

        Server-sent events tell it; where these don't come through, it is asked for now and then.

        Raises:
            ServiceTimeoutError: it has not ended in time.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        async with aclosing(changes(self._sender, _job(job_id), deadline)) as jobs:
            async for job in jobs:
                yield job

    async def wait(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """A job when it has ended, however it has; otherwise as `watch`."""
        async with aclosing(self.watch(job_id, timeout_s=timeout_s)) as jobs:
            async for job in jobs:
                if job.ended:
                    return job
        raise ServiceTimeoutError(f"job {job_id} has not ended")

    async def analyze_all(
        self,
        audio_ids: Iterable[str],
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        idempotency_key: str | None = None,
    ) -> Job:
        """Have much analysed that the service has: the job of all of it."""
        return await self._batch({"ids": list(audio_ids), "level": level}, idempotency_key)

    async def scan(
        self,
        root: str,
        *,
        level: AnalysisLevel | str = AnalysisLevel.STANDARD,
        idempotency_key: str | None = None,
    ) -> Job:
        """Have a folder of the server taken in that its operator allows: the job of all of it."""
        return await self._batch({"root": root, "level": level}, idempotency_key)

    async def _batch(self, body: Mapping[str, Any], key: str | None) -> Job:
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        return await self._asked(Job, Call("POST", "/batches", json=body, headers=headers))

    async def correct(
        self, audio_id: str, *, tempo: float | str | None = KEPT, key: str | None = KEPT, kind: str | None = KEPT
    ) -> Audio:
        """Say what a sound's tempo, key or kind is. None takes a correction back; what is left out stays."""
        said = {"tempo": tempo, "key": key, "kind": kind}
        body = {name: value for name, value in said.items() if value is not KEPT}
        return await self._asked(Audio, Call("PATCH", f"{_audio(audio_id)}/corrections", json=body))

    async def tags(self) -> list[Tag]:
        """All tags."""
        return await self._all(Tag, "/tags")

    async def add_tag(self, audio_id: str, tag: str) -> Audio:
        """Give a sound a tag."""
        return await self._asked(Audio, Call("PUT", f"{_audio(audio_id)}/tags/{_quoted(tag)}"))

    async def remove_tag(self, audio_id: str, tag: str) -> Audio:
        """Take a tag from a sound."""
        return await self._asked(Audio, Call("DELETE", f"{_audio(audio_id)}/tags/{_quoted(tag)}"))

    async def collections(self) -> list[Collection]:
        """All collections."""
        return await self._all(Collection, "/collections")

    async def collection(self, name: str) -> Collection:
        """One collection; ``collection:NAME`` in a search finds what is in it."""
        return await self._asked(Collection, Call("GET", _collection(name)))

    async def save_collection(self, name: str, query: str | None = None) -> Collection:
        """Make a collection, or give one another query; the sounds that were put into it stay."""
        return await self._asked(Collection, Call("PUT", _collection(name), json={"query": query}))

    async def delete_collection(self, name: str) -> None:
        """Remove a collection; its sounds stay."""
        await self._sender.read(Call("DELETE", _collection(name), again=False))

    async def add_to_collection(self, name: str, audio_id: str) -> None:
        """Put a sound into a collection."""
        await self._sender.read(Call("PUT", f"{_collection(name)}/items/{_quoted(audio_id)}"))

    async def remove_from_collection(self, name: str, audio_id: str) -> None:
        """Take a sound out of a collection; what its query finds stays found."""
        await self._sender.read(Call("DELETE", f"{_collection(name)}/items/{_quoted(audio_id)}"))

    async def who(self) -> Identity:
        """Who is asking: whose key this is, and what it is good for."""
        return await self._asked(Identity, Call("GET", "/session"))

    async def sign_in(self, key: str) -> Identity:
        """Show a key once, and be known by a cookie from then on, as browsers are."""
        return await self._asked(Identity, Call("POST", "/session", json={"key": key}, again=False))

    async def sign_out(self) -> None:
        """Have the cookie forgotten."""
        await self._sender.read(Call("DELETE", "/session"))

    async def _asked(self, kind: type[T], call: Call) -> T:
        return _value(kind, await self._sender.read(call))

    async def _all(self, kind: type[T], path: str) -> list[T]:
        response = await self._sender.read(Call("GET", path))
        return _understood(response, lambda found: [value_of(kind, each) for each in found])

    async def _pages(
        self, kind: type[T], path: str, params: Mapping[str, str | None], limit: int | None, page_size: int
    ) -> AsyncGenerator[T, None]:
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            size = page_size if left is None else min(left, page_size)
            response = await self._sender.read(Call("GET", path, {**params, "limit": size, "cursor": cursor}))
            items, cursor = _understood(
                response, lambda page: ([value_of(kind, each) for each in page["items"]], page["cursor"])
            )
            for item in items:
                yield item
            left = None if left is None else left - len(items)
            if cursor is None:
                return


def _audio(audio_id: str) -> str:
    return f"/audio/{_quoted(audio_id)}"


def _job(job_id: str) -> str:
    return f"/jobs/{_quoted(job_id)}"


def _collection(name: str) -> str:
    return f"/collections/{_quoted(name)}"


def _quoted(text: str) -> str:
    """A name as a part of a path. What URLs take for a step upwards would lead to something else."""
    if text in ("", ".", ".."):
        raise LibraryValueError(f"{text!r} can't be named to a service")
    return quote(text, safe="", errors="replace")


def _value(kind: type[T], response: httpx.Response) -> T:
    return _understood(response, lambda document: value_of(kind, document))


def _features(response: httpx.Response) -> AudioFeatures:
    return _understood(response, AudioFeatures.from_dict)


def _understood(response: httpx.Response, read: Callable[[Any], T]) -> T:
    """What a document says; one of another form comes from a service that is none of ours, or too old or new."""
    try:
        return read(response.json())
    except (ValueError, TypeError, KeyError) as error:
        detail = f"the answer has another form than expected: {error}"
        request_id = response.headers.get("x-request-id")
        raise ServiceError(response.status_code, "not-understood", detail, request_id) from error
