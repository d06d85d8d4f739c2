"""What all commands share: how they end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from samplemind.cli.sink import silence
from samplemind.cli.terminal import BROKEN_PIPE, FAILED, INTERRUPTED, USAGE, complain
from samplemind.errors import AnalysisError, LibraryError, SampleMindError


class Commands(TyperGroup):
    """Commands that end alike, also where they only print help or the version."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the arguments. Help and version are printed here."""
        with _ended_well():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _ended_well():
            return super().invoke(ctx)


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
