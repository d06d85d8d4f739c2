"""``samplemind demo``: three sounds made here, analysed, and compared with how they were made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from samplemind.cli.report import report
from samplemind.cli.terminal import FAILED, style_of, width


def demo(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Keep the sounds in this folder.")
    ] = None,
) -> None:
    """Make three sounds, analyse them, and compare.

    A drum loop, a chord progression and a plucked string.

    A file that is there already is not written over. Exit status: 0 if what was found is what was made, else 1.
    """
    from samplemind import demo as making

    style = style_of(sys.stdout)
    outcomes = []
    for outcome in making.analyzed_sounds(output):
        outcomes.append(outcome)
        print(f"\n{report(outcome.features, style, width())}", flush=True)
    print(f"\n  {style.bold('What was made, and what was found')}\n")
    for outcome in outcomes:
        name = outcome.sound.name
        for check in outcome.checks:
            mark = style.good("✓") if check.holds else style.bad("✗")
            print(f"  {name:15}  made: {check.made:12}  found: {check.found:12}  {mark}")
            name = ""
    if output is not None:
        print(f"\n  The sounds are in {output}: try samplemind analyze {output}")
    if not all(check.holds for outcome in outcomes for check in outcome.checks):
        raise typer.Exit(FAILED)
