"""Results of ``samplemind analyze`` as Parquet shards, written by those who analyse."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from samplemind.cli.terminal import FAILED, INTERRUPTED, complain
from samplemind.discovery import audio_files
from samplemind.workers.remote import is_url

if TYPE_CHECKING:
    from samplemind.features.levels import AnalysisLevel


def is_place(output: str) -> bool:
    """Whether results go to a folder, as shards, rather than to a file: a URL, a folder, or what ends like one."""
    return is_url(output) or output.endswith(("/", os.sep)) or os.path.isdir(output)


def into_shards(
    arguments: list[str],
    output: str,
    *,
    level: AnalysisLevel,
    jobs: int | None,
    scheduler: str | None,
    use_cache: bool,
    retry_quarantined: bool,
) -> None:
    """Analyse files into shards; failures go to standard error, and totals to standard output."""
    import contextlib

    from samplemind.engine import AudioEngine
    from samplemind.workers.cluster import executor_for, shards_on
    from samplemind.workers.limits import WorkerLimits, available_cores

    files = failed = skipped = 0

    def paths() -> Iterator[str]:
        nonlocal files, failed
        for item in audio_files(arguments):
            if isinstance(item, str):
                yield item
            else:  # a folder that can't be read
                complain(str(item))
                files += 1
                failed += 1

    try:
        with AudioEngine() as engine, executor_for(scheduler, jobs=jobs or available_cores()) as (executor, slots):
            shards = shards_on(
                executor,
                paths(),
                output,
                level=level,
                use_cache=use_cache,
                redis_url=engine.settings.redis_url,
                limits=engine.limits,
                worker_limits=WorkerLimits(),
                slots=slots,
                retry_quarantined=retry_quarantined,
            )
            with contextlib.closing(shards):
                for shard in shards:
                    for path, _, reason in shard.failed:
                        complain(f"{path}: {reason}")
                    files += shard.rows
                    failed += len(shard.failed)
                    skipped += shard.rows if shard.skipped else 0
    except KeyboardInterrupt:
        complain(f"interrupted: {_totals(files, failed, skipped)}; run it again to go on")
        raise typer.Exit(INTERRUPTED) from None
    print(_totals(files, failed, skipped))
    if failed:
        raise typer.Exit(FAILED)


def _totals(files: int, failed: int, skipped: int) -> str:
    text = f"{files:,} {'file' if files == 1 else 'files'}: {files - failed:,} analysed, {failed:,} failed"
    return f"{text}, {skipped:,} of them by an earlier run" if skipped else text
