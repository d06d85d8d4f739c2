"""Every public function in this package's modules is a node of the feature graph."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.features.streams import Samples
from samplemind.graph import Graph

MODULES: Final = (
    "downmix",
    "spectra",
    "timbre",
    "loudness",
    "peaks",
    "onsets",
    "tempo_candidates",
    "beats",
    "tempo",
    "tonality",
    "kind",
    "opening",
    "pitch",
    "envelope",
    "similarity",
    "separation",
    "quality",
)
"""The families of features, from the samples up."""

INPUTS: Final = {"samples": Samples, "sample_rate": int, "mono_channel": int | None}
"""What a run is handed: the blocks, their rate in Hz, and the channel that stands for the sound (None: the mean)."""


def feature_functions() -> Iterator[Callable[..., Any]]:
    """Every feature: the public functions that the modules of `MODULES` define."""
    for name in MODULES:
        module = importlib.import_module(f"{__name__}.{name}")
        for function in vars(module).values():
            public = inspect.isfunction(function) and not function.__name__.startswith("_")
            if public and function.__module__ == module.__name__:
                yield function


@functools.cache
def feature_graph() -> Graph:
    """The graph of all features."""
    return Graph(feature_functions(), inputs=INPUTS)


def with_times(series: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Add to frame-level series the times of their rows in seconds, as ``<stream>_times_s`` for every stream."""
    graph = feature_graph()
    times: dict[str, NDArray[Any]] = {}
    for name, rows in series.items():
        stream = graph.node(name).stream
        if stream is not None and stream.rate_hz is not None:
            times[f"{stream.name.replace(' ', '_')}_times_s"] = np.arange(len(rows)) / stream.rate_hz
    return {**series, **times}
