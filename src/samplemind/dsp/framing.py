"""Cutting a stream of samples into overlapping frames."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


def next_frames(
    tail: Float32 | None,
    samples: Float32,
    *,
    length: int,
    hop: int,
    last: bool,
    pad: Literal["zeros", "edge"] = "zeros",
) -> tuple[Float32 | None, Float32]:
    """Take the frames that are complete once `samples` have followed `tail`.

    Frame k is centred on sample k * hop; the signal is padded by length // 2 at both ends, so that a signal of
    n > 0 samples has 1 + n // hop frames in all, however it is cut into blocks (librosa's ``center=True``).

    Args:
        tail: what the previous call returned first; None at the start.
        samples: shape (n,), the next samples, n may be 0.
        length: frame length in samples.
        hop: distance between frames in samples.
        last: no more samples follow.
        pad: with zeros, or with copies of the first and the last sample.

    Returns:
        The new tail, and the frames as a read-only view of shape (frames, length).
    """
    half = length // 2
    parts = [samples]
    if tail is not None:
        parts.insert(0, tail)
    elif samples.size:
        parts.insert(0, np.full(half, samples[0] if pad == "edge" else 0, np.float32))
    if last and (samples.size or tail is not None):
        end = samples[-1] if samples.size else tail[-1] if tail is not None else 0
        parts.append(np.full(half, end if pad == "edge" else 0, np.float32))
    padded = np.concatenate(parts)
    count = max(0, 1 + (padded.size - length) // hop)
    step = padded.itemsize
    # What `sliding_window_view` gives, without the time that takes.
    frames = np.ndarray((count, length), padded.dtype, padded, strides=(hop * step, step))
    frames.flags.writeable = False
    return (padded[count * hop :] if padded.size else None), frames
