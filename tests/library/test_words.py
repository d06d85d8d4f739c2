from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samplemind.library.words import MAX_LENGTH, MAX_WORDS, parts, query_words, words


def finds(query: str, name: str) -> bool:
    """As the library searches: every word of the query begins a word of the name."""
    asked = query_words(query)
    return bool(asked) and all(any(word.startswith(each) for word in words(name)) for each in asked)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tr909", ("tr909", "tr", "909")),
        ("HardKick", ("hardkick", "hard", "kick")),
        ("HardKick01", ("hardkick01", "hardkick", "01", "hard", "kick")),
        ("TR909_HardKick.wav", ("tr909", "tr", "909", "hardkick", "hard", "kick", "wav")),
        ("DXClap", ("dxclap", "dx", "clap")),
        ("Café", ("cafe",)),
        ("Cafe\u0301", ("cafe",)),
        ("kick KICK Kick", ("kick",)),
        ("Drums/Kicks - 01", ("drums", "kicks", "01")),
        ("Straße", ("strasse",)),
        ("Ｆｕｌｌ", ("full",)),  # noqa: RUF001 - letters as wide as Chinese ones
        ("Ударные Ёж", ("ударные", "еж")),
        ("キック・ガガ", ("キック", "ガガ")),
        ("한국 드럼", ("한국", "드럼")),
        ("हिन्दी गीत", ("हिन्दी", "गीत")),
        ("ไทย", ("ไทย",)),
        ("طبل عربي", ("طبل", "عربي")),
        ("", ()),
        ("_-.,/ \udcff\ue000", ()),
    ],
)
def test_words(text: str, expected: tuple[str, ...]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    "query",
    ["hardkick", "HardKick", "HARDKICK", "hard kick", "kick hard", "909", "tr909", "tr-909", "TR 909", "ha ki 9"],
)
def test_spellings_that_find_a_name(query: str) -> None:
    assert finds(query, "TR909_HardKick.wav")


@pytest.mark.parametrize("query", ["ard", "snare", "hard snare", "808", "kickhard", "", "-"])
def test_spellings_that_do_not_find_it(query: str) -> None:
    assert not finds(query, "TR909_HardKick.wav")


@pytest.mark.parametrize("name", ["TR-909 Kick.wav", "TR909 Kick.wav", "tr_909_kick.wav"])
@pytest.mark.parametrize("query", ["tr909", "TR-909", "909 kick"])
def test_a_number_joined_or_apart(name: str, query: str) -> None:
    assert finds(query, name)


def test_parts_keep_their_order_and_repetitions() -> None:
    assert parts("Kick_TR909HardKick") == ("kick", "tr", "909", "hard", "kick")


@given(st.text(max_size=60))
def test_every_name_is_found_by_itself(name: str) -> None:
    assert set(query_words(name)) <= set(words(name))


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_case_does_not_matter_to_queries(name: str) -> None:
    assert query_words(name) == query_words(name.swapcase())


@given(st.text(max_size=60))
def test_words_are_distinct_and_nothing_but_letters_and_digits(name: str) -> None:
    found = words(name)
    assert len(set(found)) == len(found)
    assert all(word and not set(word) & set(" _-./\\%*?'\"") for word in found)


def test_count_and_length_are_bounded_and_long_words_still_found() -> None:
    assert len(words(" ".join(f"w{number}" for number in range(1000)))) == MAX_WORDS
    long = "x" * 1000
    assert words(long) == ("x" * MAX_LENGTH,)
    assert finds(long, long)
