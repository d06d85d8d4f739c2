"""The library that the settings name."""

from __future__ import annotations

from samplemind.library.database import FILE_NAME, Database
from samplemind.settings import Settings


def open_database(settings: Settings) -> Database:
    """The database of the library, to be closed; it is made when it is first used.

    Raises:
        LibraryError: the address is none, or what it needs is not installed.
    """
    return Database(settings.library_url or settings.data_folder / FILE_NAME)
