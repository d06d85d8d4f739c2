"""``samplemind explain``: what a level computes, and what it costs."""

from __future__ import annotations

import enum
import json
from typing import Annotated

import typer

from samplemind.cli.analyze import level_named
from samplemind.cli.terminal import printable


class Format(enum.StrEnum):
    """How the plan is printed."""

    TEXT = "text"
    DOT = "dot"
    JSON = "json"


def explain(
    file: Annotated[
        str | None, typer.Argument(help="Measure each step on this file, without the cache.", show_default=False)
    ] = None,
    *,
    level: Annotated[str, typer.Option(help="The level to explain: basic or standard.")] = "standard",
    form: Annotated[Format, typer.Option("--format", help="How to print it; dot is for Graphviz.")] = Format.TEXT,
) -> None:
    """Show what a level computes, and what each step costs."""
    from samplemind import explain as explaining
    from samplemind.engine import AudioEngine

    with AudioEngine(cache=None) as engine:
        explanation = explaining.explain(level_named(level), file, limits=engine.limits)
    match form:
        case Format.JSON:
            print(json.dumps(explaining.as_dict(explanation), indent=2))
        case Format.DOT:
            print(explaining.as_dot(explanation))
        case Format.TEXT:
            print("\n".join(map(printable, explaining.as_text(explanation).split("\n"))))
