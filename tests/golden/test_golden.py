"""Numbers of every node, as they were: whoever changes them must raise the node's version.

    python -m tests.golden.test_golden     writes golden.json anew

Values are compared with a tolerance, so that another processor or a newer FFT is no drift: a relative one, but an
absolute one for levels in dB, which are already relative to something.
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
LEVELS = ("_dbfs", "_dbtp", "_lufs", "_lu")
"""Ends of the names of nodes whose value is a level in dB: they are held to `TOLERANCE` dB."""


def surround() -> np.ndarray:
    """Six channels at 32 kHz: 3.5 s clipped, 3.5 s soft but in the loudness range, 3.5 s just above the absolute gate.

    Without the last part the middle one would be below the range's relative gate, as it would with a gate of -15 LU.
    """
    rate, seconds = 32_000, 10.5
    front = [noise(seconds, sample_rate=rate, amplitude=0.5, seed=seed) for seed in (1, 2)]
    centre = 2 * music(seconds, sample_rate=rate)
    low = sine(50, seconds, sample_rate=rate)
    sides = [noise(seconds, sample_rate=rate, amplitude=0.3, seed=seed) for seed in (3, 4)]
    level = np.repeat(10 ** (np.array([0.0, -23.5, -66.0]) / 20), round(seconds / 3 * rate))
    sound = np.stack([*front, centre, low, *sides], axis=1) * level[:, None]
    return np.clip(sound, -1, 1).astype(np.float32)


def cancelling(correlation: float) -> np.ndarray:
    """Two channels of equal power and nearly this correlation."""
    left, other = music(1.5), clicks(173, 1.5)
    other = other * np.sqrt(np.mean(left**2) / np.mean(other**2))
    right = correlation * left + np.sqrt(1 - correlation**2) * other
    return np.stack([left, right], axis=1).astype(np.float32)


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
    "clipped to soft, 32 kHz, six channels": (32_000, surround()),
    "channels that nearly cancel, 44.1 kHz": (44_100, cancelling(-0.88)),
    "channels that cancel, 44.1 kHz": (44_100, cancelling(-0.92)),
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
    """Version of every node, and summaries of its values for every sound; nodes in the order of the graph."""
    graph = feature_graph()
    found: dict[str, dict[str, Any]] = {name: {"version": node.version} for name, node in graph.nodes.items()}
    for sound, (rate, samples) in SOUNDS.items():
        run = compute(lambda samples=samples: [samples], graph.nodes, sample_rate=rate, channels=samples.shape[1])
        for node in graph.nodes:
            found[node][sound] = json.loads(json.dumps(summary(run.values[node])))
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


def complaints(now: dict[str, dict[str, Any]], then: dict[str, dict[str, Any]]) -> list[str]:
    """What drifted, in the order of the graph: the first is a cause, the others depend on it or are causes too."""
    found = []
    for node, today in now.items():
        golden = then[node]
        if today["version"] != golden["version"]:
            found.append(f"{node} has version {today['version']}: write the golden file anew")
            continue
        for sound in [name for name in today if name != "version"]:
            value, expected = today[sound], golden[sound]
            if node.endswith(LEVELS) and isinstance(value, float) and isinstance(expected, float):
                drifted = abs(value - expected) > TOLERANCE
            else:
                drifted = drift(value, expected)
            if drifted:
                found.append(f"{node} drifted ({sound}): {expected!s:.200} is now {value!s:.200}")
    return found


@pytest.fixture(scope="module")
def today() -> dict[str, dict[str, Any]]:
    return current()


@pytest.fixture(scope="module")
def golden() -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return content


def test_every_node_and_sound_is_in_the_file(
    today: dict[str, dict[str, Any]], golden: dict[str, dict[str, Any]]
) -> None:
    expected = {node: values.keys() for node, values in golden.items()}
    found = {node: values.keys() for node, values in today.items()}
    assert found == expected, "write the golden file anew: python -m tests.golden.test_golden"


def test_no_number_drifts_without_a_new_version(
    today: dict[str, dict[str, Any]], golden: dict[str, dict[str, Any]]
) -> None:
    found = complaints(today, golden)
    assert not found, "raise the version of the first:\n" + "\n".join(found)


def test_a_drift_is_seen() -> None:
    assert drift({"mean": 1.01, "max": 2.0}, {"mean": 1.0, "max": 2.0})
    assert drift([1.0, 2.0], [1.0])
    assert drift("C", "D")
    assert not drift({"mean": 1.0001, "max": 2.0}, {"mean": 1.0, "max": 2.0})
    assert not drift({"mean": 1e-9, "max": 2.0}, {"mean": 0.0, "max": 2.0})
    assert drift({"unknown": "it is silent"}, 1.0)


def test_a_level_may_drift_by_a_thousandth_of_a_decibel() -> None:
    then = {"loudness_lufs": {"version": 1, "a": -20.0}, "rms": {"version": 1, "a": -20.0}}
    assert not complaints({name: values | {"a": -20.0009} for name, values in then.items()}, then)
    (complaint,) = complaints({name: values | {"a": -20.002} for name, values in then.items()}, then)
    assert complaint.startswith("loudness_lufs drifted")


def test_the_first_complaint_is_the_cause_whichever_sound_shows_it() -> None:
    then = {"cause": {"version": 1, "a": 1.0, "b": 1.0}, "effect": {"version": 1, "a": 1.0, "b": 1.0}}
    now = {"cause": {"version": 1, "a": 1.0, "b": 2.0}, "effect": {"version": 1, "a": 2.0, "b": 2.0}}
    assert complaints(now, then)[0].startswith("cause drifted (b)")


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
