"""Sound files: taken in, listed, taken away, given back, drawn."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import AsyncIterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import anyio
from fastapi import APIRouter, Header, Query, Request, Response

from samplemind.audio import stat_key
from samplemind.errors import FileAccessError
from samplemind.library.query import parse
from samplemind.library.search import MOST, search
from samplemind.library.stamps import stamp
from samplemind.service import audio, receipts
from samplemind.service.answers import AudioOut, AudioPage, Peaks
from samplemind.service.caching import asked_again, forever, not_modified, once
from samplemind.service.documents import BINARY, DRAWN, UPLOAD, problems
from samplemind.service.drawings import VERSION, word
from samplemind.service.formats import OTHER, is_played, media_type
from samplemind.service.homes import kept_elsewhere
from samplemind.service.links import real_path
from samplemind.service.multipart import FormFile
from samplemind.service.parts import CallerPart, Service, ServicePart, in_turn
from samplemind.service.problems import Problem
from samplemind.service.ranges import SentFile
from samplemind.service.uploads import Received
from samplemind.workers import drawing

router = APIRouter(prefix="/audio", tags=["audio"])

Name = Annotated[str | None, Query(max_length=1000, description="What to call it, for a raw body.")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=1000, description="Of the page before.")]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, description="A name for this request: sent again, it is answered again."),
]
_GONE: Final = "the file is gone from the folder where it was, or was changed since"
_RAW: Final = ("audio/", "video/", "application/octet-stream", "application/ogg", "application/mxf")


def body_of(request: Request) -> tuple[AsyncIterable[bytes], FormFile | None]:
    """The bytes of an upload, and the form in which they are, if they are in one.

    Raises:
        Problem: the media type is none that could be audio.
    """
    content_type = request.headers.get("content-type", OTHER)
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        form = FormFile(request.stream(), content_type)
        return form, form
    if not kind.startswith(_RAW):
        raise Problem(415, "send audio as it is, or as the field file of a form", code="unsupported-format")
    return request.stream(), None


@router.post(
    "",
    status_code=201,
    response_model=AudioOut,
    responses={
        200: {"model": AudioOut, "description": "It was there already."},
        **problems(400, 409, 413, 415, 422, 507),
    },
    openapi_extra=UPLOAD,
)
async def upload(
    request: Request,
    service: ServicePart,
    caller: CallerPart,
    name: Name = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Take a file in. Its id is the digest of its bytes."""
    body, form = body_of(request)
    async with service.uploads.received(body) as received:
        called = form.name if form is not None else name
        kept = functools.partial(_kept, service, received, called, caller.id, idempotency_key)
        status, answer = await service.turns.take(kept)
    if status == 201:
        service.measures.count_upload(received.size)
    return once(answer, status, {"Location": f"/api/v1/audio/{answer['id']}"})


def _kept(
    service: Service, received: Received, name: str | None, owner: str, key: str | None
) -> tuple[int, dict[str, Any]]:
    request = f"POST /audio {received.digest}"
    with service.uploads.kept(received, name) as (session, row, new):
        before = receipts.found(session, owner, key, request)
        if before is not None and not new:  # it says that the audio is there: true until somebody takes that away
            return before
        file = audio.Stored(row, str(service.folder.audio))
        [answer] = audio.shown(session, [file], service.folder.audio)
        status = 201 if new else 200
        receipts.keep(session, owner, key, request, status, answer)
        return status, answer


@router.get("", response_model=AudioPage, responses=problems(404))
def list_audio(
    service: ServicePart,
    q: Annotated[str | None, Query(max_length=4096, description="A search; without one, all files.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Files: those that a search finds, or all, the latest first."""
    if q is not None:
        return once(found(service, q, limit, cursor))
    with service.database.reading() as session:
        return once(audio.listed(session, limit, cursor, service.folder.audio))


def found(service: Service, query: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """What a search finds, in the form of `AudioPage`."""
    asked = parse(query)
    with service.database.reading() as session:
        page = search(session, asked, limit=limit, cursor=cursor, now=time.time())
        return audio.shown_page(session, page, service.folder.audio)


@router.get("/{audio_id}", response_model=AudioOut, responses=problems(404))
def get_audio(service: ServicePart, audio_id: str) -> Response:
    """One file."""
    with service.database.reading() as session:
        [answer] = audio.shown(session, [audio.stored(session, audio_id, service.home)], service.folder.audio)
        return once(answer)


@router.delete("/{audio_id}", status_code=204, responses=problems(404, 409))
@in_turn
def delete_audio(service: ServicePart, audio_id: str) -> Response:
    """Take an upload away. What was said of its sound is kept."""
    service.drawings.forget(service.uploads.remove(audio_id))
    return Response(status_code=204)


@router.get("/{audio_id}/content", response_class=Response, responses={**BINARY, **problems(403, 404, 409, 410, 416)})
def get_content(request: Request, service: ServicePart, audio_id: str) -> Response:
    """The file as it is."""
    file, path = there(service, audio_id)
    digest = file.row.digest or ""
    with _gone_told():
        kind = media_type(path, file.row.codec)
        # Of streams that their first bytes don't name, analysis tells what they are.
        unsure = kind == OTHER and file.row.codec is None
        headers = asked_again(digest) if unsure else _cached(service, audio_id, file, digest)
        return not_modified(request, digest, headers) or _sent(path, kind, headers, audio.printable(file.name))


@router.get(
    "/{audio_id}/preview", response_class=Response, responses={**BINARY, **problems(403, 404, 409, 410, 415, 416, 507)}
)
async def get_preview(request: Request, service: ServicePart, audio_id: str) -> Response:
    """The sound in a form that browsers play: the file itself if they do, else FLAC."""
    file, path = await anyio.to_thread.run_sync(there, service, audio_id)
    digest = file.row.digest or ""
    with _gone_told():
        played = await anyio.to_thread.run_sync(is_played, path, file.row.codec)
        etag = digest if played else f"{digest}-preview{VERSION}"
        # Before it is analysed, nobody knows whether browsers play it.
        headers = asked_again(etag)
        known = not_modified(request, etag, headers)
        if known is not None:
            return known
        if played:
            kind = await anyio.to_thread.run_sync(media_type, path, file.row.codec)
            return _sent(path, kind, headers, audio.printable(file.name))
        preview = await service.drawings.preview(str(path), digest)
        return _sent(preview, "audio/flac", headers, audio.printable(f"{Path(file.name).stem}.flac"))


@router.get("/{audio_id}/peaks", response_model=Peaks, responses={**DRAWN, **problems(403, 404, 409, 410, 415)})
async def get_peaks(
    request: Request,
    service: ServicePart,
    audio_id: str,
    points: Annotated[int, Query(ge=1, le=drawing.MOST_POINTS)] = 1000,
) -> Response:
    """What a waveform is drawn from."""
    return await _drawn(request, service, audio_id, drawing.Peaks(points), "application/json")


@router.get(
    "/{audio_id}/spectrogram.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **DRAWN, **problems(403, 404, 409, 410, 415)},
)
async def get_spectrogram(
    request: Request,
    service: ServicePart,
    audio_id: str,
    width: Annotated[int, Query(ge=16, le=drawing.MOST_WIDTH)] = 1024,
    height: Annotated[int, Query(ge=16, le=drawing.MOST_HEIGHT)] = 256,
) -> Response:
    """A picture: time to the right, frequency upwards, level as brightness."""
    return await _drawn(request, service, audio_id, drawing.Spectrogram(width, height), "image/png")


async def _drawn(request: Request, service: Service, audio_id: str, what: drawing.Drawing, kind: str) -> Response:
    file, path = await anyio.to_thread.run_sync(there, service, audio_id)
    digest = file.row.digest or ""
    etag = f"{digest}-{word(what)}"
    headers = _cached(service, audio_id, file, etag)
    known = not_modified(request, etag, headers)
    return known or Response(await service.drawings.draw(str(path), digest, what), media_type=kind, headers=headers)


def _cached(service: Service, audio_id: str, file: audio.Stored, etag: str) -> dict[str, str]:
    """Headers of what the bytes of a file determine; the id may be that of a sound, which has other files too."""
    if audio_id == file.row.digest:
        return forever(service.configuration, etag)
    return asked_again(etag)


@contextlib.contextmanager
def _gone_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Problem(410, _GONE, code="gone") from error


def there(service: Service, audio_id: str) -> tuple[audio.Stored, Path]:
    """The file of an id, and where it is; only as it was when its digest was taken.

    Raises:
        NotInLibraryError: there is none.
        OutsideRootsError: it is a link that leads out of the folders that are allowed.
        Problem: it is gone, or another one by now, or only another service keeps it.
    """
    with service.database.reading() as session:
        file = audio.stored(session, audio_id, service.home)
    if file.elsewhere:
        raise kept_elsewhere()
    path = real_path(str(file.path), file.root, service.configuration.roots)
    if not is_as_it_was(file, path, service.folder.audio):
        raise Problem(410, _GONE, code="gone")
    return file, path


def is_as_it_was(file: audio.Stored, path: Path, uploads: Path) -> bool:
    """Whether a file is what its digest says: uploads are never changed, of others size and times are compared."""
    try:
        stat = stat_key(str(path))
    except FileAccessError:
        return False
    if file.root == str(uploads):
        return stat.size == file.row.size
    before = file.row.stamp
    return stat.size == file.row.size and (before is None or before.partition("@")[0] == stamp(stat))


def _sent(path: Path, kind: str, headers: dict[str, str], name: str) -> Response:
    safe = {"Content-Security-Policy": "sandbox; default-src 'none'"}
    how = "inline" if kind.startswith("audio/") else "attachment"
    return SentFile(
        path,
        stat_result=path.stat(),
        media_type=kind,
        headers={**headers, **safe},
        filename=name,
        content_disposition_type=how,
    )
