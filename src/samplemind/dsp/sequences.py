"""Best paths through time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled


@compiled
def beat_path(strength: NDArray[np.float32], period: float, tightness: float) -> NDArray[np.int64]:
    """Frames of the beat sequence with the most onset strength and the steadiest steps, by dynamic programming.

    A step of d frames costs tightness * ln(d / period)²; steps are between half and twice the period.

    Args:
        strength: shape (frames,), onset strength with a deviation of about 1.
        period: frames per beat, 2 or more.
        tightness: how much an uneven step costs.

    Returns:
        Shape (beats,), ascending frame indices.

    Source: D. Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36(1), 2007.
    """
    count = strength.size
    shortest = max(1, int(np.round(period / 2)))
    longest = max(shortest + 1, int(np.round(period * 2)))
    cost = np.empty(longest + 1)
    for step in range(shortest, longest + 1):
        cost[step] = tightness * np.log(step / period) ** 2
    score = np.empty(count)
    previous = np.full(count, -1, np.int64)
    for frame in range(count):
        best = 0.0
        chosen = -1
        for step in range(shortest, min(longest, frame) + 1):
            value = score[frame - step] - cost[step]
            if value > best:
                best = value
                chosen = frame - step
        score[frame] = strength[frame] + best
        previous[frame] = chosen
    # The last beat is the best within the last period: later frames would only add a stray beat.
    last = 0
    for frame in range(max(0, count - longest), count):
        if score[frame] >= score[last]:
            last = frame
    length = 0
    frame = last
    while frame >= 0:
        length += 1
        frame = previous[frame]
    beats = np.empty(length, np.int64)
    frame = last
    for index in range(length - 1, -1, -1):
        beats[index] = frame
        frame = previous[frame]
    return beats


@compiled
def prominent_frames(
    strength: NDArray[np.float32], radius: int, before: int, after: int, least: float
) -> NDArray[np.int64]:
    """Frames that are the largest of those around, and stand out from the mean around them.

    Args:
        strength: shape (frames,), not negative; beyond the ends it is taken for zero.
        radius: frames to each side of which none is larger.
        before: frames of the mean before the frame.
        after: frames of the mean after it.
        least: by how much the frame exceeds the mean.

    Returns:
        Shape (found,), ascending.
    """
    count = strength.size
    found = np.empty(count, np.int64)
    number = 0
    total = 0.0
    for frame in range(min(after, count)):
        total += strength[frame]
    for frame in range(count):
        if frame + after < count:
            total += strength[frame + after]
        if frame > before:
            total -= strength[frame - before - 1]
        if strength[frame] < total / (before + after + 1) + least:
            continue
        largest = True
        for other in range(max(frame - radius, 0), min(frame + radius + 1, count)):
            largest = largest and strength[other] <= strength[frame]
        if largest:
            found[number] = frame
            number += 1
    return found[:number]
