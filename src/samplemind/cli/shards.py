"""Results of ``samplemind analyze`` as Parquet shards, written by those who analyse."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer

from samplemind.cli.outputs import naming
from samplemind.cli.progress import not_done, progress
from samplemind.cli.sink import uninterrupted
from samplemind.cli.terminal import FAILED, INTERRUPTED, complain
from samplemind.discovery import audio_files
from samplemind.errors import OutputError, SampleMindError
from samplemind.workers.remote import is_url

if TYPE_CHECKING:
    from samplemind.features.levels import AnalysisLevel
    from samplemind.workers.shards import Shard

_LOOK_S: Final = 0.5
"""Seconds in which it is found out, after an interrupt, what else was written."""


def is_place(output: str) -> bool:
    """Whether results go to a folder, as shards, rather than to a file: a URL, a folder, or what ends like one."""
    return is_url(output) or output.endswith(("/", os.sep)) or os.path.isdir(output)


def into_shards(
    arguments: Iterable[str],
    output: str,
    *,
    level: AnalysisLevel,
    jobs: int | None,
    scheduler: str | None,
    use_cache: bool,
    retry_quarantined: bool,
    again: Callable[[], Iterable[str]] | None,
) -> None:
    """Analyse files into shards; failures go to standard error, and totals to standard output.

    `again` gives the arguments once more, to be counted.
    """
    from samplemind.engine import AudioEngine
    from samplemind.workers.cluster import shards_on
    from samplemind.workers.executors import executor_for
    from samplemind.workers.limits import WorkerLimits, available_cores

    totals = _Totals()
    begun: set[str] = set()

    def paths() -> Iterator[str]:
        for item in audio_files(arguments):
            totals.met += 1
            if isinstance(item, str):
                yield item
            else:  # a folder that can't be read
                complain(str(item))
                totals.failed += 1
        totals.all_met = True

    named = paths()
    try:
        with contextlib.ExitStack() as ends:
            first = next(named, None)
            if first is None and not totals.failed:
                raise typer.BadParameter("there are no audio files in it", param_hint="FILES")
            if first is not None:
                engine = ends.enter_context(AudioEngine())
                found = executor_for(scheduler, jobs=jobs or available_cores(), tell=complain)
                executor, slots = ends.enter_context(found)
                bar = ends.enter_context(progress(again)) if sys.stderr.isatty() else None
                shards = shards_on(
                    executor,
                    itertools.chain([first], named),
                    output,
                    level=level,
                    use_cache=use_cache,
                    redis_url=engine.settings.redis_url,
                    limits=engine.limits,
                    worker_limits=WorkerLimits(),
                    slots=slots,
                    retry_quarantined=retry_quarantined,
                    begun=begun.add,
                )
                for shard in ends.enter_context(contextlib.closing(shards)):
                    with uninterrupted():
                        begun.discard(shard.name)
                        totals.count(shard)
                    if bar:
                        bar.tell(totals.done, totals.failed)
    except KeyboardInterrupt:
        for shard in _unheard(output, begun):
            totals.count(shard)
        complain(f"interrupted: {totals}; run it again to go on")
        raise typer.Exit(INTERRUPTED) from None
    except SampleMindError:
        if begun or totals.done:
            for shard in _unheard(output, begun):
                totals.count(shard)
            complain(f"ended early: {totals}; run it again to go on")
        raise
    with naming(None):
        print(totals, flush=True)
    if totals.failed:
        raise typer.Exit(FAILED)


def _unheard(output: str, names: set[str]) -> Iterator[Shard]:
    """Shards of these names that are there, as far as that can be found out in a moment."""
    from samplemind.workers.shards import ShardFolder

    until = time.monotonic() + _LOOK_S
    with contextlib.suppress(OutputError):
        folder = ShardFolder(output)
        for name in sorted(names):
            if time.monotonic() < until and (shard := folder.found(name)) is not None:
                yield dataclasses.replace(shard, skipped=False)


@dataclass
class _Totals:
    """What became of the files; folders that can't be read are among them."""

    analyzed: int = 0
    failed: int = 0
    skipped: int = 0
    met: int = 0
    all_met: bool = False

    def count(self, shard: Shard) -> None:
        """Count what is in a shard, and name what has failed."""
        for path, _, reason in shard.failed:
            complain(f"{path}: {reason}")
        self.analyzed += shard.rows - len(shard.failed)
        self.failed += len(shard.failed)
        self.skipped += shard.rows if shard.skipped else 0

    @property
    def done(self) -> int:
        """Files whose fate is known."""
        return self.analyzed + self.failed

    def __str__(self) -> str:
        files = f"{self.done:,} {'file' if self.done == 1 else 'files'}"
        text = f"{files}: {self.analyzed:,} analysed, {self.failed:,} failed"
        earlier = f", {self.skipped:,} of them by an earlier run" if self.skipped else ""
        return text + earlier + not_done(self.met - self.done, all_met=self.all_met)
