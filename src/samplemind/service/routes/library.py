"""The library: search, and what users say of sounds."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.orm import Session

from samplemind.errors import NotInLibraryError
from samplemind.library import collections, tags
from samplemind.library.corrections import correct
from samplemind.service import audio
from samplemind.service.answers import (
    AudioOut,
    AudioPage,
    CollectionIn,
    CollectionOut,
    CorrectionsIn,
    TagOut,
)
from samplemind.service.caching import once
from samplemind.service.documents import problems
from samplemind.service.parts import Service, ServicePart, in_turn
from samplemind.service.problems import Problem
from samplemind.service.routes.audio import Cursor, Limit, found

router = APIRouter(tags=["library"])

Name = Annotated[str, Path(max_length=200)]


@router.get("/search", response_model=AudioPage, responses=problems(404))
def search(
    service: ServicePart,
    q: Annotated[str, Query(max_length=4096, description="As docs/search.md describes it.")] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Find sounds by what they are: ``tempo:120..125 key:Am kind:loop``."""
    return once(found(service, q, limit, cursor))


@router.patch("/audio/{audio_id}/corrections", response_model=AudioOut, responses=problems(404, 409))
@in_turn
def set_corrections(service: ServicePart, audio_id: str, body: CorrectionsIn) -> Response:
    """Say what a sound's tempo, key or kind is; it holds against every analysis."""
    said = {name: "" if value is None else str(value) for name, value in body.model_dump(exclude_unset=True).items()}

    def change(session: Session, number: int) -> None:
        if said:
            correct(session, [number], said, time.time())

    return once(_changed(service, audio_id, change))


@router.put("/audio/{audio_id}/tags/{tag:path}", response_model=AudioOut, responses=problems(404, 409))
@in_turn
def add_tag(service: ServicePart, audio_id: str, tag: Name) -> Response:
    """Give a sound a tag."""
    return once(_changed(service, audio_id, lambda session, number: tags.add_tags(session, [number], [tag])))


@router.delete("/audio/{audio_id}/tags/{tag:path}", response_model=AudioOut, responses=problems(404, 409))
@in_turn
def remove_tag(service: ServicePart, audio_id: str, tag: Name) -> Response:
    """Take a tag from a sound."""

    def change(session: Session, number: int) -> None:
        with contextlib.suppress(NotInLibraryError):  # no sound has it: neither has this one
            tags.remove_tags(session, [number], [tag])

    return once(_changed(service, audio_id, change))


@router.get("/tags", response_model=list[TagOut], responses=problems())
def list_tags(service: ServicePart) -> list[TagOut]:
    """All tags."""
    with service.database.reading() as session:
        return [TagOut(**dataclasses.asdict(each)) for each in tags.tag_counts(session)]


@router.get("/collections", response_model=list[CollectionOut], responses=problems())
def list_collections(service: ServicePart) -> list[CollectionOut]:
    """All collections; ``collection:NAME`` in a search finds what is in one."""
    with service.database.reading() as session:
        return [CollectionOut(**dataclasses.asdict(each)) for each in collections.collection_counts(session)]


@router.put("/collections/{name:path}/items/{audio_id}", status_code=204, responses=problems(404, 409))
@in_turn
def add_item(service: ServicePart, name: Name, audio_id: str) -> Response:
    """Put a sound into a collection."""
    with service.database.writing() as session:
        collections.add_items(session, name, [_sound(service, session, audio_id)], time.time())
    return Response(status_code=204)


@router.delete("/collections/{name:path}/items/{audio_id}", status_code=204, responses=problems(404, 409))
@in_turn
def remove_item(service: ServicePart, name: Name, audio_id: str) -> Response:
    """Take a sound out of a collection; what its query finds stays found."""
    with service.database.writing() as session:
        collections.remove_items(session, name, [_sound(service, session, audio_id)])
    return Response(status_code=204)


@router.get("/collections/{name:path}", response_model=CollectionOut, responses=problems(404))
def get_collection(service: ServicePart, name: Name) -> CollectionOut:
    """One collection."""
    with service.database.reading() as session:
        return CollectionOut(**dataclasses.asdict(collections.collection_named(session, name)))


@router.put(
    "/collections/{name:path}",
    response_model=CollectionOut,
    responses={201: {"model": CollectionOut, "description": "It is new."}, **problems(404)},
)
@in_turn
def put_collection(service: ServicePart, name: Name, body: CollectionIn, response: Response) -> CollectionOut:
    """Make a collection, or give one another query; the sounds that were put into it stay."""
    with service.database.writing() as session:
        if collections.save(session, name, body.query, time.time()):
            response.status_code = 201
        return CollectionOut(**dataclasses.asdict(collections.collection_named(session, name)))


@router.delete("/collections/{name:path}", status_code=204, responses=problems(404))
@in_turn
def delete_collection(service: ServicePart, name: Name) -> Response:
    """Remove a collection; its sounds stay."""
    with service.database.writing() as session:
        collections.remove(session, name)
    return Response(status_code=204)


def _changed(service: Service, audio_id: str, change: Any) -> dict[str, Any]:
    with service.database.writing() as session:
        change(session, _sound(service, session, audio_id))
        [answer] = audio.shown(session, [audio.stored(session, audio_id, service.home)], service.folder.audio)
        return answer


def _sound(service: Service, session: Session, audio_id: str) -> int:
    """The number of a sound that was analysed."""
    file = audio.stored(session, audio_id, service.home)
    if file.row.audio_id is None:
        raise Problem(409, "this audio has not been analysed: what it is can be said afterwards", code="not-analyzed")
    return file.row.audio_id
