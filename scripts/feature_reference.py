"""Write docs/features.md, every field of the document and every node of the graph, and the document's JSON Schema.

    python scripts/feature_reference.py

The tests compare the files with what this gives.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

from samplemind.features import MODULES, feature_graph
from samplemind.features.levels import level_of
from samplemind.graph import Node
from samplemind.result import AudioFeatures, document_hints, document_schema

DOCS = Path(__file__).resolve().parents[1] / "docs"

INTRODUCTION = """\
# Features

What every field of the document means, and how every node of the graph is computed. Made from the docstrings by
`python scripts/feature_reference.py`; the tests hold it to them.

## The document

[audio-features.schema.json](audio-features.schema.json) is its JSON Schema. Times are in seconds from the start of the
sound. A field that is null has its reason in `unknown`, under its name.
Fields whose node is – are properties of the file or of the analysis.

| field | type | level | node |
|---|---|---|---|
"""

NODES = """
## The nodes

*Per-frame* nodes see blocks of rows, *scans* carry state from block to block, *folds* give their last state, *track*
nodes see the whole sound at its end ([architecture.md](architecture.md)).
"""


def reference() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(map(field_row, dataclasses.fields(AudioFeatures))) + NODES + "".join(families())


def field_row(field: dataclasses.Field[Any]) -> str:
    """One field of the document."""
    if field.name == "series":
        return ""
    node = field.metadata.get("node")
    level = field.metadata.get("level") or (level_of(node) if node else None)
    shown = f"`{node}`" if node else "not yet" if level else "–"
    return f"| `{field.name}` | {type_words(document_hints()[field.name])} | {level or '–'} | {shown} |\n"


def type_words(hint: Any) -> str:
    """A type as a reader of JSON sees it."""
    words = re.sub(r"<(?:class|enum) '([^']+)'>", r"\1", str(hint))
    words = re.sub(r"\b(?:\w+\.)+(?=\w)", "", words)
    for python, plain in (
        ("str", "string"),
        ("float", "number"),
        ("int", "integer"),
        ("NoneType", "null"),
        ("None", "null"),
    ):
        words = re.sub(rf"\b{python}\b", plain, words)
    return (
        words.replace(" | ", " or ").replace("tuple[", "array[").replace(", ...]", "]").replace("Mapping[", "object[")
    )


def families() -> list[str]:
    """One section for each module of features."""
    graph = feature_graph()
    sections = []
    for name in MODULES:
        module = importlib.import_module(f"samplemind.features.{name}")
        members = [node for node in graph.nodes.values() if node.function.__module__ == module.__name__]
        sections.append(f"\n### {name}\n\n{inspect.getdoc(module)}\n" + "".join(map(entry, members)))
    return sections


def entry(node: Node) -> str:
    """One node: what the graph knows of it, and its docstring."""
    stream = f" on {node.stream.name}" if node.stream else ""
    context = f" · context {node.context[0]} before, {node.context[1]} after" if node.context != (0, 0) else ""
    needs = ", ".join(f"`{name}`" for name in node.parameters)
    facts = f"{node.kind}{stream} · version {node.version}{context} · needs {needs}"
    return f"\n#### `{node.name}`\n\n{facts}\n\n{inspect.getdoc(node.function)}\n"


def pages() -> dict[Path, str]:
    """What each file should hold."""
    schema = json.dumps(document_schema(), indent=2) + "\n"
    return {DOCS / "features.md": reference(), DOCS / "audio-features.schema.json": schema}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
