"""What the OpenAPI document says is what the service does: requests are made up from it, and their answers checked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from samplemind.features.levels import ADDED
from samplemind.service.answers import Level
from samplemind.service.app import application
from tests.service.live import Live, live
from tests.signals import sine

EXAMPLES: Final = int(os.environ.get("SAMPLEMIND_FUZZ", "4"))
"""Requests for each operation; SAMPLEMIND_FUZZ=300 is the whole campaign."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    import soundfile

    folder = tmp_path_factory.mktemp("openapi")
    sound = folder / "a.wav"
    soundfile.write(sound, sine(440.0, 1.0), 44_100)
    with live(folder / "data", roots=(folder,), wait_s=1.0) as service:
        httpx.post(f"{service.url}/api/v1/analyze", content=sound.read_bytes(), timeout=60).raise_for_status()
        yield service


DOCUMENT: Final = application(contextlib.nullcontext).openapi()  # type: ignore[arg-type,return-value]
OPERATIONS: Final = {
    f"{operation.method} {operation.path}": operation
    for result in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
    if (operation := result.ok()) is not None
}
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def document(service: Live) -> dict[str, Any]:
    document: dict[str, Any] = httpx.get(f"{service.url}/api/v1/openapi.json").json()
    return document


CASES: Final = [
    (name, mode)
    for name, operation in OPERATIONS.items()
    for mode in GenerationMode
    # A request that can say nothing can say nothing wrong.
    if mode is GenerationMode.POSITIVE or [*operation.iter_parameters(), *operation.body]
]


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_answers_are_as_described(service: Live, operation: str, mode: GenerationMode) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=OPERATIONS[operation].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        parameters = {parameter.name for parameter in case.operation.query}
        for name, most in (("seconds", 0.2), ("wait_s", 0.5)):  # no request may ask to be kept waiting
            value = case.query.get(name, most + 1)
            if name in parameters and isinstance(value, int | float) and value > most:
                case.query[name] = most
        response = case.call(base_url=service.url, timeout=30)
        case.validate_response(response, checks=CHECKS)

    ask()


def test_the_service_gives_this_document(document: dict[str, Any]) -> None:
    assert document == DOCUMENT


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    import jsonschema

    assert document["openapi"].startswith("3.1")
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name


def test_levels_are_those_that_can_be_computed() -> None:
    assert set(Level.__args__) == {level.value for level in ADDED}


def test_every_operation_names_its_problems(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            told = {int(status) for status in operation["responses"]}
            assert {401, 403, 429} <= told or path.endswith("healthz"), f"{method} {path}"
            assert operation["description"], f"{method} {path}"
