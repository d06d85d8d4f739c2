"""The log: one JSON object a line, without names of files, queries or keys.

Of an exception the types and the places in the code are told, not the messages: names of files may be in those. Of
what libraries log, only the first line, for the same reason.
"""

from __future__ import annotations

import errno
import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any, Final

MAX_FRAMES: Final = 30
"""Innermost calls of an exception that are told: a recursion must not fill the disk."""


class JsonLines(logging.Formatter):
    """Records as lines of JSON: time, level, logger, event, and the fields that `fields` gave."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage().strip().partition("\n")[0],
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["errors"] = _chain(record.exc_info[1])
        return json.dumps(line, default=str)


def fields(**values: object) -> dict[str, object]:
    """What a record tells beside its event: to be given as ``extra``."""
    return {"fields": values}


def logging_configuration(level: str = "INFO") -> dict[str, Any]:
    """What `logging.config.dictConfig` and uvicorn's ``log_config`` take: everything as JSON on standard error.

    uvicorn's own log of requests is off: it tells queries.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.{JsonLines.__name__}"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "samplemind": {"level": level},
            "uvicorn": {"level": level},
            "uvicorn.access": {"handlers": [], "propagate": False, "level": "CRITICAL"},
        },
    }


def _chain(error: BaseException) -> list[dict[str, object]]:
    """An exception and what led to it, the last first."""
    told: list[dict[str, object]] = []
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        calls = [f"{frame.f_globals.get('__name__')}:{line} {frame.f_code.co_name}" for frame, line in _frames(each)]
        told.append({"type": f"{type(each).__module__}.{type(each).__qualname__}", "calls": calls[-MAX_FRAMES:]})
        if isinstance(each, OSError) and each.errno is not None:
            told[-1]["errno"] = errno.errorcode.get(each.errno, str(each.errno))
        pending.append(each.__cause__ or (None if each.__suppress_context__ else each.__context__))
        pending += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
    return told


def _frames(error: BaseException) -> list[tuple[Any, int]]:
    return list(traceback.walk_tb(error.__traceback__))
