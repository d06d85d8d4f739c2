"""The worker's side: told files, it answers each. Whatever happens to it costs the one file in its hands."""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from samplemind.cache import Tier
from samplemind.cache.collecting import BusyError, CollectingCache
from samplemind.cache.disk import DiskTier
from samplemind.dsp.compiled import before_compiling
from samplemind.errors import AnalysisError, OutputError
from samplemind.features.levels import AnalysisLevel
from samplemind.pipeline import analyze_file
from samplemind.plain import from_plain
from samplemind.result import AudioFeatures
from samplemind.version import __version__
from samplemind.warmup import warm_up
from samplemind.workers.drawing import KINDS, draw
from samplemind.workers.fetch import STALL_S, analyze_url
from samplemind.workers.limits import MEGABYTE, die_with, give_way, limit_cpu, limit_memory
from samplemind.workers.protocol import BUFFER_BYTES, receive, send
from samplemind.workers.remote import is_url
from samplemind.workers.task import Task


def main() -> None:
    """Serve the process that started this one, over standard input and output."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    # What libraries print must not end up among the answers.
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", BUFFER_BYTES)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        serve(questions, answers)


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer files until there are no more questions."""
    first = receive(questions)
    if first is None:
        return
    if first[0].get("version") != __version__:
        send(answers, {"refused": f"the worker is samplemind {__version__}"})
        return
    task: Task = from_plain(Task, first[0])
    die_with(task.parent)
    give_way()
    before_compiling(lambda: send(answers, {"compiling": True}))
    warm_up(task.level)
    before_compiling(lambda: None)  # from now on what is sent are answers
    cache = CollectingCache(_tiers(task), folder=_folder(task)) if task.use_cache else None
    limit_memory(task.memory_bytes)
    send(answers, {"ready": os.getpid()})
    while (question := receive(questions)) is not None:
        if "stored" in question[0]:
            if cache is not None:
                cache.stored()
            continue
        if "draw" in question[0]:
            limit_cpu(question[0]["cpu_s"])
            answer, blobs = _drawn(question[0], task)
            send(answers, answer, blobs)
            if "exhausted" in answer:
                sys.exit(1)
            continue
        per_mb = question[0]["cpu_s_per_mb"]
        files = question[0]["files"]
        level = AnalysisLevel(question[0]["level"] or task.level)
        send(answers, {"next": files[0][0]})
        for number, (path, cpu_s) in enumerate(files, start=1):
            limit_cpu(cpu_s)

            def sized(size: int, cpu_s: float = cpu_s, per_mb: float = per_mb) -> None:
                send(answers, {"size": size})
                limit_cpu(cpu_s + size / MEGABYTE * per_mb)

            answer, blobs = _answer(path, level, task, cache, sized)
            if "exhausted" in answer:
                send(answers, answer)
                sys.exit(1)  # what is left in memory is of no use to the next file
            if number < len(files):
                answer["next"] = files[number][0]
            send(answers, answer, blobs)


def _folder(task: Task) -> Path | None:
    """Where processes agree who computes what; only if the parent says when it has stored the answers."""
    return Path(task.cache_file).parent if task.alone and task.cache_file is not None else None


def _tiers(task: Task) -> list[Tier]:
    tiers: list[Tier] = []
    if task.cache_file is not None:
        tiers.append(DiskTier(Path(task.cache_file), notes_use=False))  # a worker writes nothing
    if task.redis_url is not None:
        from samplemind.cache.redis import RedisTier

        tiers.append(RedisTier(task.redis_url))
    return tiers


def _answer(
    path: str, level: AnalysisLevel, task: Task, cache: CollectingCache | None, sized: Callable[[int], None]
) -> tuple[dict[str, Any], list[bytes]]:
    try:
        if is_url(path):
            analysis = analyze_url(
                path,
                level=level,
                cache=cache,
                limits=task.limits,
                series=task.series,
                retry_quarantined=task.retry_quarantined,
                sized=sized,
                stall_s=STALL_S,
            )
        else:
            analysis = analyze_file(path, level=level, cache=cache, limits=task.limits, series=task.series)
    except MemoryError:
        return {"exhausted": path}, []
    except AnalysisError as error:
        if isinstance(error.__cause__, MemoryError):
            return {"exhausted": path}, []
        if isinstance(error.__cause__, BusyError):
            return {"busy": path}, []
        return {"end": path, "error": {"type": type(error).__name__, "reason": error.reason}}, []
    entries = cache.collected() if cache else {}
    answer: dict[str, Any] = {
        "end": path,
        "path": analysis.features.path,
        "computed": analysis.run is not None,
        "keys": list(entries),
        "counts": cache.counted() if cache else {},
    }
    if task.timed and analysis.run is not None:
        answer["seconds"] = analysis.run.seconds
    features, series = analysis.features, analysis.features.series
    if series is None:
        return answer, [_document(features), *entries.values()]
    import numpy as np
    from safetensors.numpy import save

    document = _document(dataclasses.replace(features, series=None))
    packed = save({name: np.ascontiguousarray(rows) for name, rows in series.items()})
    return answer, [document, *entries.values(), packed]


def _drawn(question: dict[str, Any], task: Task) -> tuple[dict[str, Any], list[bytes]]:
    path = question["draw"]
    try:
        drawing = from_plain(KINDS[question["kind"]], question["drawing"])
        return {"end": path}, [draw(path, drawing, limits=task.limits)]
    except MemoryError:
        return {"exhausted": path}, []
    except OutputError as error:
        return {"end": path, "unwritten": str(error)}, []
    except AnalysisError as error:
        return {"end": path, "error": {"type": type(error).__name__, "reason": error.reason}}, []


def _document(features: AudioFeatures) -> bytes:
    """The document as JSON. A path that is no text is left empty: the line has it."""
    try:
        return msgspec.json.encode(features)
    except UnicodeEncodeError:
        return _document(dataclasses.replace(features, path=""))
