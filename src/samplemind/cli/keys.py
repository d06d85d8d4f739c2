"""``samplemind keys``: who may use the service."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from samplemind.cli.outputs import Format
from samplemind.cli.rows import Column, print_records
from samplemind.cli.serve import DataDir
from samplemind.service.identity import Scope

if TYPE_CHECKING:
    from samplemind.library.database import Database

app = typer.Typer(help="Say who may use the service.", no_args_is_help=True, rich_markup_mode=None)

_DAY: Final = "%Y-%m-%d %H:%M"


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it: who has it, or what uses it.")],
    scope: Annotated[Scope, typer.Option(help="What it is good for.")] = Scope.WRITE,
    data_dir: DataDir = None,
) -> None:
    """Make a key, and print it: this once, for only a digest of it is kept."""
    from samplemind.service import keys

    with _database(data_dir) as database, database.writing() as session:
        key = keys.create(session, name, scope, time.time())
    print(key.text)


@app.command("list")
def list_(
    form: Annotated[Format, typer.Option("--format", help="How to print the list.")] = Format.TABLE,
    data_dir: DataDir = None,
) -> None:
    """Show all keys: their ids and names, and nothing by which they could be used."""
    from samplemind.service import keys

    with _database(data_dir) as database, database.reading() as session:
        print_records(keys.KnownKey, iter(keys.listed(session)), _COLUMNS, form)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As samplemind keys list shows it.")],
    data_dir: DataDir = None,
) -> None:
    """Revoke a key, and sign out the browsers that showed it.

    Exit status: 0 done, 2 there is no valid key of this id.
    """
    from samplemind.service import keys

    with _database(data_dir) as database, database.writing() as session:
        keys.revoke(session, key_id, time.time())
    print(f"{key_id}: revoked")


@contextlib.contextmanager
def _database(data_dir: Any) -> Iterator[Database]:
    from samplemind.library.opening import open_database
    from samplemind.settings import load_settings

    with contextlib.closing(open_database(load_settings(data_dir=data_dir))) as database:
        yield database


def _day(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime(_DAY, time.localtime(seconds))


_COLUMNS: Final = (
    Column("id", lambda each: each.id, 12),
    Column("scope", lambda each: str(each.scope), 6),
    Column("made", lambda each: _day(each.created_at), 16),
    Column("revoked", lambda each: _day(each.revoked_at), 16),
    Column("name", lambda each: each.name),
)
