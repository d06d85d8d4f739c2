"""A small picture of a sound in Unicode: its waveform, its beats, its time axis. Plain text, without colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

CELLS: Final = 64
"""Characters across. One of braille is two dots wide, and the waveform of a sound has 128 slices."""
ROWS: Final = 4
"""Characters down: eight dots above the centre and eight below."""
_HALF: Final = 2 * ROWS
_BRAILLE: Final = 0x2800
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bit of each dot of a braille character: left column and right column, from the top (Unicode chart 2800)."""

BEAT: Final = "╵"
DOWNBEAT: Final = "▲"
_CELLS_PER_MARK: Final = 2
"""Marks stand at least so far apart on average; of beats that are closer only the downbeats are drawn."""

_STEPS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200)
_HOUR: Final = 3600
_MOST_TICKS: Final = 7

_EIGHTHS: Final = "▁▂▃▄▅▆▇█"


def waveform_rows(slices: Sequence[float]) -> list[str]:
    """Draw peak amplitudes as a shape that mirrors about its centre line, in `ROWS` lines of `CELLS` characters.

    The loudest slice fills the height. Silence is a line.
    """
    dots = 2 * CELLS
    peak = max(slices, default=0.0) or 1.0
    # A slice may stand for several columns of dots, in short sounds.
    heights = [max(1, math.ceil(_HALF * slices[dot * len(slices) // dots] / peak)) for dot in range(dots)]
    rows = []
    for row in range(ROWS):
        cells = []
        for cell in range(CELLS):
            bits = 0
            for column in (0, 1):
                height = heights[2 * cell + column]
                for dot in range(4):
                    if _HALF - height <= 4 * row + dot < _HALF + height:
                        bits |= _DOTS[column][dot]
            cells.append(chr(_BRAILLE + bits))
        rows.append("".join(cells))
    return rows


def beat_row(beats_s: Sequence[float], downbeats_s: Sequence[float], duration_s: float) -> str | None:
    """Mark the beats beneath a waveform; None if they would be too close together."""
    marks = [(time, BEAT) for time in beats_s] + [(time, DOWNBEAT) for time in downbeats_s]
    if len(beats_s) * _CELLS_PER_MARK > CELLS:
        marks = [(time, DOWNBEAT) for time in downbeats_s]
    if not marks or len(marks) * _CELLS_PER_MARK > 2 * CELLS:
        return None
    cells = [" "] * CELLS
    for time, mark in marks:
        cells[_cell(time, duration_s)] = mark
    return "".join(cells).rstrip()


def time_axis(duration_s: float) -> str:
    """Label the time beneath a waveform, in round steps."""
    step = next((step for step in _STEPS if duration_s / step <= _MOST_TICKS), _HOUR)
    while duration_s / step > _MOST_TICKS:
        step *= 2
    cells = [" "] * (CELLS + 10)
    tick = 0
    while tick * step <= duration_s:
        label = clock(tick * step, step)
        start = _cell(tick * step, duration_s)
        if start + len(label) <= CELLS:
            cells[start : start + len(label)] = label
        tick += 1
    return "".join(cells).rstrip()


def clock(seconds: float, step: float) -> str:
    """A time as people write it, as fine as `step` seconds: ``0.25 s``, ``12 s``, ``3:20``, ``1:02:00``."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if step < 1 or (seconds < 60 and step < 15):
        return f"{seconds:.{decimals}f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bars(levels: Sequence[float]) -> list[str]:
    """One block character for each level, the largest being the highest."""
    peak = max(levels, default=0.0) or 1.0
    return [_EIGHTHS[min(len(_EIGHTHS) - 1, int(len(_EIGHTHS) * max(level, 0.0) / peak))] for level in levels]


def _cell(time: float, duration_s: float) -> int:
    """The character nearest to a time; a dot is half of one."""
    return min(max(int(CELLS * time / duration_s + 0.25), 0), CELLS - 1)
