"""Words of names: what a search finds a file by.

A name gives more words than it is written with, a query fewer, so that both spellings of a thing meet: "TR909_HardKick"
is found by tr909, tr-909, 909, hardkick, HardKick, "hard kick", and by the beginning of each.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

MAX_WORDS: Final = 64
"""Of one text. A path of the usual length has fewer than 30."""
MAX_LENGTH: Final = 64
"""Characters of one word; longer ones are cut, in names and queries alike, so that they still match."""


def words(text: str) -> tuple[str, ...]:
    """The words that a name is found by, in their order, none twice.

    Case and accents don't count. A run of letters and digits is a word, and so are the letters and the digits in it,
    and the parts of camelCase: "HardKick01" gives hardkick01, hardkick, hard, kick, 01.
    """
    return _distinct(word for run in _runs(text) for word in (run, *_of_one_kind(run), *_parts(run)))


def query_words(text: str) -> tuple[str, ...]:
    """The words that a name must have, each at least as a beginning, to be found by a text.

    Runs are split where letters meet digits, but not at camelCase: whoever types "HardKick" and "hardkick" means the
    same. What is found by its own name stays so: these are always among the `words` of the same text.
    """
    return _distinct(word for run in _runs(text) for word in _of_one_kind(run))


@functools.lru_cache(maxsize=1024)  # the same folders come again with every file
def parts(text: str) -> tuple[str, ...]:
    """The smallest words of a name, in their order: "TR909_HardKick" gives tr, 909, hard, kick."""
    return tuple(_folded(part) for run in _runs(text) for part in _parts(run))


def _distinct(spelled: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for word in spelled:
        found[_folded(word)[:MAX_LENGTH]] = None
        if len(found) == MAX_WORDS:
            break
    return tuple(found)


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", word.casefold())


def _runs(text: str) -> Iterator[str]:
    """Runs of letters and digits, without accents, their case as written."""
    bare = "".join(each for each in unicodedata.normalize("NFKD", text) if not _is_accent(each))
    # Composed again, or a Korean syllable would be found by its first consonant.
    for is_word, run in itertools.groupby(unicodedata.normalize("NFC", bare), _in_word):
        if is_word:
            yield "".join(run)


def _is_accent(character: str) -> bool:
    """Whether it is a mark on a Latin, Greek or Cyrillic letter; those of other scripts are part of the spelling."""
    return "\u0300" <= character <= "\u036f"


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _of_one_kind(run: str) -> Iterator[str]:
    """Its letters and its numbers."""
    return ("".join(part) for _, part in itertools.groupby(run, str.isdecimal))


def _parts(run: str) -> Iterator[str]:
    """Its letters and numbers, the letters split as in HardKick and DXClap."""
    for part in _of_one_kind(run):
        start = 0
        for end in range(1, len(part)):
            before, letter, after = part[end - 1], part[end], part[end + 1 : end + 2]
            if letter.isupper() and (before.islower() or (before.isupper() and after.islower())):
                yield part[start:end]
                start = end
        yield part[start:]
