"""Names of tags and collections, in the one form that the library has them in."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from samplemind.errors import LibraryValueError

MAX_LENGTH: Final = 64
"""Characters; what is longer is a description."""


def label(text: str) -> str:
    """The name that a text means: in small letters, with single spaces. A query can say every such name.

    Raises:
        LibraryValueError: it can't be a name.
    """
    name = " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower()).split())
    if not any(map(str.isalnum, name)):
        reason = "a name has a letter or a digit"
    elif len(name) > MAX_LENGTH:
        reason = f"a name has at most {MAX_LENGTH} characters"
    elif name.startswith("-"):
        reason = "a name begins with no -, which would be an option, or no in a query"
    elif set(name) & set(',"') or not name.isprintable():
        reason = "a name has no commas, no double quotes and nothing that can't be printed"
    else:
        return name
    raise LibraryValueError(f"{text!a} can't be a name: {reason}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is none: asks about the nearest that is one, if any is near."""
    nearest = get_close_matches(name, list(known), n=1)
    return f": did you mean {nearest[0]}?" if nearest else ""
