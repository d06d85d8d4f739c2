"""The steady grid that events in time lie on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

FIRST_EVENTS: Final = 8
"""Events that the first fit rests on: two bars of 4/4."""
TOLERANCE_S: Final = 0.035
"""An event lies on the grid when it is no farther from it: half of the 70 ms window of beat evaluation."""
TOLERANCE_PERIODS: Final = 0.1
"""…and not farther than this share of a period."""
LARGEST_CHANGE: Final = 0.03
"""A fit that changes the period by more than this has locked on to something else and is not taken. From
0.02 to 0.05 real beats come out alike."""
ROUNDS: Final = 3
"""Fits per span: each decides anew which events lie on the grid."""


@dataclass(frozen=True)
class GridFit:
    """Grid of times offset + k * period, and how well events lie on it and on the middles between."""

    offset: float
    period: float
    period_error: float
    """Standard error of the period."""
    share: float
    """Share of the events' weight that lies on the grid, 0 to 1."""
    deviation: float
    """Root mean square distance of those events from it."""


def steady_grid(times: Float64, weights: Float64, period: float) -> GridFit:
    """Fit offset and period of a grid to events by weighted regression.

    The fit starts with the eight neighbouring events of most weight, and the span doubles until it holds all
    events. So long gaps and single wrong events do no harm, and the period is as exact as the whole allows. Events
    may also fall halfway between two grid points, for a beat tracker may slip to the off-beat.

    Args:
        times: shape (events,), ascending, in seconds; one or more.
        weights: shape (events,), not negative.
        period: first guess in seconds, within about 3 %.
    """
    width = min(FIRST_EVENTS, len(times))
    start = int(np.convolve(weights, np.ones(width), "valid").argmax())
    low, high = float(times[start]), float(times[start + width - 1])
    offset = float(times[start + int(weights[start : start + width].argmax())])
    step = period / 2
    while True:
        inside = (times >= low) & (times <= high)
        for _ in range(ROUNDS):
            offset, step = _fit(times[inside], weights[inside], offset, step)
        if low <= times[0] and high >= times[-1]:
            break
        span = max(high - low, period)
        low, high = low - span / 2, high + span / 2
    index, distance, near = _on_grid(times, offset, step)
    weight = weights * near
    total = float(weight.sum())
    if total <= 0.0:
        return GridFit(offset, period, period, 0.0, TOLERANCE_S)
    # Sums, not inner products, which would start threads for many events.
    deviation = float(np.sqrt((weight * distance**2).sum() / total))
    middle = float((weight * index).sum()) / total
    spread = float(np.sqrt((weight * (index - middle) ** 2).sum() / total))
    independent = max(1.0, total**2 / float((weight**2).sum()) - 2)
    error = 2 * deviation / np.sqrt(independent) / max(spread, 0.5)
    return GridFit(offset, 2 * step, float(error), total / float(weights.sum()), deviation)


def _on_grid(times: Float64, offset: float, step: float) -> tuple[Float64, Float64, NDArray[np.bool_]]:
    """Grid index and distance of every event, and whether it is on the grid."""
    index = np.round((times - offset) / step)
    distance = times - offset - index * step
    return index, distance, np.abs(distance) < min(TOLERANCE_S, TOLERANCE_PERIODS * 2 * step)


def _fit(times: Float64, weights: Float64, offset: float, step: float) -> tuple[float, float]:
    """One weighted least-squares fit of offset and step."""
    index, _, near = _on_grid(times, offset, step)
    weight = weights * near
    total = float(weight.sum())
    if total <= 0.0:
        return offset, step
    middle, centre = float((weight * index).sum()) / total, float((weight * times).sum()) / total
    variance = float((weight * (index - middle) ** 2).sum())
    fitted = float((weight * (index - middle) * (times - centre)).sum()) / variance if variance > 0.0 else step
    if abs(fitted / step - 1) > LARGEST_CHANGE:
        return offset, step
    return centre - middle * fitted, fitted
