"""docs/api.md says what the service does: its examples run, and its tables are complete."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile

from samplemind.client.failures import ANALYSIS_ERRORS
from samplemind.service.configuration import Configuration
from samplemind.service.permissions import required_scope
from samplemind.service.protocol import MAX_CONNECTIONS
from tests.conftest import REPOSITORY
from tests.service.running import RunningService, new_key, running
from tests.signals import SAMPLE_RATE, music

PAGE = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
PATIENCE_S = 120.0


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def rows(heading: str) -> list[list[str]]:
    """Cells of the table below a heading."""
    text = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningService, str]]:
    """A service that asks for keys, and one."""
    folder = tmp_path_factory.mktemp("guarded") / "data"
    key = new_key(folder)
    with running(folder, "--require-key", "--jobs", "1") as service:
        yield service, key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the examples are run: with the files that they name."""
    for number, name in enumerate(("loop.wav", "kick.wav")):
        soundfile.write(tmp_path / name, music(2.0, seed=200 + number), SAMPLE_RATE)
    return tmp_path


def test_the_examples_for_curl_run(guarded: tuple[RunningService, str], folder: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl")
    version = re.match(
        r"curl (\d+)\.(\d+)", subprocess.run([curl, "-V"], capture_output=True, text=True, check=True).stdout
    )
    assert version is not None
    if (int(version[1]), int(version[2])) < (7, 84):
        pytest.skip("this curl does not know %header{}, which came with 7.84")
    service, key = guarded
    # Errors of HTTP must not pass: the page has no --fail, so that one who tries them sees the problem document.
    script = f'curl() {{ "{curl}" --noproxy "*" --fail-with-body "$@" && echo; }}\n' + "\n".join(blocks("bash"))
    environment = {"PATH": "/usr/bin:/bin", "SAMPLEMIND": service.url, "AUTH": f"Authorization: Bearer {key}"}
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    assert said[0] == {"status": "ok"}
    assert said[1]["level"] == "basic"
    assert {"loop.wav", "kick.wav"} <= {each["name"] for each in said if "name" in each and "size_bytes" in each}
    assert [each["level"] for each in said if "schema_version" in each] == ["basic", "detailed"]
    found = [
        [item["name"] for item in each["items"]] for each in said if each.get("items") and "sound" in each["items"][0]
    ]
    assert found == [["loop.wav"], ["loop.wav"]]
    events = [line.removeprefix("data: ") for line in ran.stdout.splitlines() if line.startswith("data: ")]
    assert json.loads(events[-1])["totals"]["done"] == 1
    assert (folder / "back.wav").read_bytes() == (folder / "loop.wav").read_bytes()
    assert (folder / "first-bytes").read_bytes() == (folder / "loop.wav").read_bytes()[:100]
    assert (folder / "spectrogram.png").read_bytes().startswith(b"\x89PNG")
    assert httpx.get(f"{service.url}/api/v1/tags", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_the_example_for_python_runs(guarded: tuple[RunningService, str], folder: Path) -> None:
    service, key = guarded
    [code] = blocks("python")
    code = code.replace("http://127.0.0.1:8000", service.url).replace("sm_…", key)
    assert service.url in code
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert re.fullmatch(r"(None|[\d.]+) (None|[A-G]#?)\n", ran.stdout)


def test_the_table_of_routes_is_complete_and_says_what_they_need(guarded: tuple[RunningService, str]) -> None:
    service, key = guarded
    url = f"{service.url}/api/v1/openapi.json"
    document: dict[str, Any] = httpx.get(url, headers={"Authorization": f"Bearer {key}"}).json()
    real = {
        (method.upper(), path.removeprefix("/api/v1")) for path, each in document["paths"].items() for method in each
    }
    told = {(method, path.strip("`")): scope for method, path, scope, _ in rows("All routes")}
    assert set(told) == real
    for (method, path), scope in told.items():
        needed = required_scope(method, f"/api/v1{path}")
        assert scope == (needed or "–"), path


def test_limits_are_the_defaults() -> None:
    configuration = Configuration(data_dir=Path("unused"))
    told = {name: value for name, value, _ in rows("Limits")}
    assert told["upload"] == f"{configuration.max_upload_bytes / 2**30:.0f} GiB"
    assert told["other bodies"] == f"{configuration.max_json_bytes / 2**20:.0f} MiB"
    assert told["duration of a sound"] == f"{configuration.max_duration_s / 3600:.0f} h"
    assert told["jobs that wait"] == f"{configuration.queue_length:,}"
    assert told["requests of a key"] == f"{configuration.requests_per_s:.0f} a second, {configuration.burst} at once"
    assert told["connections of one other machine"] == (
        f"{configuration.connections_per_address} at once; {MAX_CONNECTIONS} of all"
    )
    assert told["headers of a request"] == f"within {configuration.header_timeout_s:.0f} s"
    assert told["a body"] == (
        f"at least {configuration.min_body_bytes_per_s:,.0f} bytes a second after {configuration.body_grace_s:.0f} s"
    )
    assert told["room on the disk that no upload takes"] == f"{configuration.min_free_bytes / 2**20:.0f} MiB"


def test_words_for_audio_without_an_answer_are_complete() -> None:
    told = PAGE.split("The `code` of audio without an answer:")[1].split("\n\n")[0]
    assert set(re.findall(r"`([a-z-]+)`", told)) == set(ANALYSIS_ERRORS) - {"analysis"}


def test_options_that_are_named_exist() -> None:
    from typer.main import get_command

    from samplemind.cli import app

    serve = get_command(app).get_command(None, "serve")  # type: ignore[attr-defined]
    served = {option for parameter in serve.params for option in parameter.opts}
    for line in re.findall(r"samplemind serve (.*(?:\\\n.*)*)", PAGE):
        assert set(re.findall(r"--[a-z-]+", line)) - {"--help"} <= served, line
    assert set(re.findall(r"\| `(--[a-z-]+)", PAGE)) <= served
