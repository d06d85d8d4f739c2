"""Cutting a stream of samples into overlapping frames."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


def next_frames(
    tail: Float32 | None, samples: Float32, *, length: int, hop: int, last: bool
) -> tuple[Float32, Float32]:
    """Take the frames that are complete once `samples` have followed `tail`.

    Frame k is centred on sample k * hop; the signal is padded with length // 2 zeros at both ends, so that a
    signal of n samples has 1 + n // hop frames in all, however it is cut into blocks (librosa's
    ``center=True, pad_mode="constant"``).

    Args:
        tail: what the previous call returned first; None at the start.
        samples: shape (n,), the next samples, n may be 0.
        length: frame length in samples.
        hop: distance between frames in samples.
        last: no more samples follow.

    Returns:
        The new tail, and the frames as a read-only view of shape (frames, length).
    """
    if tail is None:
        tail = np.zeros(length // 2, np.float32)
    parts = [tail, samples]
    if last:
        parts.append(np.zeros(length // 2, np.float32))
    padded = np.concatenate(parts)
    if padded.size < length:
        return padded, np.empty((0, length), np.float32)
    frames = sliding_window_view(padded, length)[::hop]
    return padded[len(frames) * hop :], frames
