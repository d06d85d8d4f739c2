"""Search: from a query to a page of entries.

There are two ways to find a page. One goes along the order that is wanted, looks at each entry, and ends when the page
is full: fast where many entries are meant. The other begins with the entries that one of the terms leaves, found
through an index, and sorts what the other terms leave of them: fast where few are. How many a term leaves is counted
before, up to a limit. SQLite is told which way to go; PostgreSQL has statistics, and may know better.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Row, Select, exists, func, literal, null, select, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from samplemind.errors import CursorError
from samplemind.library.columns import Column
from samplemind.library.conditions import Condition, Ids, Known, conditions
from samplemind.library.fields import FIELDS
from samplemind.library.found import Entry, entries_of
from samplemind.library.model import Audio, Collection, CollectionItem, Root
from samplemind.library.query import Query
from samplemind.library.saved import asks_for_everything, named_collections, names_a_path, saved_collections

MOST: Final = 1000
"""Entries of a page: as many as one statement may name on every database, and more than anybody looks at."""
COUNTED: Final = 10_000
"""How far it is counted what a term leaves: counting so many takes less than a millisecond."""
FEW: Final = 1000
"""So few entries are always looked at one by one."""
MANY: Final = 5000
"""So many are before all files are looked at."""
PATIENCE: Final = 4
"""How much further than expected one goes along the order before the other way is taken after all: terms may have to
do with each other, and with the order."""
_CHECK_BYTES: Final = 6

Statement = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class Page:
    """Some of what was found, and where the next page begins; None if this is the last."""

    entries: tuple[Entry, ...]
    cursor: str | None


@dataclass(frozen=True)
class Order:
    """The order of what is found: by a column, entries without a value last; then by age.

    Args:
        column: None for by age alone.
        descending: the highest, or the newest, first.
    """

    column: InstrumentedAttribute[Any] | None
    descending: bool


NEWEST_FIRST: Final = Order(None, descending=True)


@dataclass(frozen=True)
class Position:
    """The last entry of a page: its id and its value in the order."""

    id: int
    value: float | str | None


def search(session: Session, query: Query, *, limit: int = 50, cursor: str | None = None, now: float) -> Page:
    """Find a page of entries. Without an order in the query, those that came last into the library are first.

    What comes into the library between two pages is on neither twice, and moves nothing from one to the other.

    Args:
        session: one that reads.
        query: what is asked.
        limit: how many entries at most, from 1 to `MOST`.
        cursor: of the page before, found by the same query.
        now: seconds since 1970.

    Raises:
        CursorError: the cursor is damaged, or of another query.
        QueryError: the query of a collection that is named can't be understood.
        NotInLibraryError: a collection that is named is not there.
        LibraryValueError: a tag or a collection that is named has a name that can't be one.
    """
    if not 1 <= limit <= MOST:
        raise ValueError(f"a page has 1 to {MOST} entries, not {limit}")
    order = order_of(query)
    after = None if cursor is None else read_cursor(cursor, query)
    known = _known(session, query, now)
    asked = conditions(query, known)
    found = _found(session, asked, order, after, limit + 1, known)
    entries = entries_of(session, [row.id for row in found[:limit]])
    more = None
    if len(found) > limit:
        last = found[limit - 1]
        more = written_cursor(Position(last.id, last.value), query)
    return Page(tuple(entries), more)


def order_of(query: Query) -> Order:
    """The order that a query asks for."""
    if query.sort is None:
        return NEWEST_FIRST
    return Order(getattr(Audio, FIELDS[query.sort.field].column or ""), query.sort.descending)


def _known(session: Session, query: Query, now: float) -> Known:
    collections = {}
    if named_collections(query):
        has_items = exists().where(CollectionItem.collection_id == Collection.id)
        rows = session.execute(select(Collection.id, Collection.name, Collection.query, has_items)).all()
        collections = saved_collections([(row[0], row[1], row[2], bool(row[3])) for row in rows], query)
    roots: dict[int, str] = {}
    if names_a_path(query, collections):
        roots = {row.id: row.path for row in session.execute(select(Root.id, Root.path))}
    return Known(
        sqlite=session.get_bind().dialect.name == "sqlite",
        now=now,
        collections=collections,
        roots=roots,
        everything=asks_for_everything(query, collections),
    )


def _found(
    session: Session, asked: Sequence[Condition], order: Order, after: Position | None, limit: int, known: Known
) -> list[Row[Any]]:
    """Ids, and values in the order, of so many entries."""
    holds = [condition.holds for condition in asked]

    def listed(among: Sequence[Ids]) -> list[Row[Any]]:
        """All among some entries."""
        start = [Audio.id.in_(_joined(among))] if among else []
        found: list[Row[Any]] = []
        for stretch in _stretches(order, after, known, walking=not among):
            found += session.execute(stretch.statement.where(*holds, *start).limit(limit - len(found))).all()
            if len(found) == limit:
                break
        return found

    def met(reach: int) -> list[Row[Any]] | None:
        """What is met along the order; None if so many entries are not enough."""
        found: list[Row[Any]] = []
        for stretch in _stretches(order, after, known, walking=True):
            end = session.execute(stretch.to_the_end(reach)).first()
            within = [] if end is None else [stretch.is_before(end)]
            found += session.execute(stretch.statement.where(*holds, *within).limit(limit - len(found))).all()
            if len(found) == limit:
                return found
            if end is not None:
                return None
        return found

    indexed = [condition.among for condition in asked if condition.among and condition.has_index]
    others = [condition.among for condition in asked if condition.among and not condition.has_index]
    if not indexed and not others:
        return listed(())
    total, left = _counted(session, indexed, COUNTED)
    least = min(left, default=COUNTED)
    # If terms have nothing to do with each other, this is how far one goes along the order to fill a page.
    share = math.prod(max(count, 1) / max(total, count, 1) for count in left)
    if least < COUNTED and least <= max(FEW, limit / share):
        return listed(indexed[left.index(least)])
    found = met(max(FEW, MANY * bool(others), min(least, round(PATIENCE * limit / share))))
    if found is not None:
        return found
    if least == COUNTED and not others:
        _, left = _counted(session, indexed, total)
        least = min(left)
    return listed(indexed[left.index(least)] if least < COUNTED or not others else others[0])


def _counted(session: Session, ways: Sequence[Sequence[Ids]], most: int) -> tuple[int, list[int]]:
    """About how many entries there are, and how many each of the ways leads to, counted up to a limit."""
    counts = [select(func.count()).select_from(_joined(way).limit(most).subquery()).scalar_subquery() for way in ways]
    total, *left = session.execute(select(select(func.max(Audio.id)).scalar_subquery(), *counts)).one()
    return total or 0, left


def _joined(ways: Sequence[Ids]) -> Any:
    """What several statements find, perhaps some of it twice."""
    return ways[0] if len(ways) == 1 else union_all(*ways)


@dataclass(frozen=True)
class Stretch:
    """A part of an order: the entries with a value, or those without.

    Args:
        statement: finds ids and values in order.
        place: the columns that order them.
        descending: the highest first.
    """

    statement: Statement
    place: Sequence[Column]
    descending: bool

    def to_the_end(self, reach: int) -> Statement:
        """Finds the place of the entry after so many."""
        return self.statement.with_only_columns(*self.place).offset(reach).limit(1)

    def is_before(self, place: Sequence[Any]) -> ColumnElement[bool]:
        """Whether an entry comes before a place."""
        return _compared(self.place, "above" if self.descending else "below", place)


def _stretches(order: Order, after: Position | None, known: Known, *, walking: bool) -> list[Stretch]:
    """Everything in an order, one part after the other.

    Args:
        order: the order.
        after: the last entry that was found before.
        known: what the database is.
        walking: by the index of the order.
    """

    def stretch(statement: Statement, place: Sequence[Column], last: Sequence[Any]) -> Stretch:
        if last:
            statement = statement.where(_compared(place, "below" if order.descending else "above", last))
        in_order = statement.order_by(*(column.desc() if order.descending else column for column in place))
        return Stretch(in_order, place, order.descending)

    unvalued = select(Audio.id, null().label("value"))
    by_age = (after.id,) if after is not None and after.value is None else ()
    if order.column is None:
        return [stretch(unvalued, (Audio.id,), by_age)]
    column = order.column if walking else known.scanned(order.column)
    stretches = []
    if not by_age:
        valued = select(Audio.id, order.column.label("value")).where(column.is_not(None))
        last = () if after is None else (after.value, after.id)
        stretches.append(stretch(valued, (column, Audio.id), last))
    if order.column.property.columns[0].nullable:
        stretches.append(stretch(unvalued.where(column.is_(None)), (Audio.id,), by_age))
    return stretches


def _compared(columns: Sequence[Column], side: Literal["above", "below"], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether columns, the first of which counts most, are above or below values."""
    own = tuple_(*columns)
    other = tuple_(*(literal(value, column.type) for value, column in zip(values, columns, strict=True)))
    compared: ColumnElement[bool] = own > other if side == "above" else own < other
    return compared


def written_cursor(position: Position, query: Query) -> str:
    """A position as text, which holds only for this query."""
    content = json.dumps([position.id, position.value]).encode()
    return base64.urlsafe_b64encode(_check(content, query) + content).rstrip(b"=").decode()


def read_cursor(text: str, query: Query) -> Position:
    """The position that a text stands for.

    Raises:
        CursorError: the text is damaged, or was made for another query.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
    except (binascii.Error, ValueError):
        raise CursorError(f"{text!a} is no cursor") from None
    content = data[_CHECK_BYTES:]
    if data[:_CHECK_BYTES] != _check(content, query):
        raise CursorError("the cursor is damaged, or of another query: give the one of the page before, unchanged")
    number, value = json.loads(content)
    return Position(number, value)


def _check(content: bytes, query: Query) -> bytes:
    return hashlib.blake2b(content + str(query).encode(), digest_size=_CHECK_BYTES).digest()
