"""The user's library, for a command."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from samplemind.errors import NotInLibraryError

if TYPE_CHECKING:
    from samplemind.library.database import Database


@contextlib.contextmanager
def opened_library(*, made: bool = False) -> Iterator[Database]:
    """The library that the settings name.

    Args:
        made: make it if there is none.

    Raises:
        NotInLibraryError: there is none. Looking makes no file.
        LibraryError: it can't be used.
    """
    from samplemind.library.opening import open_database
    from samplemind.settings import load_settings

    with contextlib.closing(open_database(load_settings())) as database:
        if not (database.exists() or made):
            raise NotInLibraryError(f"there is no library yet: samplemind scan FOLDER makes {database.path}")
        yield database


def counted(count: int, noun: str) -> str:
    """A number of things, in words."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def sounds(count: int) -> str:
    """A number of sounds, in words."""
    return counted(count, "sound")
