"""Samples in memory to single features, through the same graph and cache as files."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samplemind.audio import LARGEST_SAMPLE, Limits, array_digest
from samplemind.cache import FeatureCache
from samplemind.cache.bundle import current_values, encode
from samplemind.errors import InvalidSamplesError
from samplemind.features import feature_graph
from samplemind.features.computation import block_frames, compute, finite

ARRAY_NAME: Final = "<array>"
"""What errors call samples that came as an array."""
_LARGEST_KEPT: Final = 16 * 2**20
"""Series of more bytes than this are not kept in the cache."""


def extract_features(
    samples: ArrayLike,
    sample_rate: int,
    names: Iterable[str],
    *,
    given: Mapping[str, Any] | None,
    cache: FeatureCache | None,
    limits: Limits,
) -> dict[str, Any]:
    """Compute nodes of samples in memory; see `AudioEngine.extract`."""
    array = np.asarray(samples)
    if array.dtype == np.float16:
        array = array.astype(np.float32)  # its range is too small for the squares of samples
    rate, channels = _checked(array, sample_rate, limits)
    graph = feature_graph()
    wanted = {graph.node(name).name for name in names}
    given = {graph.node(name).name: value for name, value in (given or {}).items()}
    if cache is None or given:  # what was given is no part of the samples' digest
        return _computed(channels, rate, wanted, given)
    prefix = f"array/{array_digest(array, rate)}"
    values = _known(cache, prefix, wanted)
    if wanted <= values.keys():
        return values
    with cache.computing(prefix) as waited:
        if waited:
            cache.count_waited()
        values = _known(cache, prefix, wanted)
        started = time.perf_counter()
        new = _computed(channels, rate, wanted - values.keys(), values)
        cache.count(computed_s=time.perf_counter() - started if new else 0.0, saved_s=0.0)
        small = {name: value for name, value in new.items() if getattr(value, "nbytes", 0) <= _LARGEST_KEPT}
        cache.put(
            {f"{prefix}/{name}": encode({name: (graph.fingerprints[name], value)}) for name, value in small.items()}
        )
    return values | new


def _known(cache: FeatureCache, prefix: str, names: Iterable[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in names:
        values |= current_values(feature_graph(), cache.get_bundle(f"{prefix}/{name}"))
    return values


def _computed(channels: NDArray[Any], rate: int, names: set[str], given: Mapping[str, Any]) -> dict[str, Any]:
    if not names:
        return {}
    run = compute(
        lambda: _blocks(channels, block_frames(rate)),
        names,
        sample_rate=rate,
        channels=channels.shape[1],
        given=given,
    )
    return finite({name: run.values[name] for name in names})


def _checked(samples: NDArray[Any], sample_rate: int, limits: Limits) -> tuple[int, NDArray[Any]]:
    """The rate as an int, and the samples as (n, channels)."""
    if samples.dtype.kind != "f":
        raise InvalidSamplesError(ARRAY_NAME, f"samples must be floating point, full scale ±1, not {samples.dtype}")
    if samples.ndim not in (1, 2) or samples.size == 0:
        raise InvalidSamplesError(ARRAY_NAME, f"samples must be (n,) or (n, channels), not {samples.shape}")
    try:
        rate = operator.index(sample_rate)
    except TypeError:
        raise InvalidSamplesError(ARRAY_NAME, f"the sample rate must be a whole number, not {sample_rate!r}") from None
    channels = samples.reshape(len(samples), -1)
    if channels.shape[1] > limits.max_channels:
        reason = f"{channels.shape[1]} channels; the limit is {limits.max_channels} (axes are samples, channels)"
        raise InvalidSamplesError(ARRAY_NAME, reason)
    limits.check_shape(ARRAY_NAME, rate, channels.shape[1])
    limits.check_duration(ARRAY_NAME, len(channels), rate, "holds")
    if not np.abs(samples).max() <= LARGEST_SAMPLE:
        raise InvalidSamplesError(ARRAY_NAME, f"some samples are NaN, infinite or beyond ±{LARGEST_SAMPLE:g}")
    return rate, channels


def _blocks(samples: NDArray[Any], frames: int) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(samples), frames):
        yield np.ascontiguousarray(samples[start : start + frames], np.float32)
