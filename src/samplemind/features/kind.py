"""What sort of thing a sound is to someone who makes music."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.features.onsets import STRONGEST_SHARE
from samplemind.features.streams import FRAME_RATE, PerFrame
from samplemind.features.tempo import Tempo
from samplemind.graph import Unknown

SHORTEST_BAR_S: Final = 1.0
"""Nothing shorter is a loop: one bar of four beats at 240 bpm."""
SURE_LOOP_S: Final = 12.0
"""A phrase up to this long is a loop, whatever its length in beats: four bars at 80 bpm."""
LONGEST_LOOP_S: Final = 60.0
"""Anything longer is a track: few loops exceed sixteen bars, 60 s at 64 bpm."""
BAR_BEATS: Final = 4
BEAT_TOLERANCE: Final = 0.125
"""Beats by which a loop may miss whole bars: a thirty-second note."""

SOUNDING: Final = 1e-3
"""A sound lasts from the first to the last frame with this share of the level of its loudest one, -60 dB, the range
over which reverberation is measured."""
LOUD_DB: Final = -20.0
"""An event comes within this of the loudest frame: the rest is tails, breath and fingers."""
STRONG: Final = 0.3
"""An event's onset has this share of the strongest onsets at least. Real loops and one-shots are told apart about
equally well from 0.15 to 0.4, with a rise of 1 to 4 dB and events 0.15 to 0.25 s apart."""
RISE_DB: Final = 2.0
"""An event raises the level by this much: vibrato moves the spectrum but not the level."""
RISE_FRAMES: Final = round(0.07 * FRAME_RATE)
"""Frames before and after an onset between which the level rises."""
EVENT_GAP_S: Final = 0.2
"""What follows an event sooner belongs to it: the strings of a strum, the hands of a clap."""
FEWEST_EVENTS: Final = 3
"""Events that a phrase has at least."""
SPREAD: Final = 0.5
"""Share of the duration that the events of a phrase span at least: those of one sound crowd at its start."""


@dataclass(frozen=True)
class Kind:
    """One sound event ("one-shot"), a repeating phrase ("loop") or a piece ("track")."""

    label: str


def kind(
    duration_s: float,
    onsets: NDArray[np.float64],
    onset_envelope: PerFrame,
    rms: PerFrame,
    tempo: Tempo | Unknown,
) -> Kind | Unknown:
    """Tell a one-shot from a loop from a track.

    A one-shot lasts less than 1 s, or it lasts up to a minute and either has fewer than three events that raise the
    level, or has them all within half of its time. Of other sounds a loop is what lasts up to 12 s, or up to a minute
    if that is whole bars of four beats. The rest are tracks. Level plays no part, and silence around a sound only
    for the minute, and where it completes a bar. Unknown for silence.
    """
    if not rms.size:
        return Unknown("it is too short for a single frame")
    if not rms.any():
        return Unknown("every sample is zero")
    if duration_s > LONGEST_LOOP_S:
        return Kind("track")
    sounding = np.flatnonzero(rms > SOUNDING * rms.max()) / FRAME_RATE
    sounding_s = min(duration_s, float(sounding[-1] - sounding[0]))
    if not _is_phrase(_events(onsets, onset_envelope, rms), sounding_s):
        return Kind("one-shot")
    # Silence may be a loop's last rest, or not be part of it.
    lengths = (duration_s, duration_s - float(sounding[0]), sounding_s)
    if sounding_s <= SURE_LOOP_S or any(_lasts_whole_bars(length_s, tempo) for length_s in lengths):
        return Kind("loop")
    return Kind("track")


def _events(onsets: NDArray[np.float64], onset_envelope: NDArray[np.float32], rms: NDArray[np.float32]) -> list[float]:
    """Times of the onsets that raise the level."""
    level = 20 * np.log10(np.maximum(rms / rms.max(), 1e-6))
    # Nothing was there before the first frame.
    level = np.concatenate([np.full(RISE_FRAMES, level.min()), level])
    strongest = np.sort(onset_envelope)[-max(3, int(len(onset_envelope) * STRONGEST_SHARE)) :].mean()
    events: list[float] = []
    for time in onsets.tolist():
        frame = min(round(time * FRAME_RATE), len(rms) - 1)
        before = float(level[frame : frame + RISE_FRAMES + 1].min())
        after = float(level[frame + RISE_FRAMES : frame + 2 * RISE_FRAMES].max())
        strong = onset_envelope[frame] >= STRONG * strongest
        apart = not events or time - events[-1] >= EVENT_GAP_S
        if strong and apart and after >= LOUD_DB and after - before >= RISE_DB:
            events.append(time)
    return events


def _is_phrase(events: list[float], length_s: float) -> bool:
    if length_s < SHORTEST_BAR_S or len(events) < FEWEST_EVENTS:
        return False
    return events[-1] - events[0] >= SPREAD * length_s


def _lasts_whole_bars(length_s: float, tempo: Tempo | Unknown) -> bool:
    if isinstance(tempo, Unknown):
        return False
    beats = length_s * tempo.bpm / 60
    return abs(beats - BAR_BEATS * round(beats / BAR_BEATS)) <= BEAT_TOLERANCE
