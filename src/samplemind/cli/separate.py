"""``samplemind separate``: a sound into what lasts and what strikes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from samplemind.cli.terminal import FAILED, complain, printable


def separate(
    file: Annotated[Path, typer.Argument(help="An audio file.", show_default=False)],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to.", show_default=False)
    ],
    margin: Annotated[
        float, typer.Option(help="How much stronger one part must be to have a sound; 1 keeps everything.")
    ] = 1.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")] = False,
) -> None:
    """Write the harmonic and the percussive part of a file.

    As NAME.harmonic.wav and NAME.percussive.wav, every channel, 32-bit float. With margin 1 they add up to the file.

    Exit status: 0 done, 1 the file could not be read or written, 2 the question makes no sense.
    """
    from samplemind.engine import AudioEngine
    from samplemind.separation import separate_to

    limits = AudioEngine(cache=None).limits
    try:
        written = separate_to(file, output, margin=margin, limits=limits, overwrite=overwrite)
    except FileExistsError as error:
        complain(f"{error.filename} is there already; --overwrite replaces it")
        raise typer.Exit(FAILED) from None
    for warning in written.warnings:
        complain(f"warning: {file}: {warning}")
    shown = printable if sys.stdout.isatty() else str
    for path in written:
        print(shown(str(path)))
