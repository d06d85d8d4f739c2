"""Terms of a query as SQL, in two forms: whether an entry holds to one, and where the entries are that do.

The first is asked entry by entry. The second finds all of them through an index, and whoever searches decides whether
they are few enough to begin with. See `samplemind.library.search`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, false, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from samplemind.library.columns import Column, Test, begins, has_index, tests_of
from samplemind.library.fields import FIELDS
from samplemind.library.folders import is_below, relative
from samplemind.library.labels import label
from samplemind.library.model import Audio, CollectionItem, Correction, File, Tag, Word
from samplemind.library.query import Query, Term
from samplemind.library.saved import SavedCollection
from samplemind.library.values import Below, Prefix, Text, Unknown, Value
from samplemind.library.words import query_words

_OF_FILES: Final[Mapping[str, InstrumentedAttribute[Any]]] = {
    "sound": File.named_sound,
    "bits": File.bit_depth,
    "size": File.size,
}

Ids = Select[Any]
"""A statement that finds ids of entries."""


@dataclass(frozen=True)
class Condition:
    """What a query asks of an entry.

    Args:
        holds: looks at an entry of `Audio`.
        among: statements that together find all entries for which it holds, and perhaps some more; none if there is
            no such way.
        has_index: they go through an index, and not through all files.
    """

    holds: ColumnElement[bool]
    among: tuple[Ids, ...] = ()
    has_index: bool = True


@dataclass(frozen=True)
class Known:
    """What terms depend on.

    Args:
        sqlite: the database is SQLite, which has to be told not to use an index.
        now: seconds since 1970.
        collections: all that the query names, and those that their queries name.
        roots: folders that were scanned, by id; they may be left out if `names_a_path` says so.
        everything: also what has no file, and also by files that are gone.
    """

    sqlite: bool
    now: float
    collections: Mapping[str, SavedCollection]
    roots: Mapping[int, str]
    everything: bool

    def scanned(self, column: Column) -> Column:
        """The column's value, found without its index."""
        if not self.sqlite:
            return column
        element = column.expression if isinstance(column, InstrumentedAttribute) else column
        return UnaryExpression(element, operator=custom_op("+"), type_=column.type)

    def tests_of(self, values: Sequence[Value]) -> list[Test]:
        """Tests of a column for values."""
        return tests_of(values, now=self.now, sqlite=self.sqlite)

    def file_counts(self) -> ColumnElement[bool]:
        """Whether a file is one to find its entry by."""
        return true() if self.everything else self.scanned(File.missing_since).is_(None)


def conditions(query: Query, known: Known) -> list[Condition]:
    """All that a query asks, also what it asks without saying so: that a file is there."""
    asked = [condition for term in query.terms for condition in _of_term(term, known)]
    if not known.everything:
        asked.append(Condition(known.scanned(Audio.files_present) > 0))
    return asked


def _of_term(term: Term, known: Known) -> list[Condition]:
    if term.negated:
        holds = and_(*(condition.holds for condition in _positive(term, known)))
        return [Condition(holds.is_not(true()))]
    return _positive(term, known)


def _positive(term: Term, known: Known) -> list[Condition]:
    match term.field:
        case "word":
            return _any_of([_words(value, known) for value in term.alternatives])
        case "tag":
            return _any_of([[_tag(value)] for value in term.alternatives])
        case "collection":
            return _any_of([_collection(value, known) for value in term.alternatives])
        case "is":
            return _any_of([[_state(value, known)] for value in term.alternatives])
        case "path":
            return _any_of([[_path(value, known)] for value in term.alternatives])
        case "format":
            return [_of_files(term.alternatives, (File.container, File.codec), known)]
        case "sound" | "bits" | "size" as name:
            return [_of_files(term.alternatives, (_OF_FILES[name],), known)]
    column: InstrumentedAttribute[Any] = getattr(Audio, FIELDS[term.field].column or "")
    tests = known.tests_of(term.alternatives)
    among = tuple(select(Audio.id).where(test(column)) for test in tests) if has_index(column) else ()
    return [Condition(or_(*(test(known.scanned(column)) for test in tests)), among)]


def _any_of(alternatives: Sequence[list[Condition]]) -> list[Condition]:
    """One of the alternatives holds, of each all conditions. A single one stays as it is: several ways to begin."""
    if len(alternatives) == 1:
        return alternatives[0]
    holds = or_(*(and_(*(condition.holds for condition in each)) for each in alternatives))
    # Of each alternative, the last way: of several words the longest, see `_words`.
    last = [next((condition for condition in reversed(each) if condition.among), None) for each in alternatives]
    ways = [condition for condition in last if condition is not None]
    if len(ways) < len(last):
        return [Condition(holds)]
    among = tuple(way for condition in ways for way in condition.among)
    return [Condition(holds, among, all(condition.has_index for condition in ways))]


def _words(value: Value, known: Known) -> list[Condition]:
    """One for each word, the longest last. A text has to have them as they are, a prefix as beginnings."""
    if not isinstance(value, Text | Prefix):
        raise AssertionError(f"{value} is no word")
    wanted = []
    for word in sorted(query_words(value.text), key=len):
        found = Word.word == word if isinstance(value, Text) else begins(Word.word, word)
        holds = exists().where(Word.audio_id == Audio.id, found)
        wanted.append(Condition(holds, (select(Word.audio_id).where(found),)))
    return wanted


def _tag(value: Value) -> Condition:
    if isinstance(value, Text):
        named = Tag.name == label(value.text)
        return Condition(exists().where(Tag.audio_id == Audio.id, named), (select(Tag.audio_id).where(named),))
    return Condition(~exists().where(Tag.audio_id == Audio.id))


def _collection(value: Value, known: Known) -> list[Condition]:
    if not isinstance(value, Text):
        return [Condition(~exists().where(CollectionItem.audio_id == Audio.id))]
    saved = known.collections[label(value.text)]
    chosen = CollectionItem.collection_id == saved.id
    item = Condition(
        exists().where(CollectionItem.audio_id == Audio.id, chosen), (select(CollectionItem.audio_id).where(chosen),)
    )
    if not saved.has_query:
        return [item]
    asked = conditions(saved.query, known)
    return _any_of([[item], asked]) if saved.has_items else asked


def _state(value: Value, known: Known) -> Condition:
    present = known.scanned(Audio.files_present)
    match value:
        case Text("missing"):
            return Condition(present == 0, (select(Audio.id).where(Audio.files_present == 0),))
        case Text("duplicate"):
            return Condition(present > 1, (select(Audio.id).where(Audio.files_present > 1),))
        case Text("corrected"):
            return Condition(exists().where(Correction.audio_id == Audio.id), (select(Correction.audio_id),))
        case Text("tagged"):
            return Condition(exists().where(Tag.audio_id == Audio.id), (select(Tag.audio_id),))
    return Condition(true())


def _of_files(values: Sequence[Value], columns: tuple[InstrumentedAttribute[Any], ...], known: Known) -> Condition:
    """One of the files has one of the values in one of the columns; unknown is what none of them has."""
    known_values = [value for value in values if not isinstance(value, Unknown)]
    own = and_(File.audio_id == Audio.id, known.file_counts())
    holds: list[ColumnElement[bool]] = []
    tests = known.tests_of(known_values)
    if tests:
        holds.append(exists().where(own, or_(*(test(known.scanned(each)) for each in columns for test in tests))))
    if len(known_values) < len(values):
        holds.append(~exists().where(own, or_(*(each.is_not(None) for each in columns))))
    if len(known_values) < len(values):
        return Condition(or_(*holds))
    indexed = all(has_index(each) for each in columns)
    ways = [test(each) for each in columns for test in tests]
    among = tuple(select(File.audio_id).where(way) for way in (ways if indexed else [or_(*ways)]))
    return Condition(or_(*holds), among, indexed)


def _path(value: Value, known: Known) -> Condition:
    """A file is below a folder, or its path looks like a pattern."""
    if not isinstance(value, Below):
        return _of_files([value], (File.path,), known)
    where: dict[str, list[int]] = {}
    for root_id, root in known.roots.items():
        if not os.path.isabs(value.path):
            where.setdefault(value.path, []).append(root_id)
        elif is_below(value.path, root):
            where.setdefault(relative(value.path, root), []).append(root_id)
        elif is_below(root, value.path):
            where.setdefault("", []).append(root_id)
    tests = [
        and_(File.root_id.in_(roots), test)
        for path, roots in where.items()
        for test in ((File.path == path, begins(File.path, f"{path}/")) if path else (true(),))
    ]
    own = and_(File.audio_id == Audio.id, known.file_counts())
    return Condition(
        exists().where(own, or_(false(), *tests)), tuple(select(File.audio_id).where(test) for test in tests)
    )
