"""``samplemind separate``: a sound into what lasts and what strikes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def separate(
    file: Annotated[Path, typer.Argument(help="An audio file.", show_default=False)],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to.", show_default=False)
    ],
    margin: Annotated[
        float, typer.Option(help="How much stronger one part must be to have a sound; 1 keeps everything.")
    ] = 1.0,
) -> None:
    """Write the harmonic and the percussive part of a file.

    As NAME.harmonic.wav and NAME.percussive.wav, every channel, 32-bit float. With margin 1 they add up to the file.

    Exit status: 0 done, 1 the file could not be read or written, 2 the question makes no sense.
    """
    from samplemind.engine import AudioEngine
    from samplemind.separation import separate_to

    for path in separate_to(file, output, margin=margin, limits=AudioEngine(cache=None).limits):
        print(path)
