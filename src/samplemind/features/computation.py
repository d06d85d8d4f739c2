"""Running the feature graph over one sound, with the downmix that fits it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.execution import Run, run_graph
from samplemind.features import feature_graph
from samplemind.features.downmix import Downmix
from samplemind.features.streams import BLOCK_S
from samplemind.graph import Unknown
from samplemind.plain import require_finite

_LARGEST_MAPPED: Final = 2**25 - 2**13
"""Bytes: a little under what glibc takes for its thresholds at most, 32 MiB."""

Blocks = Iterable[NDArray[np.float32]]


def block_frames(sample_rate: int) -> int:
    """Frames of the file's own rate that make one block."""
    return max(1, round(BLOCK_S * sample_rate))


def compute(
    open_blocks: Callable[[], Blocks],
    wanted: Iterable[str],
    *,
    sample_rate: int,
    channels: int,
    given: Mapping[str, Any] | None = None,
) -> Run:
    """Compute nodes of one sound.

    Spectral, rhythm and tonal nodes see the mean of the channels. Only at the end is it known whether the channels
    cancel each other in it; if so, those nodes, and no others, run again over the strongest channel.

    Args:
        open_blocks: gives the sound's blocks of shape (n, channels), from the start; called once or twice.
        wanted: names of nodes.
        sample_rate: in Hz.
        channels: number of channels.
        given: values that replace nodes.

    Raises:
        UnknownFeatureError: a name that is no node.
        GraphError: given series are not as long as those that they meet.
    """
    _keep_freed_memory()
    graph = feature_graph()
    wanted = set(wanted)
    given = dict(given or {})
    if channels == 1:
        given.setdefault("fitting_downmix", Downmix(channel=None))

    def run(names: Iterable[str], channel: int | None) -> Run:
        inputs = {"sample_rate": sample_rate, "mono_channel": channel}
        return run_graph(graph, names, blocks=_lazily(open_blocks), inputs=inputs, given=given)

    mixed = set(_of_the_downmix(frozenset(wanted), frozenset(given)))
    if not mixed:
        return run(wanted, None)
    if "fitting_downmix" in given:
        return run(wanted, given["fitting_downmix"].channel)
    first = run(wanted | {"fitting_downmix"}, None)
    fitting = first.values["fitting_downmix"]
    if fitting.channel is None:
        return first
    mixed.discard("fitting_downmix")
    given.update({name: value for name, value in first.values.items() if name not in mixed})
    second = run(mixed, fitting.channel)
    first.values.update(second.values)
    for name, seconds in second.seconds.items():
        first.seconds[name] = first.seconds.get(name, 0.0) + seconds
        first.calls[name] = first.calls.get(name, 0) + second.calls[name]
    return first


@functools.cache
def _keep_freed_memory() -> None:
    """Let the C library keep what one block took for the next one, which is given to it page by page otherwise.

    glibc keeps twice as much as the largest piece that was ever mapped alone and let go (mallopt(3),
    ``M_TRIM_THRESHOLD``): here is one that nobody touches. Other libraries are not moved by it.
    """
    np.empty(_LARGEST_MAPPED, np.uint8)


@functools.lru_cache(maxsize=256)
def _of_the_downmix(wanted: frozenset[str], given: frozenset[str]) -> frozenset[str]:
    """Those of some nodes that see the sound mixed to one channel."""
    graph = feature_graph()
    return frozenset(name for name in wanted - given if "mono_channel" in graph.plan([name], given=given).inputs)


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of nodes, by name, with `Unknown` in the place of each in which a number is not finite."""
    try:
        require_finite(values)
    except ValueError:
        return {node: _finite(node, value) for node, value in values.items()}
    return dict(values)


def _finite(node: str, value: Any) -> Any:
    try:
        require_finite(value)
    except ValueError as error:
        return Unknown(f"the computation of {node} failed: {error}")
    return value


def _lazily(open_blocks: Callable[[], Blocks]) -> Blocks:
    """Open the sound only when the first block is asked for: not every request needs samples."""
    yield from open_blocks()
