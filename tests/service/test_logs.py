"""Logs of a service in a process of its own: all of them, as they are written."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

from samplemind.service.logs import JsonLines, fields

SCRIPT = """
import uvicorn
from samplemind.service.logs import logging_configuration
from samplemind.service.protocol import protocol_of
from tests.service.small import Service
from tests.service.wire import asked, configured, said, serving

service = Service(configured())
with serving(service.app, configured(), log_config=logging_configuration(), access_log=True) as port:
    for path in ("/healthz", "/secret?secret=1", "/api/v1/fails/secret", "/api/v1/fails/library", "/api/v1/broken"):
        asked(port, "GET", path, {"Authorization": "Bearer secret"})
    said(port, b"secret\\r\\n\\r\\n")
"""


def test_every_line_is_json_and_tells_no_secret() -> None:
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    assert "secret" not in ended.stderr
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert {"time", "level", "logger", "event"} <= set.intersection(*(set(line) for line in lines))
    statuses = [line["status"] for line in lines if line["event"] == "request"]
    assert statuses == [200, 404, 500, 503, 200]
    assert "uvicorn.access" not in {line["logger"] for line in lines}


def test_errors_tell_what_led_to_them() -> None:
    try:
        try:
            raise FileNotFoundError(2, "No such file", "secret")
        except FileNotFoundError as error:
            raise ExceptionGroup("secret", [ValueError("secret")]) from error
    except ExceptionGroup as error:
        record = logging.LogRecord("a", logging.ERROR, "", 1, "first\nsecret", (), (type(error), error, None))
    record.__dict__.update(fields(number=1))
    text = JsonLines().format(record)
    assert "secret" not in text
    document = json.loads(text)
    assert (document["event"], document["number"]) == ("first", 1)
    types = [error["type"] for error in document["errors"]]
    assert types == ["builtins.ExceptionGroup", "builtins.FileNotFoundError", "builtins.ValueError"]
    assert document["errors"][1]["errno"] == "ENOENT"
    assert document["errors"][0]["calls"][-1].endswith("test_errors_tell_what_led_to_them")
