"""The first seconds of a sound, kept whole for what looks at single notes and hits."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.features.streams import SAMPLE_RATE, Mono

OPENING_S: Final = 8.0
"""Longer than nearly every one-shot sounds, and 1.4 MB."""
_LENGTH: Final = round(OPENING_S * SAMPLE_RATE)


def opening(state: NDArray[np.float32] | None, mono: Mono) -> NDArray[np.float32]:
    """The first 8 s of the mono stream after the digital silence that it may begin with: shape (n,), 44.1 kHz.

    All of it if it is shorter; none of silence.
    """
    state = np.empty(0, np.float32) if state is None else state
    if len(state) == _LENGTH:
        return state
    if not len(state):
        mono = mono[np.argmax(mono != 0) :] if mono.any() else mono[:0]
    return np.concatenate([state, mono[: _LENGTH - len(state)]])
