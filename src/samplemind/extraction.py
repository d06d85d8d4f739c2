"""Samples in memory to single features, through the same graph and cache as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.audio import LARGEST_SAMPLE, array_digest
from samplemind.cache import FeatureCache
from samplemind.errors import InvalidSamplesError
from samplemind.features import feature_graph
from samplemind.features.computation import block_frames, compute
from samplemind.graph import Unknown

ARRAY_NAME: Final = "<array>"
"""What errors call samples that came as an array."""
_LARGEST_KEPT: Final = 16 * 2**20
"""Series of more bytes than this are not kept in the cache."""


def extract_features(
    samples: NDArray[np.floating[Any]],
    sample_rate: int,
    names: Iterable[str],
    *,
    given: Mapping[str, Any] | None,
    cache: FeatureCache | None,
) -> dict[str, Any]:
    """Compute nodes of samples in memory; see `AudioEngine.extract`."""
    channels = _checked(samples, sample_rate)
    graph = feature_graph()
    values: dict[str, Any] = {}
    digest = None
    if cache is not None and not given:
        digest = array_digest(samples, sample_rate)
        for name in names:
            stored = cache.get_values(f"array/{digest}/{name}").get(name)
            if stored is not None and stored.fingerprint == graph.fingerprints.get(name):
                values[name] = stored.value(graph.node(name).result | Unknown)
    missing = [name for name in names if name not in values]
    if not missing:
        return values
    run = compute(
        lambda: _blocks(channels, block_frames(sample_rate)),
        missing,
        sample_rate=sample_rate,
        channels=channels.shape[1],
        given=given,
    )
    values |= {name: run.values[name] for name in missing}
    if cache is not None and digest is not None:
        for name in missing:
            if getattr(values[name], "nbytes", 0) <= _LARGEST_KEPT:
                cache.put_values(f"array/{digest}/{name}", {name: (graph.fingerprints[name], values[name])})
    return values


def _checked(samples: NDArray[np.floating[Any]], sample_rate: int) -> NDArray[np.floating[Any]]:
    """The samples as (n, channels)."""
    samples = np.asarray(samples)
    if samples.dtype.kind != "f":
        raise InvalidSamplesError(ARRAY_NAME, f"samples must be floating point, full scale ±1, not {samples.dtype}")
    if samples.ndim not in (1, 2) or samples.size == 0:
        raise InvalidSamplesError(ARRAY_NAME, f"samples must be (n,) or (n, channels), not {samples.shape}")
    if not isinstance(sample_rate, int) or sample_rate <= 0:
        raise InvalidSamplesError(ARRAY_NAME, f"the sample rate must be a whole number above 0, not {sample_rate!r}")
    if not np.abs(samples).max() <= LARGEST_SAMPLE:
        raise InvalidSamplesError(ARRAY_NAME, f"some samples are NaN, infinite or beyond ±{LARGEST_SAMPLE:g}")
    return samples.reshape(len(samples), -1)


def _blocks(samples: NDArray[np.floating[Any]], frames: int) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(samples), frames):
        yield np.ascontiguousarray(samples[start : start + frames], np.float32)
