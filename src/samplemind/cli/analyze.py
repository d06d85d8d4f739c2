"""``samplemind analyze``: what sounds are."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from samplemind.cli.arguments import Arguments
from samplemind.cli.outputs import Format, Output, naming, output_for, sink
from samplemind.cli.progress import Bar, not_done, progress, share_a_terminal
from samplemind.cli.sink import replaced, uninterrupted
from samplemind.cli.terminal import FAILED, INTERRUPTED, complain
from samplemind.discovery import AUDIO_SUFFIXES, audio_files
from samplemind.errors import AnalysisError, FileAccessError, SampleMindError
from samplemind.workers.remote import shown

if TYPE_CHECKING:
    from samplemind.cli.outputs import Answer
    from samplemind.engine import AudioEngine
    from samplemind.features.levels import AnalysisLevel

    Answers = Generator[tuple[str, Answer], None, None]

_STDOUT: Final = "-"
_STDIN_NAME: Final = "<stdin>"
_FEW: Final = 3
"""So many files have a full report each; more have a row each, and a progress bar."""


def analyze(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Audio files and folders, or - for audio on standard input.", show_default=False),
    ] = None,
    *,
    files_from: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Also the paths in this file, one a line or ended by NUL; - reads them."),
    ] = None,
    level: Annotated[str, typer.Option(help="How much to find out: basic, standard or detailed.")] = "standard",
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Print there, all at once at the end; or Parquet in DIR/."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, metavar="N", show_default="all cores", help="Files to work on side by side."
        ),
    ] = None,
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="Try files again that crashed before.")
    ] = False,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Work on a Dask cluster: tcp://host:8786, or local:N to try.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither look answers up nor keep them.")] = False,
    series: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Also write what runs along time, of exactly one file.")
    ] = None,
) -> None:
    """Analyse audio files: tempo, key, loudness, timbre.

    Folders are searched for audio files; a file that is named is tried whatever its name. Up to three files have a
    full report each, more have a row each.

    Exit status: 0 all done, 1 some failed, 2 the question makes no sense, 130 interrupted.
    """
    arguments = Arguments(files or [], files_from)
    context.call_on_close(arguments.close)
    chosen = level_named(level)
    if output is not None and _is_place(output):
        from samplemind.cli.shards import into_shards

        if series is not None or arguments.is_sound:
            raise typer.BadParameter("Parquet is written of files, without series", param_hint="--output")
        if form is not Format.TABLE:
            raise typer.BadParameter(f"Parquet is written to {shown(output)}, nothing else", param_hint="--format")
        into_shards(
            arguments,
            output,
            level=chosen,
            jobs=jobs,
            scheduler=scheduler,
            use_cache=not no_cache,
            retry_quarantined=retry_quarantined,
            again=arguments.again,
        )
        return
    target = None if output in (None, _STDOUT) else Path(output)
    _check_targets(target, series, arguments.sources)
    tally = _Tally()
    with _totals_in_the_end(tally, target):
        given = arguments.sparing([target, series])
        found = _counted(iter(arguments) if arguments.is_sound else audio_files(given), tally)
        # Of a list no more is awaited than its first line: who writes it may write the next one in an hour.
        first = list(itertools.islice(found, _FEW + 1 if files_from is None else 1))
        if not first:
            raise typer.BadParameter("there are no audio files in it", param_hint="FILES")
        single = files_from is None and first == arguments.files and len(first) == 1
        if series is not None and not single:
            raise typer.BadParameter("series are written of exactly one file", param_hint="--series")
        few = files_from is None and len(first) <= _FEW
        found = itertools.chain(first, found)

        from samplemind.engine import AudioEngine

        with AudioEngine() as engine, sink(target) as out, contextlib.ExitStack() as ends:
            options = {"level": chosen, "use_cache": not no_cache, "series": series is not None}
            rows = out
            if arguments.is_sound:
                answers = _of_stream(engine, options)
            else:
                # One file is analysed here, where nothing else could be lost; but not one that may crash.
                options |= {"jobs": (1 if retry_quarantined else 0) if single else jobs}
                options |= {"retry_quarantined": retry_quarantined}
                if scheduler is not None:
                    from samplemind.workers.executors import dask_executor

                    executor, slots = ends.enter_context(dask_executor(scheduler, tell=complain))
                    options |= {"jobs": None, "executor": executor, "slots": slots}
                answers = _of_files(engine, found, options)
                if few:
                    answers = _in_order(answers, first)
                elif sys.stderr.isatty() and (not out.isatty() or (form is Format.TABLE and share_a_terminal(out))):
                    bar = ends.enter_context(progress(arguments.again))
                    answers = _told(answers, bar, tally)
                    rows = bar.above(out) if out.isatty() else out
            with naming(target):
                written = output_for(form, rows, single=single, few=few)
            _print(answers, written, tally, series, target)
    if tally.failed:
        raise typer.Exit(FAILED)


@contextlib.contextmanager
def _totals_in_the_end(tally: _Tally, target: Path | None) -> Iterator[None]:
    """Tell of more than one file what came of them, however it ends."""
    lost = f"; {target} was not written" if target else ""
    try:
        yield
    except KeyboardInterrupt:
        complain(f"interrupted: {tally}{lost}")
        raise typer.Exit(INTERRUPTED) from None
    except SampleMindError:
        if tally.begun and tally.met > 1:
            complain(f"ended early: {tally}{lost}")
        raise
    if tally.met > 1:
        complain(str(tally))


@dataclass
class _Tally:
    """How many files were met, how many were answered, and how many have failed; and whether work has begun."""

    met: int = 0
    begun: bool = False
    all_met: bool = False
    analyzed: int = 0
    failed: int = 0

    def count(self, answer: Answer) -> None:
        """Count one more."""
        if isinstance(answer, AnalysisError):
            self.failed += 1
        else:
            self.analyzed += 1

    def __str__(self) -> str:
        files = f"{self.analyzed:,} {'file' if self.analyzed == 1 else 'files'} analysed"
        failed = f", {self.failed:,} failed" if self.failed else ""
        return files + failed + not_done(self.met - self.analyzed - self.failed, all_met=self.all_met)


def _counted(found: Iterable[str | FileAccessError], tally: _Tally) -> Iterator[str | FileAccessError]:
    for item in found:
        tally.met += 1
        yield item
    tally.all_met = True


def _is_place(output: str) -> bool:
    """Whether it names a folder for Parquet, or a store elsewhere."""
    from samplemind.cli.shards import is_place

    return is_place(output)


def level_named(name: str) -> AnalysisLevel:
    """The level that the user named; refused if there is none, or this version can't compute it."""
    from samplemind.features.levels import AnalysisLevel, outputs_of

    if name not in list(AnalysisLevel):
        raise typer.BadParameter(f"{name!r} is none of {', '.join(AnalysisLevel)}", param_hint="--level")
    level = AnalysisLevel(name)
    outputs_of(level)
    return level


def _check_targets(output: Path | None, series: Path | None, sources: list[str]) -> None:
    """Refuse at once what can't be written at the end, and never write over sounds, their list or each other."""
    for path, option in ((output, "--output"), (series, "--series")):
        if path is None:
            continue
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise typer.BadParameter(f"{path} can't be written: its folder is missing or it is one", param_hint=option)
        if path.is_file() and any(os.path.exists(source) and path.samefile(source) for source in sources):
            raise typer.BadParameter(f"{path} is one of the files to analyse, or their list", param_hint=option)
        if os.path.realpath(path).lower().endswith(AUDIO_SUFFIXES):  # it may be in a folder to analyse
            raise typer.BadParameter(f"{path} is named like an audio file", param_hint=option)
    if output and series and os.path.realpath(output) == os.path.realpath(series):
        raise typer.BadParameter(f"{series} is the file of --output too", param_hint="--series")


def _of_stream(engine: AudioEngine, options: dict[str, Any]) -> Answers:
    try:
        yield _STDIN_NAME, engine.analyze_stream(sys.stdin.buffer, name=_STDIN_NAME, **options)
    except AnalysisError as error:
        yield _STDIN_NAME, error


def _of_files(engine: AudioEngine, found: Iterable[str | FileAccessError], options: dict[str, Any]) -> Answers:
    """Answers to the files, and the folders that could not be read where they were met."""
    refused: deque[FileAccessError] = deque()

    def paths() -> Iterator[str]:
        for item in found:
            if isinstance(item, str):
                yield item
            else:
                refused.append(item)

    for path, answer in engine.batch_analyze(paths(), **options):
        while refused:
            error = refused.popleft()
            yield error.path, error
        yield path, answer
    yield from ((error.path, error) for error in refused)


def _in_order(answers: Answers, found: list[str | FileAccessError]) -> Answers:
    """A few answers, in the order in which their files were named."""
    with contextlib.closing(answers):
        names = [item if isinstance(item, str) else item.path for item in found]
        yield from sorted(answers, key=lambda answer: names.index(answer[0]))


def _told(answers: Answers, bar: Bar, tally: _Tally) -> Answers:
    """Show how far the work is."""
    with contextlib.closing(answers):
        for done, answer in enumerate(answers, 1):
            yield answer
            bar.tell(done, tally.failed)


def _print(answers: Answers, output: Output, tally: _Tally, series: Path | None, target: Path | None) -> None:
    """Print answers as they come. Closing them, however it ends, calls off the files that still wait."""
    with contextlib.closing(answers):
        try:
            tally.begun = True
            for path, answer in answers:
                if isinstance(answer, AnalysisError):
                    complain(str(answer))
                elif series is not None:
                    _write_series(series, answer.series or {})
                with uninterrupted(), naming(target):
                    output.add(shown(path), answer)
                    tally.count(answer)
        finally:
            with uninterrupted(), naming(target):
                output.close()


def _write_series(path: Path, series: Any) -> None:
    import numpy as np

    with replaced(path) as file:
        np.savez(file, **series)
