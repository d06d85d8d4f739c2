"""Collections as search needs them: what queries that name them come down to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from samplemind.errors import NotInLibraryError, QueryError
from samplemind.library.labels import label, suggestion
from samplemind.library.query import Query, parse
from samplemind.library.values import Text

_FOR_EVERYTHING: Final = ("missing", "any")
"""States that ask for entries without a file."""


@dataclass(frozen=True)
class SavedCollection:
    """A collection as search needs it."""

    id: int
    query: Query
    has_query: bool
    has_items: bool


def asks_for_everything(query: Query, collections: Mapping[str, SavedCollection]) -> bool:
    """Whether the query, or that of a collection it names, asks for entries without a file."""
    texts = [value.text for value in _texts(query, "is") if value.text in _FOR_EVERYTHING]
    named = [collections[label(value.text)].query for value in _texts(query, "collection")]
    return bool(texts) or any(asks_for_everything(other, collections) for other in named)


def named_collections(query: Query) -> list[str]:
    """Collections that a query names."""
    return [label(value.text) for value in _texts(query, "collection", negated=True)]


def names_a_path(query: Query, collections: Mapping[str, SavedCollection]) -> bool:
    """Whether it matters what folders were scanned."""
    queries = [query, *(each.query for each in collections.values())]
    return any(term.field == "path" for each in queries for term in each.terms)


def saved_collections(rows: Iterable[tuple[int, str, str | None, bool]], query: Query) -> dict[str, SavedCollection]:
    """The collections that a query leads to.

    Args:
        rows: id, name, query, and whether sounds were put into it, of all that there are.
        query: what is asked.

    Raises:
        NotInLibraryError: one that is named is not there.
        QueryError: the query of one can't be understood, or leads to itself.
    """
    by_name = {row[1]: row for row in rows}
    found: dict[str, SavedCollection] = {}

    def take(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            raise QueryError(1, f"the collection {name} is part of itself: {' → '.join([*way, name])}")
        if name in found:
            return
        if name not in by_name:
            raise NotInLibraryError(f"there is no collection {name}{suggestion(name, by_name)}")
        number, _, text, has_items = by_name[name]
        try:
            saved = parse(text or "")
        except QueryError as error:
            raise QueryError(error.column, f"in the query of the collection {name}: {error.reason}") from error
        for other in named_collections(saved):
            take(other, (*way, name))
        found[name] = SavedCollection(number, saved, text is not None, has_items)

    for name in named_collections(query):
        take(name, ())
    return found


def _texts(query: Query, field: str, *, negated: bool = False) -> Iterator[Text]:
    for term in query.terms:
        if term.field == field and (negated or not term.negated):
            yield from (value for value in term.alternatives if isinstance(value, Text))
