"""The order of `docs/architecture.md`: a module imports only from layers below its own, or from its own package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "samplemind"
MODULES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    ("errors", "version", "settings"),
    ("storage",),
    ("audio", "plain"),
    ("dsp",),
    ("graph", "execution"),
    ("features",),
    ("result",),
    ("cache", "metrics"),
    ("pipeline", "extraction", "separation", "warmup"),
    ("workers", "worker"),
    ("engine",),
    ("discovery", "demo", "explain"),
    ("library",),
    ("service",),
    ("client",),
    ("evaluation",),
    ("cli",),
    ("__init__", "__main__"),
)
"""Within a layer, a module may use those that come before it."""
HEAVY = {"scipy", "numba", "soxr", "av", "soundfile", "pydantic", "rich", "prometheus_client", "redis", "psutil"}
HEAVY |= {"fsspec", "s3fs", "pyarrow", "dask", "distributed", "psycopg", "watchfiles", "fastapi", "uvicorn", "httpx"}
"""Libraries that a cached answer doesn't need, and must not wait for."""
ALLOWED = {
    "service": {"fastapi", "uvicorn", "pydantic", "prometheus_client", "psutil"},
    "client": {"httpx"},
}
"""Of these, what is no part of a command that answers and ends."""
HEAVY_MODULES = {"samplemind.dsp.median_kernel"}
"""Ours that need them as soon as they are imported, and so are heavy themselves."""


def place_of(part: str) -> tuple[int, int]:
    """Layer, and place in it, of a module or package directly under samplemind."""
    places = [(number, names.index(part)) for number, names in enumerate(LAYERS) if part in names]
    assert places, f"{part} is in no layer: add it to LAYERS, and to docs/architecture.md"
    return places[0]


def part_of(module: Path) -> str:
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module
            # "from samplemind import demo" names a module too.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_parts(tree: ast.AST) -> set[str]:
    """What is imported from samplemind, wherever in the module."""
    names = (name.split(".") for name in imported_names(tree))
    known = set().union(*LAYERS)
    return {part[1] for part in names if part[0] == "samplemind" and len(part) > 1 and part[1] in known}


def at_import(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        statement = pending.pop()
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            pending += statement.orelse
            continue
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield statement
        for field in ("body", "orelse", "finalbody"):
            pending += getattr(statement, field, [])
        pending += [inner for handler in getattr(statement, "handlers", []) for inner in handler.body]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_from_below(module: Path) -> None:
    part = part_of(module)
    above = {
        other
        for other in imported_parts(ast.parse(module.read_text(encoding="utf-8")))
        if other != part and place_of(other) >= place_of(part)
    }
    assert not above


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_where_they_are_used(module: Path) -> None:
    name = ".".join(("samplemind", *module.relative_to(PACKAGE).with_suffix("").parts))
    imported = {
        name
        for statement in at_import(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for name in imported_names(statement)
    }
    assert not imported & HEAVY_MODULES
    heavy = HEAVY - ALLOWED.get(part_of(module), set())
    assert name in HEAVY_MODULES or not {name.split(".")[0] for name in imported} & heavy
