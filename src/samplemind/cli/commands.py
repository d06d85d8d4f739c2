"""Which commands there are, and what they share: how they end."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import typer
import typer.main
from typer.core import TyperGroup

from samplemind.cli.sink import silence
from samplemind.cli.terminal import BROKEN_PIPE, FAILED, INTERRUPTED, USAGE, complain
from samplemind.errors import AnalysisError, LibraryError, SampleMindError

COMMANDS: Final[Mapping[str, str]] = {
    "analyze": "analyze:analyze",
    "scan": "scan:scan",
    "watch": "scan:watch",
    "separate": "separate:separate",
    "explain": "explain:explain",
    "doctor": "doctor:doctor",
    "demo": "demo:demo",
    "search": "search:search",
    "set": "set:set_",
    "tag": "tag:tag",
    "audit": "audit:audit",
    "serve": "serve:serve",
    "collection": "collection:app",
    "library": "library:app",
    "keys": "keys:app",
    "cache": "cache:app",
    "bench": "bench:app",
}
"""Commands in the order of the help: the module of this package that has each, and the function or group in it."""


class Commands(TyperGroup):
    """Commands that are imported when they are asked for, and end alike, also where they only print help."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name. For a name that there is not all are imported: one of them may be meant."""
        for name in [cmd_name] if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                self.commands[name] = _imported(name)
        return super().get_command(ctx, cmd_name)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the arguments. Help and version are printed here."""
        with _ended_well():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        from samplemind.dsp.compiled import before_compiling

        before_compiling(_say_so)
        with _ended_well():
            return super().invoke(ctx)


def _imported(name: str) -> Any:
    """A command, made of the function or group that its module has; the module's `SETTINGS` are the command's."""
    place, _, attribute = COMMANDS[name].partition(":")
    module = importlib.import_module(f"samplemind.cli.{place}")
    found = getattr(module, attribute)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
        return typer.main.get_group(app).commands[name]
    app.command(name, context_settings=getattr(module, "SETTINGS", None))(found)
    return typer.main.get_command(app)


def _say_so() -> None:
    complain("compiling for this machine, once: it takes some seconds; `samplemind doctor --warm` does it ahead")


@contextlib.contextmanager
def _ended_well() -> Iterator[None]:
    """Make errors that nobody handled one line on standard error, with the exit status that fits."""
    try:
        try:
            yield
        finally:
            _flush()
    except BrokenPipeError:  # whoever read has seen enough
        raise typer.Exit(BROKEN_PIPE) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except (AnalysisError, LibraryError, OSError) as error:
        complain(str(error))
        raise typer.Exit(FAILED) from None
    except SampleMindError as error:
        complain(str(error))
        raise typer.Exit(USAGE) from None


def _flush() -> None:
    """Write out what is buffered: what can't be written fails here, and not again when Python ends."""
    try:
        sys.stdout.flush()
    except OSError as error:
        silence()
        raise OSError(error.errno, error.strerror, "standard output") from None
