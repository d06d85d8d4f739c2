"""The command ``samplemind``: prints what the library finds out, and decides nothing.

One module a command. It is imported when its command is asked for, and imports what it needs when that runs:
``samplemind --version`` costs what Typer does.
"""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Annotated, Final

import typer

from samplemind.cli.commands import Commands
from samplemind.cli.terminal import TERMINATED, prepare_streams, show_warning
from samplemind.version import __version__

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_AGAIN_S: Final = 0.01
"""Seconds after which an interrupt comes again that nobody could hear."""

# Plain help and plain errors: they read well, and Rich takes longer to import than all else here together.
app = typer.Typer(
    name="samplemind",
    cls=Commands,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"samplemind {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _samplemind(
    context: typer.Context,
    version: Annotated[  # its callback does the work
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Understand sound files: tempo, key, loudness and timbre of any audio."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Run the command line."""
    prepare_streams()
    warnings.showwarning = show_warning
    sys.unraisablehook = _interrupt_again
    signal.signal(signal.SIGTERM, _terminate)
    app()


def _terminate(number: int, frame: object) -> None:
    """Leave no temporary file behind when asked to stop; asked again, stop at once."""
    signal.signal(number, signal.SIG_DFL)
    sys.exit(TERMINATED)


def _interrupt_again(lost: UnraisableHookArgs) -> None:
    """An interrupt that fell into a destructor, from which nothing can be raised, comes again a moment later."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        threading.Timer(_AGAIN_S, _interrupt).start()
    else:
        sys.__unraisablehook__(lost)


def _interrupt() -> None:
    if hasattr(signal, "pthread_kill"):  # it wakes the main thread, whatever that waits for
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
