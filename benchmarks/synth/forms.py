"""Items: which form and genre, how long, how it is played and cut, and what is done to its sound.

An item depends on its seed and index alone, so that the hundredth is the same whether or not the others are made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from typing import Final

import numpy as np

from benchmarks.synth import harmony
from benchmarks.synth.composing import BEATS, Piece, compose
from benchmarks.synth.drums import KINDS
from benchmarks.synth.genre import Genre
from benchmarks.synth.genres import GENRES
from benchmarks.synth.scores import NAMES, Beat, Finish, Hit, Item, Note, Voice
from benchmarks.synth.timelines import Timeline, ramp, rubato, steady, swung

_MUSIC: Final = frozenset({"tempo", "beats", "onsets", "key"})
_RHYTHM: Final = frozenset({"tempo", "beats", "onsets"})
FORMS: Final[dict[str, tuple[float, frozenset[str]]]] = {
    "track": (0.40, _MUSIC),
    "drum loop": (0.14, _RHYTHM),
    "bass loop": (0.07, _MUSIC),
    "melody loop": (0.06, _MUSIC),
    "chord loop": (0.05, _MUSIC),
    "full loop": (0.12, _MUSIC),
    "stem": (0.05, _MUSIC),
    "drone": (0.01, frozenset({"key"})),
    "chord": (0.03, frozenset({"key"})),
    "note": (0.03, frozenset({"pitch"})),
    "stroke": (0.04, frozenset({"drums"})),
}
"""How common each form is, and the tasks that it can have labels for."""
TASKS: Final = ("tempo", "beats", "onsets", "key", "drums", "pitch")
_PLAYS: Final = {
    "drum loop": "drums",
    "bass loop": "bass",
    "melody loop": "melody",
    "chord loop": "chords",
    "full loop": "all",
}
_TRACK_S: Final = (8.0, 30.0)
_LOOP_S: Final = (0.9, 20.0)
_STEADY: Final = 1.04
"""A tempo that changes by more than this is not one number: the tolerance of tempo's evaluation."""
_PITCHED: Final[tuple[Voice, ...]] = (
    *(
        0,
        4,
        6,
        11,
        12,
        13,
        19,
        24,
        25,
        27,
        32,
        33,
        40,
        41,
        42,
        46,
        48,
        52,
        56,
        57,
        60,
        61,
        65,
        66,
        68,
        70,
        71,
        73,
        75,
        80,
        81,
    ),
    *("sine", "triangle", "square", "pulse lead", "saw bass", "acid", "reese", "pluck", "supersaw", "keys"),
)
_RANGES: Final = {
    32: (28, 55),
    33: (28, 55),
    42: (36, 67),
    41: (48, 79),
    70: (36, 67),
    57: (40, 70),
    73: (60, 90),
    75: (60, 90),
}
_NOTES: Final = (33, 88)
_CHORDS_ON: Final[tuple[Voice, ...]] = (0, 1, 4, 16, 19, 24, 25, 27, 48, 50, 89, "pad", "supersaw", "stab", "keys")

Random = np.random.Generator


def items(seed: int, count: int, tasks: Collection[str] = TASKS) -> Iterator[Item]:
    """Items by number, the same for the same seed and tasks.

    Args:
        seed: another gives other items.
        count: how many.
        tasks: of `TASKS`; only forms that have labels for one of them are drawn.
    """
    for index in range(count):
        yield item(seed, index, tasks)


def item(seed: int, index: int, tasks: Collection[str] = TASKS) -> Item:
    """One item of those that `items` yields."""
    rng = np.random.default_rng((seed, index))
    fitting = {name: share for name, (share, known) in FORMS.items() if known & set(tasks)}
    shares = np.array(list(fitting.values()))
    form = str(rng.choice(list(fitting), p=shares / shares.sum()))
    made = _MAKERS.get(form, _loop)(form, rng)
    return dataclasses.replace(made, seed=seed, index=index)


def _stroke(form: str, rng: Random) -> Item:
    kind = KINDS[rng.integers(len(KINDS))]
    lead = 0.0 if rng.random() < 0.7 else float(rng.uniform(0, 0.05))
    length = float(rng.uniform(0.3, 2.0))
    kit = "midi" if rng.random() < 0.25 else str(rng.choice(["electronic", "acoustic"]))
    return Item(
        0,
        0,
        form,
        lead + length,
        hits=(Hit(lead, kind, rng.uniform(0.5, 1)),),
        kit=kit,
        drum=kind,
        finish=_finish(rng, form),
    )


def _note(form: str, rng: Random) -> Item:
    voice = _PITCHED[rng.integers(len(_PITCHED))]
    low, high = _RANGES.get(voice, _NOTES) if isinstance(voice, int) else _NOTES
    midi = int(rng.integers(low, high + 1))
    length = float(np.exp(rng.uniform(np.log(0.25), np.log(4))))
    note = Note(0.0, length, midi, rng.uniform(0.4, 1), 0)
    cents = float(rng.normal(0, 8))
    return Item(
        0, 0, form, length + 0.4, notes=(note,), voices=(voice,), midi=midi, cents=cents, finish=_finish(rng, form)
    )


def _chord(form: str, rng: Random) -> Item:
    tonic, mode = int(rng.integers(12)), str(rng.choice(["major", "minor"]))
    voice = _CHORDS_ON[rng.integers(len(_CHORDS_ON))]
    low = int(rng.integers(40, 61))
    steps = harmony.chord(mode, 1, 3)
    pitches = sorted(low + (tonic + step - low) % 12 for step in steps)
    pitches += [pitch + 12 for pitch in pitches if rng.random() < 0.5]
    length = float(rng.uniform(1, 5))
    notes = tuple(Note(0.0, length, midi, 0.8, 0) for midi in pitches)
    name = f"{NAMES[tonic]} {mode}"
    return Item(
        0,
        0,
        form,
        length + 0.5,
        notes=notes,
        voices=(voice,),
        chord=name,
        cents=_detuning(rng),
        finish=_finish(rng, form),
    )


def _drone(form: str, rng: Random) -> Item:
    """A chord and its scale's fifth held on pads: a key without any tempo."""
    made = _chord(form, rng)
    length = float(rng.uniform(8, 20))
    notes = tuple(dataclasses.replace(note, end_s=length) for note in made.notes)
    voice: Voice = ("pad", "supersaw pad", 89, 48)[rng.integers(4)]
    return dataclasses.replace(
        made,
        duration_s=length + 1,
        notes=notes,
        voices=(voice,),
        key=made.chord,
        chord=None,
        traits=frozenset({"no tempo"}),
    )


def _loop(form: str, rng: Random) -> Item:
    """Whole bars at one tempo, from the first beat on."""
    plays = _PLAYS[form]
    genre = _genre(rng, plays)
    bpm = _tempo(genre, rng)
    bar_s = BEATS[genre.metre] * 60 / bpm
    fitting = [bars for bars in (1, 2, 4, 8) if _LOOP_S[0] <= bars * bar_s <= _LOOP_S[1]]
    bars = int(rng.choice(fitting))
    piece = compose(genre, bars, plays, rng)
    traits = {*piece.traits, f"{bars} bars"}
    made = _played(form, genre, piece, steady(bpm), rng, drop_layers=False)
    length = bars * bar_s
    wraps, tail_s = False, 0.0
    match rng.integers(10):
        case 0 | 1:
            traits.add("tail")
            tail_s = float(rng.uniform(0.1, 1.0))
        case 2 | 3 | 4:
            traits.add("wrapped")
            wraps = True
        case _:
            traits.add("cut")
    finish = dataclasses.replace(made.finish, fade_s=0.0)
    return _traced(made, duration_s=length + tail_s, wraps=wraps, traits=made.traits | traits, finish=finish)


def _track(form: str, rng: Random) -> Item:
    genre = _genre(rng, "all")
    plays = (
        "drums"
        if genre.drums and rng.random() < 0.06
        else "no drums"
        if rng.random() < 0.15 and genre.layers
        else "all"
    )
    bpm = _tempo(genre, rng)
    length = float(rng.uniform(*_TRACK_S))
    bar = BEATS[genre.metre]
    bars = int(np.ceil(length * bpm / 60 / bar)) + 2
    piece = compose(genre, bars, plays, rng)
    traits: set[str] = set()
    line = steady(bpm)
    how, share = genre.varies
    if rng.random() < share or rng.random() < 0.03:
        if how == "rubato" or (not how and rng.random() < 0.5):
            line, trait = rubato(bpm, bars * bar, float(rng.uniform(0.015, 0.08)), rng), "rubato"
        else:
            change = float(np.exp(rng.choice([-1, 1]) * rng.uniform(np.log(1.02), np.log(1.25))))
            line, trait = ramp(bpm, bars * bar, change), "ramp"
        traits.add(trait)
    made = _played(form, genre, piece, line, rng, drop_layers=True)
    if rng.random() < 0.35:  # an excerpt that begins anywhere
        traits.add("excerpt")
        made = _shifted(made, -float(rng.uniform(0, 2 * bar * 60 / bpm)))
    finish = made.finish
    if rng.random() < 0.15:
        traits.add("fade-out")
        finish = dataclasses.replace(finish, fade_s=float(rng.uniform(1, 4)))
    end = length
    if "excerpt" not in traits and rng.random() < 0.2:
        traits.add("silence around")
        made = _shifted(_until(made, length), float(rng.uniform(0.3, 4)))
        end = length + made.beats[0].time_s + float(rng.uniform(0.5, 4))
    return _traced(made, duration_s=end, traits=made.traits | traits, finish=finish)


def _stem(form: str, rng: Random) -> Item:
    """One instrument that is silent most of a song, and comes in late, on a bar."""
    plays = str(rng.choice(["drums", "drums", "bass", "melody", "chords"]))
    genre = _genre(rng, plays)
    bpm = _tempo(genre, rng)
    bar = BEATS[genre.metre]
    bar_s = bar * 60 / bpm
    bars = max(2, int(rng.uniform(5, 16) / bar_s))
    made = _played(form, genre, compose(genre, bars, plays, rng), steady(bpm), rng, drop_layers=False)
    late = bar_s * int(rng.uniform(8, 40) / bar_s)
    made = _shifted(_until(made, bars * bar_s), late)
    return _traced(
        made, duration_s=late + bars * bar_s + float(rng.uniform(8, 40)), traits=made.traits | {"late entry"}
    )


_MAKERS: Final = {"track": _track, "stem": _stem, "drone": _drone, "chord": _chord, "note": _note, "stroke": _stroke}


def _genre(rng: Random, plays: str) -> Genre:
    fitting = [genre for genre in GENRES if plays != "drums" or genre.drums]
    return fitting[rng.integers(len(fitting))]


def _tempo(genre: Genre, rng: Random) -> float:
    while not genre.low <= (bpm := float(genre.bpm * np.exp(genre.spread * rng.standard_normal()))) <= genre.high:
        pass
    return float(round(bpm)) if rng.random() < genre.whole else round(bpm, 2)


def _detuning(rng: Random) -> float:
    return float(rng.uniform(-40, 40)) if rng.random() < 0.25 else 0.0


def _played(form: str, genre: Genre, piece: Piece, line: Timeline, rng: Random, *, drop_layers: bool) -> Item:
    """A score in seconds: in swing, loosely, each instrument in its bars."""
    share, pair = float(rng.uniform(*genre.swing)), genre.pair
    loose_s = genre.loose_ms / 1000 * float(rng.uniform(0, 1.3))
    mutes = _mutes(piece, rng) if drop_layers else {}
    first = 0.0

    def place(beat: float) -> float:
        late = float(np.clip(rng.normal(0, loose_s), -2.5 * loose_s, 2.5 * loose_s)) if loose_s else 0.0
        return max(first, line.seconds(swung(beat, share, pair)) + late)

    notes = []
    for tone in piece.tones:
        if int(tone.beat // piece.bar) in mutes.get(tone.part, ()):
            continue
        start = place(tone.beat) + tone.delay_s
        end = max(start + 0.03, line.seconds(swung(tone.beat + tone.length, share, pair)))
        velocity = float(np.clip(tone.velocity * rng.uniform(0.85, 1.1), 0.05, 1))
        notes.append(Note(start, end, tone.midi, velocity, tone.part))
    hits = [
        Hit(place(stroke.beat), stroke.kind, float(np.clip(stroke.velocity * rng.uniform(0.9, 1.1), 0.05, 1)))
        for stroke in piece.strokes
        if int(stroke.beat // piece.bar) not in mutes.get(-1, ())
    ]
    beats = tuple(Beat(line.seconds(k), 1 + k % piece.bar) for k in range(piece.bars * piece.bar))
    traits = set(piece.traits) | {genre.metre}
    if share > 0.54:
        traits.add("swing")
    if mutes:
        traits.add("long intro" if any(0 in bars for bars in mutes.values()) else "break")
    cents = _detuning(rng) if piece.tones else 0.0
    if abs(cents) > 5:
        traits.add("detuned")
    kit = "midi" if genre.kit == "acoustic" and rng.random() < 0.5 else genre.kit
    key = f"{NAMES[piece.tonic]} {piece.mode}" if piece.tones else None
    finish = _finish(rng, form)
    return Item(
        0, 0, form, beats[-1].time_s, genre.name, frozenset(traits), line.bpm, beats, tuple(notes), tuple(hits),
        piece.voices, kit, cents, key, finish=finish,
    )  # fmt: skip


def _mutes(piece: Piece, rng: Random) -> dict[int, frozenset[int]]:
    """Bars in which parts don't play; -1 is the drums. One part at least plays in every bar."""
    parts = [*range(len(piece.voices)), *([-1] if piece.strokes else [])]
    if len(parts) < 2 or piece.bars < 6 or rng.random() < 0.55:
        return {}
    silent = {int(part) for part in rng.permutation(parts)[: rng.integers(1, len(parts))]}
    cut = int(rng.integers(2, piece.bars // 2 + 1))
    if rng.random() < 0.7:  # they come in one after the other
        return {part: frozenset(range(max(1, cut - int(rng.integers(0, 3))))) for part in silent}
    start = int(rng.integers(1, piece.bars - cut))
    return {part: frozenset(range(start, start + cut)) for part in silent}


def _shifted(made: Item, seconds: float) -> Item:
    move = seconds
    return dataclasses.replace(
        made,
        beats=tuple(Beat(beat.time_s + move, beat.number) for beat in made.beats),
        notes=tuple(dataclasses.replace(n, start_s=n.start_s + move, end_s=n.end_s + move) for n in made.notes),
        hits=tuple(dataclasses.replace(hit, start_s=hit.start_s + move) for hit in made.hits),
    )


def _until(made: Item, end_s: float) -> Item:
    """What begins before an end, and no note that is held beyond it."""
    return dataclasses.replace(
        made,
        beats=tuple(beat for beat in made.beats if beat.time_s < end_s - 1e-6),
        notes=tuple(dataclasses.replace(n, end_s=min(n.end_s, end_s)) for n in made.notes if n.start_s < end_s - 0.02),
        hits=tuple(hit for hit in made.hits if hit.start_s < end_s - 0.005),
    )


def _traced(
    made: Item,
    *,
    duration_s: float,
    traits: frozenset[str] | set[str],
    finish: Finish | None = None,
    wraps: bool = False,
) -> Item:
    """An item at its final length, with the tempo that its beats have, and the traits of its finish."""
    whole = _until(made, duration_s) if not wraps else made
    whole = dataclasses.replace(whole, beats=tuple(beat for beat in whole.beats if beat.time_s > -1e-9))
    finish = finish or made.finish
    bpm = whole.bpm
    gaps = np.diff([beat.time_s for beat in whole.beats])
    if {"ramp", "rubato"} & set(traits):
        edges = np.percentile(gaps, [10, 90]) if len(gaps) else np.array([1.0, 1.0])
        bpm = round(float(60 / np.mean(gaps)), 3) if len(gaps) > 3 and edges[1] / edges[0] < _STEADY else None
    found = {
        "low-pass": finish.low_pass_hz is not None,
        "saturated": finish.drive > 0,
        "reverb": finish.reverb_s > 0,
        "noise": finish.noise_db is not None,
        "pump": finish.pump > 0,
        "coded": finish.suffix in ("mp3", "ogg"),
    }
    traits = frozenset(traits) | {name for name, there in found.items() if there}
    return dataclasses.replace(whole, duration_s=duration_s, bpm=bpm, traits=traits, finish=finish, wraps=wraps)


def _finish(rng: Random, form: str) -> Finish:
    """What is done to the sound: often a little, seldom much."""
    music = form not in ("note", "chord", "stroke")
    reverb = rng.random() < (0.3 if music else 0.15)
    codes = ("wav", "wav", "flac", "ogg") if form in ("track", "stem") else ("wav",)
    return Finish(
        gain_db=-float(rng.uniform(0.3, 12)),
        drums_share=float(rng.uniform(0.3, 0.75)),
        low_pass_hz=float(np.exp(rng.uniform(np.log(800), np.log(10_000)))) if rng.random() < 0.12 else None,
        high_pass_hz=float(np.exp(rng.uniform(np.log(60), np.log(500)))) if rng.random() < 0.06 and music else None,
        drive=float(rng.uniform(0.5, 4)) if rng.random() < 0.2 else 0.0,
        reverb_s=float(rng.uniform(0.2, 1.8)) if reverb else 0.0,
        reverb_share=float(rng.uniform(0.05, 0.35)) if reverb else 0.0,
        noise_db=float(rng.uniform(-70, -35)) if rng.random() < 0.15 else None,
        pump=float(rng.uniform(0.3, 0.9)) if rng.random() < 0.2 and music else 0.0,
        channels=2 if rng.random() < 0.4 else 1,
        suffix=codes[rng.integers(len(codes))],
    )
