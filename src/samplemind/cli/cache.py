"""``samplemind cache``: what is remembered; checking it, forgetting it, taking it elsewhere."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samplemind.cli.report import size
from samplemind.cli.sink import replaced
from samplemind.cli.terminal import FAILED, printable
from samplemind.cli.units import parsed_size, parsed_span
from samplemind.errors import SettingsError

if TYPE_CHECKING:
    from samplemind.cache import Tier
    from samplemind.settings import Settings

app = typer.Typer(help="Look into the cache, or take care of it.", no_args_is_help=True, rich_markup_mode=None)


class Format(enum.StrEnum):
    """How facts are printed."""

    TEXT = "text"
    JSON = "json"
    PROMETHEUS = "prometheus"


class Kept(enum.StrEnum):
    """Where entries are kept that outlive a process."""

    DISK = "disk"
    REDIS = "redis"


class Cleared(enum.StrEnum):
    """What can be emptied."""

    DISK = "disk"
    REDIS = "redis"
    ALL = "all"


Which = Annotated[Kept, typer.Option("--tier", help="The file of your own, or the Redis that others share.")]


@app.command()
def info(
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
) -> None:
    """Show what the cache holds, and what it saved all processes together."""
    from samplemind.cli.cache_facts import cache_facts

    with opened() as kept:  # a file that can't be used is an error here, where analysis goes on without it
        kept.tier.state()
    facts = cache_facts()
    match form:
        case Format.TEXT:
            print(facts.text())
        case Format.JSON:
            print(facts.json())
        case Format.PROMETHEUS:
            print(facts.prometheus(), end="")
    if not facts.complete:
        raise typer.Exit(FAILED)


@app.command()
def verify(tier: Which = Kept.DISK) -> None:
    """Read every entry, and remove the damaged ones.

    print(f"the file was damaged ({checked.fault}): begun anew with what could be read")
    """
    from samplemind.cache import portable

    with opened(tier) as kept:
        checked = portable.verify(kept.tier)
    print(f"{_entries(checked.entries)} read in {kept.place}: {checked.damaged:,} damaged and removed")
    if checked.fault is not None:
        print(f"the file was damaged ({checked.fault}): begun anew with what could be read")
    if checked.damaged or checked.fault is not None:
        raise typer.Exit(FAILED)


@app.command()
def prune(
    *,
    max_size: Annotated[
        int | None,
        typer.Option(parser=parsed_size, metavar="SIZE", help="Keep so much: 500M, 1.5GiB, 4096 (bytes)."),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(parser=parsed_span, metavar="TIME", help="Keep what was used since: 90d, 12h, 2w."),
    ] = None,
    tier: Which = Kept.DISK,
) -> None:
    """Remove what is old, or too much.

    What was not used for some time goes first, then what was unused for longest, until little enough is left.
    """
    if max_size is None and older_than is None:
        raise typer.BadParameter("say how much to keep, or how old", param_hint="--max-size, --older-than")
    with opened(tier) as kept:
        removed = kept.tier.prune(max_bytes=max_size, unused_s=older_than)
        left = kept.tier.state()
    print(f"{_entries(removed)} removed from {kept.place}; {left.entries:,} left, {size(left.bytes)}")


@app.command()
def clear(
    tier: Annotated[Cleared, typer.Option(help="Your own file, the Redis that others share, or both.")] = Cleared.DISK,
) -> None:
    """Forget everything. What is analysed later is computed anew."""
    from samplemind.settings import load_settings

    every = [Kept.DISK, Kept.REDIS] if load_settings().redis_url is not None else [Kept.DISK]
    for each in every if tier is Cleared.ALL else [Kept(tier.value)]:
        with opened(each) as kept:
            count = kept.tier.clear()
        print(f"{_entries(count)} removed from {kept.place}")


@app.command("export")
def export_(file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")]) -> None:
    """Write all answers to a file, for another machine.

    What is true of this machine's files only is left out. Others may use the cache meanwhile.
    """
    from samplemind.cache import portable

    _check_target(file)
    with opened() as kept, replaced(file) as out:
        exported = portable.export_entries(kept.tier, out)
    damaged = f"; {exported.damaged:,} damaged and left out" if exported.damaged else ""
    print(f"{_entries(exported.entries)} written to {printable(str(file))}{damaged}")
    if exported.damaged:
        raise typer.Exit(FAILED)


@app.command("import")
def import_(file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that was exported.")]) -> None:
    """Add the answers of an exported file.

    What is known here already stays as it is. An answer is believed as it stands: import what you trust.
    """
    from samplemind.cache import portable

    try:
        opened_file = file.open("rb")
    except OSError as error:
        raise OSError(f"{file}: {error.strerror}") from None
    with opened_file as source, opened() as kept:
        dropped = kept.tier.state().evictions
        try:
            imported = portable.import_entries(source, kept.tier)
        except ValueError as error:
            raise OSError(f"{file}: {error}") from None
        dropped = kept.tier.state().evictions - dropped
    print(f"{_entries(imported.added)} added to {kept.place}; {imported.present:,} were there already")
    if dropped:
        print(f"{_entries(dropped)} dropped meanwhile: the cache is full (cache_max_bytes)")
    if imported.damaged:
        print(f"{_entries(imported.damaged)} damaged and left out")
    if not imported.complete:
        raise OSError(f"{file}: cut off or damaged: it does not hold what was exported")
    if imported.damaged:
        raise typer.Exit(FAILED)


@dataclass(frozen=True)
class _Place:
    """A tier that is open, and where it is, for people."""

    tier: Tier
    place: str


@contextlib.contextmanager
def opened(kept: Kept = Kept.DISK) -> Iterator[_Place]:
    """The user's cache file, which need not be there yet, or the Redis that is set.

    Raises:
        OSError: it can't be used, or not made.
        SettingsError: no Redis is set.
    """
    import sqlite3

    from samplemind.settings import load_settings

    settings = load_settings()
    place = _redis(settings) if kept is Kept.REDIS else _disk(settings)
    try:
        with contextlib.closing(place.tier):
            yield place
    except sqlite3.Error as error:
        raise OSError(f"the cache in {settings.cache_folder}: {error}") from None


def _disk(settings: Settings) -> _Place:
    from samplemind.cache import FILE_NAME, DiskTier

    path = settings.cache_folder / FILE_NAME
    if not path.exists():
        require_writable(path.parent)
    return _Place(DiskTier(path, settings.cache_max_bytes), printable(str(path)))


def _redis(settings: Settings) -> _Place:
    if settings.redis_url is None:
        raise SettingsError("no Redis is set: it is SAMPLEMIND_REDIS_URL, or redis_url in samplemind.toml")
    from samplemind.cache.redis import RedisTier, shown

    return _Place(RedisTier(settings.redis_url), printable(shown(settings.redis_url)))


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


def _check_target(path: Path) -> None:
    """Refuse what can't be written, and never write over anything but an earlier export."""
    from samplemind.cache.portable import check_head

    if path.is_dir() or not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"{path} can't be written: its folder is missing or it is one", param_hint="FILE")
    if path.is_file() and path.stat().st_size:
        try:
            with path.open("rb") as file:
                check_head(file)
        except ValueError:
            raise typer.BadParameter(f"{path} is there already, and not an export", param_hint="FILE") from None


def _entries(count: int) -> str:
    return f"{count:,} {'entry' if count == 1 else 'entries'}"
