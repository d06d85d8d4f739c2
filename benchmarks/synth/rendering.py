"""Items as sound."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.synth import fluid
from benchmarks.synth.drums import stroke
from benchmarks.synth.effects import finished
from benchmarks.synth.scores import SAMPLE_RATE, Item, Note, Voice
from benchmarks.synth.tones import tone

Sound = NDArray[np.float64]

_TAIL_S: Final = 3.0
"""What may ring on after a loop, to be wrapped to its start."""
_KITS: Final = (0, 8, 16, 24, 25, 32, 40)
_PUMP_S: Final = 0.18
_FADE: Final = 64
"""Samples over which the end of a file that is cut fades, against clicks that nobody would leave in."""


def render(item: Item) -> NDArray[np.float32]:
    """The sound of an item, shape (frames, channels), within ±1: the same at every call, on the same versions."""
    rng = np.random.default_rng((item.seed, item.index, 1))
    early = max([0.0, *(-note.start_s for note in item.notes), *(-hit.start_s for hit in item.hits)])
    ahead = round(early * SAMPLE_RATE)
    early = ahead / SAMPLE_RATE
    frames = ahead + item.frames + (round(_TAIL_S * SAMPLE_RATE) if item.wraps else 0)
    melodic, percussive = _buses(item, early, frames, rng)
    share = item.finish.drums_share
    if item.finish.pump and item.hits:
        melodic *= _pumped(item, early, frames)[:, None]
    sound = (1 - share) * _levelled(melodic) + share * _levelled(percussive)
    sound = sound[ahead:]
    if item.wraps:
        tail = sound[item.frames :]
        sound = sound[: item.frames]
        sound[: len(tail)] += tail[: len(sound)]
    if item.finish.channels == 1:
        sound = sound.mean(axis=1, keepdims=True)
    sound = finished(sound, item.finish, rng)
    if not item.wraps:
        sound[-_FADE:] *= np.linspace(1, 0, min(_FADE, len(sound)))[:, None]
    return sound.astype(np.float32)


def _buses(item: Item, early: float, frames: int, rng: np.random.Generator) -> tuple[Sound, Sound]:
    """Tones and drums, each of shape (frames, 2)."""
    moved = [Note(n.start_s + early, n.end_s + early, n.midi, n.velocity, n.part) for n in item.notes]
    has_fluid = any(isinstance(voice, int) for voice in item.voices) or (item.kit == "midi" and item.hits)
    font = fluid.soundfont() if has_fluid else None
    melodic, percussive = np.zeros((frames, 2)), np.zeros((frames, 2))
    programs = [voice for voice in item.voices if isinstance(voice, int)]
    parts = {part: programs.index(voice) for part, voice in enumerate(item.voices) if isinstance(voice, int)}
    ours = [note for note in moved if font is None or note.part not in parts]
    theirs = [
        Note(n.start_s, n.end_s, n.midi, n.velocity, parts[n.part])
        for n in moved
        if font is not None and n.part in parts
    ]
    if theirs:
        melodic += fluid.rendered(theirs, [], programs, frames, cents=item.cents) * 4
    _add_tones(melodic, ours, item.voices, item.cents)
    pans = {kind: rng.uniform(-0.4, 0.4) for kind in sorted({hit.kind for hit in item.hits})}
    if item.kit == "midi" and font is not None and item.hits:
        hits = [dataclasses.replace(hit, start_s=hit.start_s + early) for hit in item.hits]
        percussive += fluid.rendered([], hits, [], frames, kit=_KITS[rng.integers(len(_KITS))])
        return melodic, percussive
    sounds = {kind: stroke(kind, item.kit, rng) * rng.uniform(0.6, 1.0) * _LEVELS.get(kind, 0.7) for kind in pans}
    for hit in item.hits:
        _add(percussive, hit.start_s + early, sounds[hit.kind] * hit.velocity**1.5, pans[hit.kind])
    return melodic, percussive


_LEVELS: Final = {
    "kick": 1.0,
    "snare": 0.9,
    "clap": 0.8,
    "hihat_closed": 0.35,
    "hihat_open": 0.4,
    "shaker": 0.3,
    "ride": 0.4,
}
_STAND_INS: Final = (
    (range(32, 40), "saw bass"), (range(16, 24), "supersaw pad"), (range(40, 56), "pad"), (range(88, 96), "pad"),
)  # fmt: skip


def _stand_in(voice: Voice) -> str:
    """A tone of our own for a program of General MIDI, where there is no FluidSynth."""
    if isinstance(voice, str):
        return voice
    return next((name for programs, name in _STAND_INS if voice in programs), "keys")


def _add_tones(sound: Sound, notes: list[Note], voices: tuple[Voice, ...], cents: float) -> None:
    known: dict[tuple[str, int, float], Sound] = {}
    for note in notes:
        name = _stand_in(voices[note.part])
        wanted = (name, note.midi, round(note.end_s - note.start_s, 2))
        if wanted not in known:
            known[wanted] = tone(name, note.midi + cents / 100, max(0.02, wanted[2]))
        _add(sound, note.start_s, known[wanted] * note.velocity, 0.0)


def _add(sound: Sound, start_s: float, part: Sound, pan: float) -> None:
    start = round(start_s * SAMPLE_RATE)
    room = sound[start : start + len(part)]
    room[:, 0] += part[: len(room)] * (1 - pan)
    room[:, 1] += part[: len(room)] * (1 + pan)


def _levelled(sound: Sound) -> Sound:
    return sound / max(1e-9, float(np.abs(sound).max(initial=0.0)))


def _pumped(item: Item, early: float, frames: int) -> Sound:
    """How loud all but the drums is: down at every kick, and back."""
    shape = np.ones(frames)
    dip = 1 - item.finish.pump * np.exp(-np.arange(round(2 * _PUMP_S * SAMPLE_RATE)) / SAMPLE_RATE / (_PUMP_S / 2))
    for hit in item.hits:
        if hit.kind == "kick":
            start = round((hit.start_s + early) * SAMPLE_RATE)
            room = shape[start : start + len(dip)]
            np.minimum(room, dip[: len(room)], out=room)
    return shape
