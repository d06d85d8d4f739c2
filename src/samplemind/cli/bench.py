"""``samplemind bench accuracy``: how often answers are right, on labelled audio."""

from __future__ import annotations

import enum
import importlib.util
import json
from pathlib import Path
from typing import Annotated

import typer

from samplemind.cli.terminal import complain, printable
from samplemind.errors import PeerError

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


class Format(enum.StrEnum):
    """How scores are printed."""

    TABLE = "table"
    JSON = "json"


@app.callback()
def bench() -> None:
    """Measure samplemind."""


@app.command()
def accuracy(
    *,
    corpus: Annotated[Path, typer.Option(help="Folder of audio with labels.csv.", show_default=False)],
    tasks: Annotated[str, typer.Option(help="Tasks, with commas between; all by default.", show_default=False)] = "",
    peers: Annotated[
        str,
        typer.Option(help="Libraries to ask too: librosa, sonara, essentia, aubio.", show_default=False),
    ] = "",
    form: Annotated[Format, typer.Option("--format", help="How to print the scores.")] = Format.TABLE,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes; by default one per core.")
    ] = None,
) -> None:
    """Score the answers on labelled audio, with the field's metrics, and those of other libraries beside them.

    Nothing is taken from the cache. In brackets: the 95 % interval by bootstrap.
    """
    from samplemind import evaluation

    if importlib.util.find_spec("mir_eval") is None:
        raise typer.BadParameter("the metrics need mir_eval: pip install 'samplemind[bench]'")
    methods = [evaluation.of_samplemind(jobs=jobs)]
    for name in _words(peers):
        try:
            methods.append(evaluation.peer(name))
        except PeerError as error:
            if name not in evaluation.PEERS:
                raise
            complain(f"{error}: left out")
    report = evaluation.evaluate(evaluation.read_corpus(corpus), methods, tasks=_words(tasks))
    match form:
        case Format.JSON:
            print(json.dumps(evaluation.as_dict(report), indent=2))
        case Format.TABLE:
            print("\n".join(map(printable, evaluation.as_text(report).split("\n"))))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
