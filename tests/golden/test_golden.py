"""Numbers of every node, as they were: whoever changes them must raise the node's version.

    python -m tests.golden.test_golden     writes golden.json anew

Values are compared with a relative tolerance, so that another processor or a newer FFT is no drift.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samplemind.features import feature_graph
from samplemind.features.computation import compute
from samplemind.graph import Unknown
from samplemind.plain import to_plain
from tests.signals import clicks, music, noise, sine

GOLDEN = Path(__file__).with_name("golden.json")
TOLERANCE = 1e-3

SOUNDS = {
    "music, 44.1 kHz": (44_100, music(4.0)[:, None]),
    "clicks and noise, 48 kHz stereo": (
        48_000,
        np.stack([clicks(97, 6.0, sample_rate=48_000), noise(6.0, sample_rate=48_000, amplitude=0.02)], axis=1),
    ),
    "decaying note, 22.05 kHz": (
        22_050,
        (sine(196, 1.5, sample_rate=22_050) * np.linspace(1, 0, 33_075, dtype=np.float32) ** 2)[:, None],
    ),
}


def summary(value: Any) -> Any:
    """A node's value in a few numbers: of arrays their shape, mean, deviation and extremes."""

    def of_array(array: np.ndarray) -> dict[str, Any]:
        magnitudes = np.abs(array) if array.dtype.kind == "c" else array
        numbers = magnitudes.astype(np.float64)
        shape = {"shape": list(array.shape)}
        if not array.size:
            return shape
        return shape | {"mean": numbers.mean(), "std": numbers.std(), "min": numbers.min(), "max": numbers.max()}

    if isinstance(value, np.ndarray):
        return of_array(value)
    return {"unknown": value.reason} if isinstance(value, Unknown) else to_plain(value, array=of_array)


def current() -> dict[str, dict[str, Any]]:
    """Version and summary of every node, for every sound."""
    graph = feature_graph()
    found: dict[str, dict[str, Any]] = {}
    for name, (rate, samples) in SOUNDS.items():
        run = compute(lambda samples=samples: [samples], graph.nodes, sample_rate=rate, channels=samples.shape[1])
        found[name] = {
            node: {"version": graph.nodes[node].version, "value": json.loads(json.dumps(summary(run.values[node])))}
            for node in graph.nodes
        }
    return found


def drift(found: Any, expected: Any, scale: float = 0.0) -> bool:
    """Whether two plain values differ by more than the tolerance, relative to the largest number beside them."""
    if isinstance(expected, dict) and isinstance(found, dict):
        numbers = [abs(v) for v in expected.values() if isinstance(v, float)]
        scale = max(numbers, default=0.0)
        return found.keys() != expected.keys() or any(drift(found[k], expected[k], scale) for k in expected)
    if isinstance(expected, list) and isinstance(found, list):
        scale = max((abs(v) for v in expected if isinstance(v, float)), default=scale)
        return len(found) != len(expected) or any(drift(a, b, scale) for a, b in zip(found, expected, strict=True))
    if isinstance(expected, float) and isinstance(found, int | float):
        return abs(found - expected) > TOLERANCE * max(abs(expected), scale) + 1e-9
    return bool(found != expected)


@pytest.fixture(scope="module")
def today() -> dict[str, dict[str, Any]]:
    return current()


def test_every_node_is_in_the_file(today: dict[str, dict[str, Any]]) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for sound, nodes in today.items():
        assert nodes.keys() == golden[sound].keys(), "write the golden file anew: python -m tests.golden.test_golden"


def test_no_number_drifts_without_a_new_version(today: dict[str, dict[str, Any]]) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    complaints = []
    for sound, nodes in today.items():
        for node, now in nodes.items():
            then = golden[sound][node]
            if now["version"] != then["version"]:
                complaints.append(f"{node} has version {now['version']}: write the golden file anew")
            elif drift(now["value"], then["value"]):
                complaints.append(f"{node} drifted ({sound}): {then['value']!s:.200} is now {now['value']!s:.200}")
    # In the order of the graph: the first is the cause, the others depend on it or are causes of their own.
    assert not complaints, "raise the version of the first:\n" + "\n".join(complaints)


def test_a_drift_is_seen() -> None:
    assert drift({"mean": 1.01, "max": 2.0}, {"mean": 1.0, "max": 2.0})
    assert drift([1.0, 2.0], [1.0])
    assert drift("C", "D")
    assert not drift({"mean": 1.0001, "max": 2.0}, {"mean": 1.0, "max": 2.0})
    assert not drift({"mean": 1e-9, "max": 2.0}, {"mean": 0.0, "max": 2.0})


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
