"""The documentation says what the code does."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from samplemind.features import feature_graph
from tests.conftest import REPOSITORY


def test_the_feature_reference_is_what_the_docstrings_say() -> None:
    spec = importlib.util.spec_from_file_location("reference", REPOSITORY / "scripts" / "feature_reference.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for path, text in script.pages().items():
        assert path.read_text(encoding="utf-8") == text, "run python scripts/feature_reference.py"


def test_every_node_is_documented() -> None:
    assert [name for name, node in feature_graph().nodes.items() if not node.summary] == []


def test_every_dependency_has_its_line() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    page = (REPOSITORY / "docs" / "dependencies.md").read_text(encoding="utf-8")
    names = [re.split(r"[<>=\[]", requirement)[0] for requirement in wanted]
    assert [name for name in names if name not in page] == []


@pytest.mark.parametrize(
    "page", sorted(REPOSITORY.glob("*.md")) + sorted(REPOSITORY.glob("docs/*.md")), ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"
