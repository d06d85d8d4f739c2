"""A Standard MIDI File of format 0, in ticks of a tenth of a millisecond."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.synth.scores import Hit, Note

TICKS_PER_S: Final = 10_000
_DRUM_CHANNEL: Final = 9
_CHANNELS: Final = tuple(channel for channel in range(16) if channel != _DRUM_CHANNEL)
_BEND_CENTS: Final = 200.0
"""How far a full pitch bend goes, when nothing else was set."""
_HIT_S: Final = 0.1
KEYS: Final = {
    "kick": 36,
    "rim": 37,
    "snare": 38,
    "clap": 39,
    "hihat_closed": 42,
    "tom": 45,
    "hihat_open": 46,
    "crash": 49,
    "ride": 51,
    "tambourine": 54,
    "cowbell": 56,
    "hand_drum": 63,
    "shaker": 70,
    "wood_clave": 75,
}
"""General MIDI's percussion."""


def midi_file(
    notes: Iterable[Note], hits: Iterable[Hit], programs: Sequence[int], *, kit: int = 0, cents: float = 0.0
) -> bytes:
    """The bytes of a file.

    Args:
        notes: their parts are indices of `programs`; at most 15 parts; times from 0.
        hits: strokes on the drum channel.
        programs: of General MIDI, from 0.
        kit: program of the drum channel.
        cents: how far all notes are bent.
    """
    bend = 8192 + round(8191 * cents / _BEND_CENTS)
    events: list[tuple[int, int, bytes]] = [(0, 0, bytes([0xC0 | _DRUM_CHANNEL, kit]))]
    for channel, program in zip(_CHANNELS, programs, strict=False):
        events.append((0, 0, bytes([0xC0 | channel, program])))
        events.append((0, 1, bytes([0xE0 | channel, bend & 127, bend >> 7])))
    for note in notes:
        channel = _CHANNELS[note.part]
        events.append((_ticks(note.start_s), 3, bytes([0x90 | channel, note.midi, _velocity(note.velocity)])))
        events.append((_ticks(note.end_s), 2, bytes([0x80 | channel, note.midi, 0])))
    for hit in hits:
        key = KEYS[hit.kind]
        events.append((_ticks(hit.start_s), 3, bytes([0x90 | _DRUM_CHANNEL, key, _velocity(hit.velocity)])))
        events.append((_ticks(hit.start_s + _HIT_S), 2, bytes([0x80 | _DRUM_CHANNEL, key, 0])))
    track = bytearray(b"\x00\xff\x51\x03" + (1_000_000).to_bytes(3, "big"))  # a quarter a second
    last = 0
    for tick, _, message in sorted(events):
        track += _variable(tick - last) + message
        last = tick
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS_PER_S) + b"MTrk" + struct.pack(">I", len(track)) + track


def _ticks(seconds: float) -> int:
    return max(0, round(seconds * TICKS_PER_S))


def _velocity(share: float) -> int:
    return min(127, max(1, round(127 * share)))


def _variable(number: int) -> bytes:
    """A number in groups of seven bits, all but the last marked."""
    groups = [number & 127]
    while number := number >> 7:
        groups.append(number & 127 | 128)
    return bytes(reversed(groups))
