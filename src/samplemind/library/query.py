"""What a search asks for: its text, parsed to values that can be followed without knowing the grammar.

    query  = term…                                all of them hold
    term   = [-] [field:] value [, value]…        any of the values; - turns it round
    value  = 124  120..126  120..  >120  <=120  ~124  ?  text  "quoted text"
    field  = a name of `FIELDS`, or sort; without one, values are words in names

`docs/search.md` explains it to users. Nothing here reads a clock, a database or a setting.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from samplemind.errors import QueryError
from samplemind.library.fields import FIELDS, Field
from samplemind.library.values import Unknown, Value

MAX_LENGTH: Final = 1000
"""Characters of a query: more than anybody types, and too few to keep a server busy with."""
MAX_TERMS: Final = 50
MAX_ALTERNATIVES: Final = 200
"""In all terms together, each value counted as what it comes down to: SQLite takes expressions up to 1,000 deep."""

SORTABLE: Final = tuple(field.name for field in FIELDS.values() if field.sortable)
_NAMES: Final = (*FIELDS, "sort")

_TERM: Final = re.compile(r'(?=\S)(?P<minus>-?)(?:(?P<field>[^\s:,"]*):)?(?P<values>(?:"[^"]*"|\S)*)')
_VALUE: Final = re.compile(r'(?:\A|,)((?:"[^"]*"|[^,])*)')
_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"')
_LONGEST_SHOWN: Final = 40
"""Characters of a query that a message repeats."""


@dataclass(frozen=True)
class Term:
    """A condition: the field has one of the values or, negated, none of them.

    Args:
        field: a name of `FIELDS`.
        alternatives: at least one, no two alike.
        negated: the condition is turned round.
        text: the term as text, which parses to the same term.
    """

    field: str
    alternatives: tuple[Value, ...]
    negated: bool
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Sort:
    """The order of what is found: by a field of `SORTABLE`."""

    field: str
    descending: bool

    def __str__(self) -> str:
        return f"sort:{'-' if self.descending else ''}{self.field}"


@dataclass(frozen=True)
class Query:
    """Conditions that must all hold, and an order or none. As text it is a query that parses to the same."""

    terms: tuple[Term, ...] = ()
    sort: Sort | None = None

    def __str__(self) -> str:
        return " ".join(str(part) for part in (*self.terms, self.sort) if part is not None)


def parse(text: str) -> Query:
    """Read a query. An empty one asks for everything.

    Raises:
        QueryError: it can't be understood, or is beyond a limit.
    """
    _check(text)
    terms: list[Term] = []
    sort: Sort | None = None
    for written in _scan(text):
        if written.field != "sort":
            terms.append(_term(written))
        elif sort is None:
            sort = _sort(written)
        else:
            raise QueryError(written.column, "a second sort: results have one order")
        if len(terms) > MAX_TERMS:
            raise QueryError(written.column, f"a query has at most {MAX_TERMS} terms")
        if sum(len(term.alternatives) for term in terms) > MAX_ALTERNATIVES:
            raise QueryError(written.column, f"the values of a query come down to at most {MAX_ALTERNATIVES}")
    return Query(tuple(terms), sort)


def _check(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise QueryError(MAX_LENGTH + 1, f"a query has at most {MAX_LENGTH} characters, not {len(text)}")
    for column, character in enumerate(text, start=1):
        # Control characters and bytes that are no text: databases refuse some of them.
        if unicodedata.category(character) in ("Cc", "Cs") and not character.isspace():
            raise QueryError(column, f"{character!a} can't be searched for")


@dataclass(frozen=True)
class _WrittenValue:
    column: int
    text: str
    quoted: bool


@dataclass(frozen=True)
class _WrittenTerm:
    """A term before it is known what its values mean; its text has the field's name in lower case."""

    column: int
    negated: bool
    field: str
    values: tuple[_WrittenValue, ...]
    text: str


def _scan(text: str) -> Iterator[_WrittenTerm]:
    for term in _TERM.finditer(text):
        minus, name, values = term.groups()
        if name is not None and name.lower() not in _NAMES:
            reason = f"{_shown(name)} is no field: {_instead(name, _NAMES)}"
            raise QueryError(term.start("field") + 1, reason)
        yield _WrittenTerm(
            column=term.start() + 1,
            negated=minus == "-",
            field="word" if name is None else name.lower(),
            values=tuple(_value(term.start("values") + part.start(1) + 1, part[1]) for part in _VALUE.finditer(values)),
            text=minus + ("" if name is None else f"{name.lower()}:") + values,
        )


def _value(column: int, text: str) -> _WrittenValue:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        text = quoted[1].replace('""', '"')
    elif '"' in text:
        raise QueryError(column, f'quotes go around a whole value, and "" is a quote within them: {_shown(text)}')
    if not text:
        raise QueryError(column, "a value is missing")
    return _WrittenValue(column, text, quoted is not None)


def _term(written: _WrittenTerm) -> Term:
    field = FIELDS[written.field]
    meanings = [meaning for value in written.values for meaning in _meanings(field, value)]
    return Term(field.name, tuple(dict.fromkeys(meanings)), written.negated, written.text)


def _meanings(field: Field, value: _WrittenValue) -> tuple[Value, ...]:
    if field.optional and value.text == "?" and not value.quoted:
        return (Unknown(),)
    read = field.read_quoted if value.quoted and field.read_quoted else field.read
    meanings = read(value.text)
    if not meanings:
        like = f"write it like {', '.join(field.examples)}"
        possible = _instead(value.text, field.choices) if field.choices else like
        raise QueryError(value.column, f"{_shown(value.text)} is no value of {field.name}: {possible}")
    return meanings


def _sort(written: _WrittenTerm) -> Sort:
    value = written.values[0]
    if written.negated or len(written.values) > 1:
        raise QueryError(written.column, "sort takes one field: sort:tempo, or sort:-tempo for the highest first")
    name = value.text.removeprefix("-").lower()
    if name not in SORTABLE:
        raise QueryError(value.column, f"{_shown(value.text)} is no order: {_instead(name, SORTABLE)}")
    return Sort(name, descending=value.text.startswith("-"))


def _instead(text: str, possible: Collection[str]) -> str:
    nearest = get_close_matches(text.lower(), possible, n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"possible are {', '.join(possible)}"


def _shown(text: str) -> str:
    return f'"{text}"' if len(text) <= _LONGEST_SHOWN else f'"{text[: _LONGEST_SHOWN - 1]}…"'
