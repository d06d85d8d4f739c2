"""``samplemind cache``: what is remembered, and forgetting it."""

from __future__ import annotations

import contextlib
import enum
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samplemind.cli.report import size
from samplemind.cli.terminal import printable

if TYPE_CHECKING:
    from samplemind.cache import DiskTier

app = typer.Typer(help="Look into the cache, or empty it.", no_args_is_help=True, rich_markup_mode=None)


class Format(enum.StrEnum):
    """How facts are printed."""

    TEXT = "text"
    JSON = "json"


@app.command()
def info(
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
) -> None:
    """Show where the cache is and how much it holds."""
    with opened() as disk:
        entries, used = disk.size()
    if form is Format.JSON:
        facts = {"file": str(disk.path), "entries": entries, "bytes": used, "max_bytes": disk.max_bytes}
        print(json.dumps(facts, indent=2))
    else:
        print(f"file     {printable(str(disk.path))}")
        print(f"entries  {entries:,}")
        print(f"size     {size(used)} of {size(disk.max_bytes)}")


@app.command()
def clear() -> None:
    """Forget everything. What is analysed later is computed anew."""
    with opened() as disk:
        count = disk.clear()
    print(f"{count:,} {'entry' if count == 1 else 'entries'} removed from {printable(str(disk.path))}")


@contextlib.contextmanager
def opened() -> Iterator[DiskTier]:
    """The user's cache file, which need not be there yet.

    Raises:
        OSError: it can't be used, or not made.
    """
    import sqlite3

    from samplemind.cache import DiskTier
    from samplemind.settings import load_settings

    settings = load_settings()
    disk = DiskTier(settings.cache_folder / "cache.sqlite", settings.cache_max_bytes)
    if not disk.path.exists():
        require_writable(disk.path.parent)
    try:
        with contextlib.closing(disk):
            yield disk
    except sqlite3.Error as error:
        raise OSError(f"the cache in {disk.path.parent}: {error}") from None


def require_writable(folder: Path) -> None:
    """Refuse a folder that nothing can be written to, or that can't be made. Nothing is left there.

    Raises:
        OSError: with the folder and the reason.
    """
    import tempfile

    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise OSError(f"{folder}: {error.strerror}") from None
