"""What all commands share: how they end."""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Callable
from typing import ParamSpec, TextIO

import typer

from samplemind.cli.terminal import BROKEN_PIPE, FAILED, INTERRUPTED, USAGE, complain
from samplemind.errors import AnalysisError, SampleMindError

P = ParamSpec("P")


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Make errors that a command does not handle one line on standard error, with the exit status that fits."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        warnings.showwarning = _show_warning
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read has seen enough. What is still buffered must not fail again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except (AnalysisError, OSError) as error:
            complain(str(error))
            raise typer.Exit(FAILED) from None
        except SampleMindError as error:
            complain(str(error))
            raise typer.Exit(USAGE) from None

    return guarded


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    complain(f"warning: {message}")
