"""Notes and strokes of a genre, bar by bar, in beats: what a score says before anybody plays it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.synth.genre import Genre, Layer
from benchmarks.synth.harmony import PROGRESSIONS, Progression, chord, scale
from benchmarks.synth.scores import Voice

BEATS: Final = {"4/4": 4, "3/4": 3, "5/4": 5, "6/8": 2, "7/8": 7}
"""Beats of a bar by its metre."""
_SPEEDS: Final = {"X": 1.0, "x": 0.8, "o": 0.4}
_STRUM_S: Final = 0.004
"""From one string to the next."""
_PART_ROLES: Final = {
    "bass": ("bass", "walking"),
    "melody": ("melody", "arpeggio"),
    "chords": ("chords", "strum", "arpeggio"),
}

Random = np.random.Generator


@dataclass(frozen=True)
class Tone:
    """A note in beats."""

    beat: float
    length: float
    midi: int
    velocity: float
    part: int
    delay_s: float = 0.0
    """After its place, in seconds: of a strummed string."""


@dataclass(frozen=True)
class Stroke:
    """A stroke on a drum in beats."""

    beat: float
    kind: str
    velocity: float


@dataclass(frozen=True)
class Piece:
    """A score."""

    bar: int
    """Beats of each bar."""
    bars: int
    tonic: int
    mode: str
    tones: tuple[Tone, ...]
    strokes: tuple[Stroke, ...]
    voices: tuple[Voice, ...]
    traits: frozenset[str]


def compose(genre: Genre, bars: int, plays: str, rng: Random) -> Piece:
    """So many bars of a genre.

    Args:
        genre: what is played.
        bars: how many.
        plays: "all", "drums", "no drums", or one of "bass", "chords" and "melody" alone.
        rng: draws what the genre leaves open.
    """
    traits = set(genre.traits)
    bar = BEATS[genre.metre]
    mode = "minor" if rng.random() < genre.minor else "major"
    tonic = int(rng.integers(12))
    pool = PROGRESSIONS[genre.family][mode]
    progression = pool[rng.integers(len(pool))]
    bars_a_chord = 2 if genre.family == "club" and rng.random() < 0.4 else 1
    voices_of_chords = 4 if rng.random() < genre.sevenths else 3
    raised_from, raised_by = bars, 0
    if plays in ("all", "no drums") and bars >= 12 and rng.random() < 0.12:
        raised_from, raised_by = bars - bars // 4, int(rng.choice([1, 2]))
        traits.add("modulation")
    degrees = [progression[(place // bars_a_chord) % len(progression)] for place in range(bars)]
    tones: list[Tone] = []
    voices: list[Voice] = []
    for layer in _layers(genre, plays, rng):
        voices.append(layer.voices[rng.integers(len(layer.voices))])
        drawn = _Drawn(bar, tonic, mode, tuple(degrees), voices_of_chords, len(voices) - 1)
        found = drawn.tones(layer, rng)
        tones += [_raised(tone, raised_by) if tone.beat >= raised_from * bar else tone for tone in found]
        if layer.role == "bass" and all(tone.beat % 1 for tone in found):
            traits.add("off-beat bass")
    strokes = _strokes(genre, bar, bars, rng) if plays in ("all", "drums") else []
    if not strokes:
        traits.add("no drums")
    if not tones:
        traits.add("drums only")
    return Piece(bar, bars, tonic, mode, tuple(tones), tuple(strokes), tuple(voices), frozenset(traits))


def _layers(genre: Genre, plays: str, rng: Random) -> list[Layer]:
    if plays == "drums":
        return []
    if plays in _PART_ROLES:
        fitting = [layer for layer in genre.layers if layer.role in _PART_ROLES[plays]]
        return [fitting[rng.integers(len(fitting))]] if fitting else [genre.layers[0]]
    kept = [layer for layer in genre.layers if rng.random() < 0.8]
    return kept or [genre.layers[0]]


def _raised(tone: Tone, semitones: int) -> Tone:
    return Tone(tone.beat, tone.length, tone.midi + semitones, tone.velocity, tone.part, tone.delay_s)


def resolved(pattern: str, rng: Random) -> str:
    """A pattern whose open steps are decided."""
    return "".join(("x" if rng.random() < 0.5 else ".") if step == "?" else step for step in pattern)


def _steps(pattern: str, bar: int) -> list[tuple[float, float, float]]:
    """Place in the bar, beats to the next step of the bar or its end, and strength of every step of a pattern."""
    places = [index for index, step in enumerate(pattern) if step != "."]
    unit = bar / max(1, len(pattern))
    ends = [*places, len(pattern)][1:]
    return [(p * unit, (end - p) * unit, _SPEEDS[pattern[p]]) for p, end in zip(places, ends, strict=True)]


@dataclass(frozen=True)
class _Drawn:
    """What all parts of a piece share, and which part plays."""

    bar: int
    tonic: int
    mode: str
    degrees: Progression
    voices_of_chords: int
    part: int

    def tones(self, layer: Layer, rng: Random) -> list[Tone]:
        pattern = resolved(layer.patterns[rng.integers(len(layer.patterns))], rng)
        steps = _steps(pattern, self.bar)
        match layer.role:
            case "pad":
                return self._pad(layer)
            case "chords" | "strum":
                return self._chords(layer, steps, rng)
            case "arpeggio":
                return self._arpeggio(layer, steps, rng)
            case "melody":
                return self._melody(layer, steps, rng)
            case _:
                return self._bass(layer, steps, rng)

    def _chord(self, degree: int, low: int) -> list[int]:
        """A chord's notes at `low` or in the octave above it, from the lowest up."""
        return sorted(low + (self.tonic + step - low) % 12 for step in chord(self.mode, degree, self.voices_of_chords))

    def _pad(self, layer: Layer) -> list[Tone]:
        found = []
        start = 0
        for place in range(1, len(self.degrees) + 1):
            if place == len(self.degrees) or self.degrees[place] != self.degrees[start]:
                length = (place - start) * self.bar
                found += [
                    Tone(start * self.bar, length, midi, 0.6, self.part)
                    for midi in self._chord(self.degrees[start], layer.low)
                ]
                start = place
        return found

    def _chords(self, layer: Layer, steps: list[tuple[float, float, float]], rng: Random) -> list[Tone]:
        delay = _STRUM_S if layer.role == "strum" else 0.0
        found = []
        for place, degree in enumerate(self.degrees):
            notes = self._chord(degree, layer.low)
            if layer.role == "strum":
                notes += [notes[0] + 12]
            for index, (beat, length, velocity) in enumerate(steps):
                order = notes if index % 2 == 0 else notes[::-1]
                found += [
                    Tone(place * self.bar + beat, length * layer.gate, midi, velocity, self.part, string * delay)
                    for string, midi in enumerate(order)
                ]
        return found

    def _arpeggio(self, layer: Layer, steps: list[tuple[float, float, float]], rng: Random) -> list[Tone]:
        shape = rng.integers(3)
        found = []
        for place, degree in enumerate(self.degrees):
            up = self._chord(degree, layer.low)
            up = [*up, up[0] + 12]
            order = [up, up[::-1], up + up[-2:0:-1]][shape]
            found += [
                Tone(place * self.bar + beat, length * layer.gate, order[index % len(order)], velocity, self.part)
                for index, (beat, length, velocity) in enumerate(steps)
            ]
        return found

    def _bass(self, layer: Layer, steps: list[tuple[float, float, float]], rng: Random) -> list[Tone]:
        octaves = 0 if layer.role == "walking" else rng.choice([0.0, 0.15, 0.4])
        found = []
        for place, degree in enumerate(self.degrees):
            root, *above = (self.tonic + step for step in chord(self.mode, degree, 4 if layer.role == "walking" else 3))
            low = layer.low + (root - layer.low) % 12
            for index, (beat, length, velocity) in enumerate(steps):
                midi = low
                if layer.role == "walking" and index:
                    midi = low + (int(rng.choice(above)) - root) % 12
                elif index and rng.random() < octaves:
                    midi = low + 12 if rng.random() < 0.6 else low + (above[1] - root) % 12
                found.append(Tone(place * self.bar + beat, length * layer.gate, midi, velocity, self.part))
        return found

    def _melody(self, layer: Layer, steps: list[tuple[float, float, float]], rng: Random) -> list[Tone]:
        """A walk on the scale, on notes of the chord at strong places; a motif of two bars that comes back."""
        found: list[Tone] = []
        walks = [[int(rng.choice([-2, -1, -1, 0, 1, 1, 2])) for _ in steps] for _ in range(2)]
        rests = [rng.random() < 0.2 for _ in range(4)]
        for place, degree in enumerate(self.degrees):
            if rests[place % 4] and place % 4:
                continue
            steps_of_scale = scale(self.mode, leading=degree == 5)
            ladder = [layer.low + k for k in range(20) if (layer.low + k - self.tonic) % 12 in steps_of_scale]
            of_chord = {(self.tonic + step) % 12 for step in chord(self.mode, degree, 3)}
            rung = len(ladder) // 2
            for index, (beat, length, velocity) in enumerate(steps):
                rung = min(max(rung + walks[place % 2][index], 0), len(ladder) - 1)
                strong = beat == 0 or index == len(steps) - 1
                nearest = min(
                    range(len(ladder)), key=lambda k: (strong and ladder[k] % 12 not in of_chord, abs(k - rung))
                )
                rung = nearest
                found.append(Tone(place * self.bar + beat, length * layer.gate, ladder[rung], velocity, self.part))
        return found


def _strokes(genre: Genre, bar: int, bars: int, rng: Random) -> list[Stroke]:
    patterns = {kind: resolved(choice[rng.integers(len(choice))], rng) for kind, choice in genre.drums.items()}
    if patterns and not any(step != "." for pattern in patterns.values() for step in pattern):
        patterns = {kind: resolved(choice[-1], rng) for kind, choice in genre.drums.items()}
    fills = rng.random() < 0.4
    found = []
    for place in range(bars):
        is_fill = fills and bars > 1 and place % 4 == 3
        for kind, pattern in patterns.items():
            found += [
                Stroke(place * bar + beat, kind, velocity)
                for beat, _, velocity in _steps(pattern, bar)
                if not (is_fill and kind in ("snare", "tom", "clap") and beat >= bar - 1)
            ]
        if is_fill:
            kind = str(rng.choice(["snare", "tom"]))
            found += [
                Stroke(place * bar + bar - 1 + k / 4, kind, 0.5 + 0.12 * k) for k in range(4) if rng.random() < 0.8
            ]
        if patterns and place % 8 == 0 and place and rng.random() < 0.5:
            found.append(Stroke(place * bar, "crash", 0.8))
    return found
