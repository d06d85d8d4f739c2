"""Collections: named sets of sounds, put together by hand, by a query that is kept, or both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from samplemind.errors import LibraryValueError, NotInLibraryError
from samplemind.library.groups import groups
from samplemind.library.labels import label, suggestion
from samplemind.library.model import Collection, CollectionItem
from samplemind.library.query import Query, parse
from samplemind.library.values import Text


@dataclass(frozen=True)
class CollectionCount:
    """A collection: how many sounds were put into it, and the query for more."""

    name: str
    items: int
    query: str | None
    created_at: float


def save(session: Session, name: str, query: str | None, now: float) -> bool:
    """Make a collection, or give one that is there another query; the sounds that were put into it stay.

    Args:
        session: one that writes.
        name: of the collection.
        query: what it finds beside the sounds that are put into it; None for nothing.
        now: seconds since 1970.

    Returns:
        Whether it is new.

    Raises:
        LibraryValueError: a name that can't be one, or a query that leads to this collection again.
        NotInLibraryError: a collection that the query names is not there.
        QueryError: a query that can't be understood.
    """
    name = label(name)
    rows = {row.name: row for row in session.scalars(select(Collection))}
    require_sound({each: row.query for each, row in rows.items()} | {name: query}, [name])
    row = rows.get(name)
    if row is not None:
        row.query = query
    else:
        session.add(Collection(name=name, query=query, created_at=now))
    session.flush()
    return row is None


def require_sound(queries: Mapping[str, str | None], changed: Iterable[str]) -> None:
    """Refuse queries that name a collection that is not there, or by which one would be part of itself.

    Args:
        queries: of all collections, by name.
        changed: the names of those that were not checked before.

    Raises:
        LibraryValueError: a collection would be part of itself.
        NotInLibraryError: a query names no collection.
        QueryError: a query that can't be understood.
    """
    for name in changed:
        ways = [[name]]
        seen = {name}
        while ways:
            way = ways.pop()
            for named in sorted(_named(queries[way[-1]])):
                if named == name:
                    raise LibraryValueError(f"the collection would be part of itself: {' → '.join([*way, name])}")
                if named not in queries:
                    raise NotInLibraryError(f"the query names {named}, which is {_no_such(queries, named)}")
                if named not in seen:
                    seen.add(named)
                    ways.append([*way, named])


def add_items(session: Session, name: str, audio_ids: Iterable[int], now: float) -> int:
    """Put sounds into a collection.

    Returns:
        How many were not in it.

    Raises:
        NotInLibraryError: there is no such collection.
    """
    collection = _found(session, name)
    added = 0
    for some in groups(dict.fromkeys(audio_ids)):
        there = select(CollectionItem.audio_id)
        there = there.where(CollectionItem.collection_id == collection.id, CollectionItem.audio_id.in_(some))
        taken = set(session.scalars(there))
        new = [
            {"collection_id": collection.id, "audio_id": audio_id, "added_at": now}
            for audio_id in some
            if audio_id not in taken
        ]
        if new:
            session.execute(insert(CollectionItem), new)
        added += len(new)
    return added


def remove_items(session: Session, name: str, audio_ids: Iterable[int]) -> int:
    """Take sounds out of a collection. Those that its query finds stay found.

    Returns:
        How many were taken out.

    Raises:
        NotInLibraryError: there is no such collection.
    """
    collection = _found(session, name)
    removed = 0
    for some in groups(dict.fromkeys(audio_ids)):
        those = CollectionItem.collection_id == collection.id, CollectionItem.audio_id.in_(some)
        removed += len(session.scalars(select(CollectionItem.audio_id).where(*those)).all())
        session.execute(delete(CollectionItem).where(*those))
    return removed


def collection_counts(session: Session) -> Iterator[CollectionCount]:
    """All collections in the order of their names. One statement."""
    items = func.count(CollectionItem.audio_id)
    counted = select(Collection.name, items, Collection.query, Collection.created_at).outerjoin(
        CollectionItem, CollectionItem.collection_id == Collection.id
    )
    counted = counted.group_by(Collection.id, Collection.name, Collection.query, Collection.created_at)
    for row in session.execute(counted.order_by(Collection.name)):
        yield CollectionCount(*row)


def collection_named(session: Session, name: str) -> CollectionCount:
    """One of them.

    Raises:
        NotInLibraryError: there is no such collection.
    """
    row = _found(session, name)
    items = session.scalar(select(func.count()).where(CollectionItem.collection_id == row.id))
    return CollectionCount(row.name, items or 0, row.query, row.created_at)


def remove(session: Session, name: str) -> None:
    """Remove a collection; its sounds stay.

    Raises:
        NotInLibraryError: there is no such collection.
        LibraryValueError: the query of another one names it.
    """
    row = _found(session, name)
    _require_unnamed(session, row.name)
    session.delete(row)
    session.flush()


def rename(session: Session, name: str, new_name: str) -> None:
    """Give a collection another name.

    Raises:
        NotInLibraryError: there is no such collection.
        LibraryValueError: a name that can't be one or is taken, or the query of another collection names it.
    """
    row, new_name = _found(session, name), label(new_name)
    if row.name == new_name:
        return
    _require_unnamed(session, row.name)
    if session.scalar(select(Collection.id).where(Collection.name == new_name)) is not None:
        raise LibraryValueError(f"there is a collection {new_name} already")
    row.name = new_name
    session.flush()


def _found(session: Session, name: str) -> Collection:
    wanted = label(name)
    row = session.scalar(select(Collection).where(Collection.name == wanted))
    if row is None:
        raise NotInLibraryError(f"{wanted} is {_no_such(session.scalars(select(Collection.name)), wanted)}")
    return row


def _no_such(names: Iterable[str], name: str) -> str:
    return f"no collection{suggestion(name, names)}"


def _require_unnamed(session: Session, name: str) -> None:
    with_queries = select(Collection).where(Collection.query.is_not(None)).order_by(Collection.name)
    for other in session.scalars(with_queries):
        if name in _named(other.query):
            raise LibraryValueError(f"the query of the collection {other.name} names {name}: change that first")


def _named(query: str | None) -> set[str]:
    """The collections that a query names."""
    parsed = parse(query) if query is not None else Query()
    texts = (value for term in parsed.terms if term.field == "collection" for value in term.alternatives)
    return {label(value.text) for value in texts if isinstance(value, Text)}
