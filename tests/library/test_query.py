"""A search's text, and what it means."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from samplemind.features.levels import AnalysisLevel
from samplemind.library.fields import FIELDS, LEVELS, SOUNDS
from samplemind.library.keys import Key
from samplemind.library.model import Audio, File
from samplemind.library.query import MAX_ALTERNATIVES, MAX_LENGTH, MAX_TERMS, SORTABLE, Query, QueryError, Sort, parse
from samplemind.library.values import Below, Days, Glob, Interval, Prefix, Text, Unknown, Value, Within
from tests.conftest import REPOSITORY

A_MINOR, C_MAJOR = Key(9, minor=True), Key(0, minor=False)


def values(query: str) -> tuple[Value, ...]:
    (term,) = parse(query).terms
    return term.alternatives


def finds(query: str, number: float) -> bool:
    """Whether a term of numbers has this one."""
    return any(number in interval for interval in values(query) if isinstance(interval, Interval))


def error(query: str) -> str:
    with pytest.raises(QueryError) as raised:
        parse(query)
    return str(raised.value)


# Terms.


def test_the_parts_of_a_query() -> None:
    query = parse('kind:loop tempo:120..126 key:Am,C loudness:>-14 -tag:used warm pads "exact words" sort:-tempo')
    assert [(term.field, term.negated, term.alternatives) for term in query.terms] == [
        ("kind", False, (Text("loop"),)),
        ("tempo", False, (Interval(120, 126),)),
        ("key", False, (A_MINOR, C_MAJOR)),
        ("loudness", False, (Interval(low=-14, low_open=True),)),
        ("tag", True, (Text("used"),)),
        ("word", False, (Prefix("warm"),)),
        ("word", False, (Prefix("pads"),)),
        ("word", False, (Text("exact words"),)),
    ]
    assert query.sort == Sort("tempo", descending=True)


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_query_asks_for_everything(text: str) -> None:
    assert parse(text) == Query((), None)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("  Tempo:124   KICK ", "tempo:124 KICK"),
        ("sort:-Added kick", "kick sort:-added"),
        ('-TAG:"a ""b"", c",d', '-tag:"a ""b"", c",d'),
    ],
)
def test_the_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


def test_quotes_keep_spaces_commas_colons_and_quotes() -> None:
    assert values('tag:"to do, ""later"": no",used') == (Text('to do, "later": no'), Text("used"))


def test_a_value_is_there_once() -> None:
    assert values("key:Am,8A,1m") == (A_MINOR,)


def test_a_question_mark_is_unknown_unless_it_is_quoted() -> None:
    assert values("tag:?") == (Unknown(),)
    assert values('tag:"?"') == (Text("?"),)
    assert values("key:?,Am") == (Unknown(), A_MINOR)


# Numbers.


@pytest.mark.parametrize(
    ("query", "found", "not_found"),
    [
        ("tempo:124", [123.5, 124, 124.49], [123.49, 124.5]),
        ("tempo:124.5", [124.45, 124.549], [124.44, 124.55]),
        ("loudness:-14", [-14.5, -13.51], [-14.51, -13.5]),
        ("tempo:120..126", [120, 126], [119.99, 126.01]),
        ("loudness:-14..-20", [-20, -14], [-20.1, -13.9]),
        ("tempo:120..", [120, 1e6], [119.9]),
        ("tempo:..120", [0, 120], [120.1]),
        ("tempo:>120", [120.01], [120]),
        ("tempo:>=120", [120], [119.99]),
        ("tempo:<120", [119.99], [120]),
        ("tempo:<=120", [120], [120.01]),
        ("tempo:90,>120", [90, 121], [91, 120]),
        ("tempo:~124", [121.6, 126.4, 60.8, 63.2, 243.1, 252.9], [121.5, 126.5, 60.7, 63.3, 186, 243, 253]),
        ("loudness:~-14", [-15, -13], [-15.1, -12.9]),
        ("duration:~2", [1.8, 2.2], [1.79, 2.21]),
        ("tempo:124bpm", [124], [125]),
        ("loudness:-14LUFS", [-14], [-13]),
        ("duration:500ms", [0.4996, 0.5004], [0.4994, 0.5006]),
        ("duration:1.5s", [1.45, 1.54], [1.44, 1.56]),
        ("duration:2m..3min", [120, 180], [119, 181]),
        ("duration:1:30", [89.5, 90.4], [89.4, 90.5]),
        ("duration:1:02:30.5", [3750.5], [3750.4, 3750.6]),
        ("duration:>1h", [3601], [3600]),
        ("rate:44.1k", [44100], [44000, 48000]),
        ("rate:44100", [44100], [44101]),
        ("size:<10M", [9_999_999], [10_000_000]),
        ("size:500k", [500_400], [500_500]),
        ("channels:mono,2", [1, 2], [3]),
        ("bits:24", [24], [16, 25]),
        ("harmonic:>80%", [0.81], [0.8]),
        ("attack:5ms", [0.005], [0.006]),
        ("root:C3", [48], [47, 49, 60]),
        ("root:C4", [60], [59, 61]),
        ("root:Bb2", [46], [45, 47]),
        ("root:F#", [42, 54, 66], [41, 43]),
        ("root:C2..C4", [36, 60], [35, 61]),
    ],
)
def test_numbers(query: str, found: list[float], not_found: list[float]) -> None:
    assert [number for number in found if not finds(query, number)] == []
    assert [number for number in not_found if finds(query, number)] == []


@given(st.decimals(-1000, 1000, places=3), st.integers(0, 3))
def test_a_number_is_found_by_itself_with_fewer_digits(number: Decimal, places: int) -> None:
    assume(abs(number.scaleb(places) % 1) != Decimal("0.5"))  # Python rounds a tie to the even digit
    assert finds(f"loudness:{number:.{places}f}", float(number))


@given(st.decimals(-1000, 1000, places=2), st.floats(-1000, 1000))
def test_comparisons_divide_the_numbers(bound: Decimal, number: float) -> None:
    assert finds(f"loudness:>{bound}", number) != finds(f"loudness:<={bound}", number)
    assert finds(f"loudness:>={bound}", number) != finds(f"loudness:<{bound}", number)


# Keys, dates and words.


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("key:Am", "8A"),
        ("key:8A", "8A"),
        ("key:1m", "8A"),
        ('key:"F# minor"', "11A"),
        ("key:~8A", "7A 8A 9A 8B"),
        ("key:~1B,1A", "12B 1B 2B 1A"),
        ("key:minor", " ".join(f"{hour}A" for hour in range(1, 13))),
        ("key:Major", " ".join(f"{hour}B" for hour in range(1, 13))),
    ],
)
def test_keys(query: str, codes: str) -> None:
    assert {key.camelot for key in values(query) if isinstance(key, Key)} == set(codes.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", Within(7 * 86_400)),
        ("24h", Within(86_400)),
        ("2w", Within(14 * 86_400)),
        ("2026-01-31", Days(date(2026, 1, 31), date(2026, 1, 31))),
        ("2028-02", Days(date(2028, 2, 1), date(2028, 2, 29))),
        ("2026", Days(date(2026, 1, 1), date(2026, 12, 31))),
        (">2026-01-31", Days(first=date(2026, 2, 1))),
        (">=2026-01", Days(first=date(2026, 1, 1))),
        ("<2026", Days(last=date(2025, 12, 31))),
        ("<=2026-01", Days(last=date(2026, 1, 31))),
        ("2026-03..2026-01-15", Days(date(2026, 1, 15), date(2026, 3, 31))),
        ("2025..", Days(first=date(2025, 1, 1))),
        ("..2025", Days(last=date(2025, 12, 31))),
    ],
)
def test_dates(text: str, expected: Days | Within) -> None:
    assert values(f"added:{text}") == (expected,)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind:OneShot", Text("one-shot")),
        ("sound:Kick", Text("kick")),
        ("sound:hi-hats", Text("hat")),
        ('sound:"Open Hat"', Text("open hat")),
        ("format:.WAV", Text("wav")),
        ("format:m4a", Text("mov")),
        ("tag:Used", Text("Used")),
        ("name:*kick*", Glob("*kick*")),
        ("name:?", Glob("?")),
        ('name:"my kick*"', Glob("my kick*")),
        ("path:Drums/Kicks/", Below("Drums/Kicks")),
        ("path:C:/Sounds", Below("C:/Sounds")),
        ("path:*kicks*", Glob("*kicks*")),
        ("id:3F9A", Prefix("3f9a")),
        ("level:detailed", Text("detailed")),
        ("is:missing", Text("missing")),
        ("rock'n'roll", Prefix("rock'n'roll")),
        ('"12:30"', Text("12:30")),
    ],
)
def test_words(query: str, expected: Value) -> None:
    assert values(query) == (expected,)


# Errors.


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("kind:loop temppo:120", 'column 11: "temppo" is no field: did you mean tempo?'),
        ("-12:30", 'column 2: "12" is no field: possible are word, name, path,'),
        ("a :b", 'column 3: "" is no field: possible are'),
        (
            "tempo:120-126",
            'column 7: "120-126" is no value of tempo: write it like 124, 120..126, >140, ~124, ?',
        ),
        ("kind:loop,trakc", 'column 11: "trakc" is no value of kind: did you mean track?'),
        ("is:gone", 'column 4: "gone" is no value of is: possible are missing, any, corrected, duplicate, tagged'),
        ("sort:tmpo", 'column 6: "tmpo" is no order: did you mean tempo?'),
        ("sort:path", 'column 6: "path" is no order: possible are name, tempo, '),
        ("-sort:tempo", "column 1: sort takes one field"),
        ("sort:tempo,key", "column 1: sort takes one field"),
        ("sort:tempo sort:key", "column 12: a second sort"),
        ("tempo: 120", "column 7: a value is missing"),
        ("tempo:120,,124", "column 11: a value is missing"),
        ("tempo:120,", "column 11: a value is missing"),
        ("kick -", "column 7: a value is missing"),
        ('tag:""', "column 5: a value is missing"),
        ('kick "snare', "column 6: quotes go around a whole value"),
        ('tag:a"b"', "column 5: quotes go around a whole value"),
        ('tag:"a"b', "column 5: quotes go around a whole value"),
        ("kick \x00", "column 6: '\\x00' can't be searched for"),
        ("kick\udcff", "column 5: '\\udcff' can't be searched for"),
    ],
)
def test_errors_say_where_and_what_is_possible(query: str, message: str) -> None:
    assert error(query).startswith(message)


NO_VALUES = """
    tempo:1e999 tempo:nan tempo:inf tempo:1e3 tempo:9999999999999999 tempo:fast tempo:.. tempo:1...5 tempo:> tempo:>~1
    tempo:>1..2 tempo:..1..2 tempo:124lufs tempo:.5 tempo:5. tempo:١٢٤ tempo:"?" duration:1:75 duration:-1:30 duration:?
    channels:~2 key:H key:13A key:~minor root:H root:C10 root:>C added:~2026 added:2026-13 added:2026-02-30 added:>7d
    added:20260131 added:0000 added:1..2 id:3f9 id:xyzw id:? path:/ *kick* kick,tempo:120 ! "!" size:?
"""


@pytest.mark.parametrize("query", [*NO_VALUES.split(), 'tag:" "'])
def test_what_is_no_value(query: str) -> None:
    assert re.match(r'column \d+: ".+" is no value of \w+: ', error(query))


def test_a_message_repeats_no_more_than_can_be_read() -> None:
    assert f'"{"x" * 39}…" is no field' in error("x" * 900 + ":1")


def test_limits() -> None:
    assert len(parse("k" * MAX_LENGTH).terms) == 1
    assert error("k" * (MAX_LENGTH + 1)).startswith(f"column {MAX_LENGTH + 1}: ")
    assert len(parse("k " * MAX_TERMS).terms) == MAX_TERMS
    assert error("k " * MAX_TERMS + "kick") == f"column {2 * MAX_TERMS + 1}: a query has at most {MAX_TERMS} terms"
    twelve = "key:minor "
    most = MAX_ALTERNATIVES // 12
    assert len(parse(twelve * most).terms) == most
    assert error(twelve * (most + 1)).startswith(f"column {len(twelve) * most + 1}: the values of a query")


# Whatever the text.

PIECES = st.sampled_from(
    [*FIELDS, "sort", "SORT", "no"]
    + [example for field in FIELDS.values() for example in field.examples]
    + [*':-,"?*~<>=. \t\n\x00\ud800ß', "..", '""', ">=", "name", "-added", "1e9", "1:30"]
)
"""What queries are made of, and what they are not."""
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(PIECES, max_size=30).map("".join),
    st.lists(st.tuples(st.sampled_from(["", "-"]), st.sampled_from(sorted(FIELDS)), st.text(max_size=8))).map(
        lambda terms: " ".join(f'{minus}{field}:"{text}"' for minus, field, text in terms)
    ),
)


@given(TEXTS)
@example("word:kick kick")
@example('tag:"a\nb"\x1fkick')
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        query = parse(text)
    except QueryError as refused:
        column = refused.column
    else:
        column = 1
        assert parse(str(query)) == query
        assert len(str(query)) <= len(text)
        assert all(term.alternatives for term in query.terms)
    assert 1 <= column <= len(text) + 1


VALID_TERMS = st.sampled_from(
    [f"{field.name}:{value}" for field in FIELDS.values() for value in field.examples] + ["kick", '"deep house"']
)


@given(st.lists(st.tuples(st.booleans(), VALID_TERMS), max_size=12), st.sampled_from(SORTABLE), st.integers(0, 12))
def test_terms_mean_the_same_beside_others(terms: list[tuple[bool, str]], order: str, at: int) -> None:
    alone = [f"{'-' * negated}{term}" for negated, term in terms]
    together = parse(" ".join([*alone[:at], f"sort:{order}", *alone[at:]]))
    assert together == Query(tuple(parse(term).terms[0] for term in alone), Sort(order, descending=False))


# The table of fields.


def test_every_column_is_one() -> None:
    columns = [field.column for field in FIELDS.values() if field.column is not None]
    assert [name for name in columns if not (hasattr(Audio, name) or hasattr(File, name))] == []
    assert [name for name in SORTABLE if not hasattr(Audio, FIELDS[name].column or "")] == []


def test_the_levels_are_those_of_analyses() -> None:
    assert tuple(AnalysisLevel) == LEVELS


def test_unknown_is_an_example_where_it_is_a_value() -> None:
    assert [field.name for field in FIELDS.values() if field.optional != ("?" in field.examples)] == []


def test_the_page_has_the_fields_and_limits() -> None:
    page = (REPOSITORY / "docs" / "search.md").read_text(encoding="utf-8")
    rows = [
        f"| `{field.name}` | {field.about} | {field.unit or '–'} | `{'` `'.join(field.examples)}` |"
        for field in FIELDS.values()
    ]
    head = "| field | what it is | unit | values |\n|---|---|---|---|\n"
    assert page.partition(head)[2].partition("\n\n")[0].splitlines() == rows
    text = " ".join(page.split())
    assert f"A sound is one of {', '.join(SOUNDS)}." in text
    assert f"Sort by one of {', '.join(f'`{name}`' for name in SORTABLE)}." in text
    assert f"at most {MAX_LENGTH:,} characters and {MAX_TERMS} terms" in text
    assert f"at most {MAX_ALTERNATIVES}:" in text


def test_the_examples_of_the_page_work() -> None:
    page = (REPOSITORY / "docs" / "search.md").read_text(encoding="utf-8")
    queries = re.findall(r"`(-?[a-z]+:[^`]+)`", page)
    assert len(queries) > 15
    parse(page.partition("```\n")[2].partition("\n")[0])
    for query in queries:
        parse(query)
    for message in re.findall(r"^column .*", page, re.MULTILINE):
        assert message in {error("kind:loop temppo:120"), error("tempo:120-126")}
