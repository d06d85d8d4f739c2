"""Frames of a stream are the frames of the whole, however it is cut."""

from __future__ import annotations

from typing import Literal

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samplemind.dsp.framing import next_frames


@pytest.mark.parametrize(("pad", "mode"), [("zeros", "constant"), ("edge", "edge")])
@given(st.lists(st.integers(0, 70), min_size=1, max_size=8).filter(any))
def test_equals_librosa_over_the_whole(pad: Literal["zeros", "edge"], mode: str, cuts: list[int]) -> None:
    samples = np.arange(1, sum(cuts) + 1, dtype=np.float32)
    expected = librosa.util.frame(np.pad(samples, 16, mode=mode), frame_length=32, hop_length=8, axis=0)
    tail = None
    found = []
    for block in range(len(cuts)):
        start = sum(cuts[:block])
        last = block == len(cuts) - 1
        block_samples = samples[start : start + cuts[block]]
        tail, frames = next_frames(tail, block_samples, length=32, hop=8, last=last, pad=pad)
        found.append(frames)
    assert np.array_equal(np.concatenate(found), expected)
    assert len(expected) == 1 + len(samples) // 8
