"""Everything that the first file would wait for: libraries imported, kernels compiled or loaded."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from samplemind.features.computation import block_frames, compute
from samplemind.features.levels import AnalysisLevel, outputs_of
from samplemind.features.streams import SAMPLE_RATE


def warm_up(level: AnalysisLevel) -> None:
    """Analyse two seconds of made-up sound in memory: a struck note, in stereo and in mono."""
    with contextlib.suppress(ImportError):
        import av  # noqa: F401 (imported for what it maps into memory)
    with contextlib.suppress(ImportError):
        import soundfile  # noqa: F401
    wanted = {node for nodes in outputs_of(level).values() for node in nodes}
    for channels in (1, 2):
        sound = _struck_note(channels)
        compute(functools.partial(_blocks, sound), wanted, sample_rate=SAMPLE_RATE, channels=channels)


def _struck_note(channels: int) -> NDArray[np.float32]:
    times = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    note = 0.5 * np.sin(2 * np.pi * 220 * times) * np.exp(-times / 0.2)
    return np.repeat(note[:, None], channels, axis=1).astype(np.float32)


def _blocks(sound: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    frames = block_frames(SAMPLE_RATE)
    for start in range(0, len(sound), frames):
        yield sound[start : start + frames]
