"""The documentation says what the code does."""

from __future__ import annotations

import importlib.util
import math
import re
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pytest

from samplemind.dsp.statistics import Moments
from samplemind.execution import run_graph
from samplemind.features import INPUTS, feature_functions, feature_graph
from samplemind.graph import Graph, Unknown
from tests.conftest import REPOSITORY
from tests.signals import SAMPLE_RATE, sine


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


def test_the_feature_of_the_contribution_guide_works() -> None:
    page = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    names = {"math": math, "Moments": Moments, "Unknown": Unknown}
    exec(textwrap.dedent(code[1]), names)  # noqa: S102 (it is our own page)
    graph = Graph([*feature_functions(), names["crest_db"]], inputs=INPUTS)
    inputs = {"sample_rate": SAMPLE_RATE, "mono_channel": None}
    run = run_graph(graph, ["crest_db"], blocks=[sine(1000, 5.0)[:, None]], inputs=inputs)
    assert run.values["crest_db"] == pytest.approx(3.01, abs=0.05)
    silent = run_graph(graph, ["crest_db"], blocks=[np.zeros((5000, 1), np.float32)], inputs=inputs)
    assert silent.values["crest_db"] == Unknown("every sample is zero")
