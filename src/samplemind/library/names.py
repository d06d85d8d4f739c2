"""What the names of a file and of its folders say: tempo, key, and what it sounds like.

A wrong claim is worse than none. A number is a tempo where "bpm" stands beside it; without, only where its place in the
name leaves little doubt: beside a key, or in the name of a loop where it can't be a running number. A letter is a key
where its mode is written; without, it may be a note or a variant (A, B, C), and needs a tempo or a loop around it.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from samplemind.library.keys import Key
from samplemind.library.sounds import DRUMS, TONAL, sound_of
from samplemind.library.spellings import (
    COUNTED,
    ONE_SHOTS,
    PHRASES,
    SpelledKey,
    SpelledTempo,
    Spelling,
    are_beside,
    explicit_tempo,
    likely_numbers,
    says,
    spelled_keys,
    word_after,
    word_before,
    words_before,
)
from samplemind.library.words import parts

_EXTENSION: Final = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_SURENESS: Final[tuple[Spelling, ...]] = ("mode", "wheel", "root", "small", "letter")
_A: Final = 9
_B: Final = 11
"""Pitch classes whose letters also number the variants of a sound."""


@dataclass(frozen=True)
class Named:
    """What names say of a sound.

    Args:
        tempo_bpm: beats per minute.
        key: the key; one that is written without a mode is major.
        sound: a word of `samplemind.library.sounds`.
    """

    tempo_bpm: float | None = None
    key: Key | None = None
    sound: str | None = None


@dataclass(frozen=True)
class _Name:
    """The name of the file, without its extension, or of a folder.

    Args:
        text: the name.
        is_file: whether it is the file's own.
        sound: of the file, whichever of its names says so.
        is_among_phrases: whether the file lies in a folder of loops.
        is_shot: whether some name says that it is a single sound, which has no tempo.
    """

    text: str
    is_file: bool
    sound: str | None
    is_among_phrases: bool
    is_shot: bool

    @property
    def is_phrase(self) -> bool:
        # A plural in a file's name counts something: "100 Drum Loops".
        return says(self.text, PHRASES, plural=not self.is_file)


def named(path: str) -> Named:
    """What a file's name says, and where it says nothing, its nearest folder that does.

    Args:
        path: relative to the root of the scan, with / between folders.
    """
    *folders, file = unicodedata.normalize("NFC", path).split("/")
    texts = [_EXTENSION.sub("", file), *reversed(folders)]
    sound = next(filter(None, map(sound_of, texts)), None)
    is_among_phrases = len(texts) > 1 and says(texts[1], PHRASES)
    is_drum = sound in DRUMS and sound != "drum loop"
    is_single = is_drum or any(says(text, ONE_SHOTS) for text in texts)
    is_shot = is_single and not is_among_phrases and not says(texts[0], PHRASES)
    tempo, key = None, None
    for depth, text in enumerate(texts):
        name = _Name(text, depth == 0, sound, is_among_phrases, is_shot)
        keys = spelled_keys(text)
        its_tempo = explicit_tempo(text) or _likely_tempo(name, keys)
        tempo = tempo or its_tempo
        key = key or _key(name, keys, its_tempo)
    return Named(tempo.bpm if tempo else None, key, sound)


def _likely_tempo(name: _Name, keys: Sequence[SpelledKey]) -> SpelledTempo | None:
    """The tempo that a number without "bpm" must mean."""
    numbers = [] if name.is_shot else likely_numbers(name.text)
    by_key = [number for number in numbers if any(_vouches(name, key, number) for key in keys)]
    if not by_key and name.is_file and len(numbers) == 1 and _is_loops_tempo(name, numbers[0]):
        return numbers[0]
    return by_key[0] if len({number.bpm for number in by_key}) == 1 else None


def _vouches(name: _Name, key: SpelledKey, number: SpelledTempo) -> bool:
    """Whether a key makes a tempo of the number beside it."""
    if not are_beside(name.text, key, number):
        return False
    if key.spelling == "wheel":
        return _is_disc_jockeys(name, key, number)
    before, gap = word_before(name.text, number.start)
    if before.isalpha() and gap == " " and name.text[number.end : key.start] == " - ":
        return False  # "Bass 64 - C": the number belongs to the word
    match key.spelling:
        case "small":
            return name.is_phrase and number.end <= key.start
        case "letter":
            return name.sound in TONAL and _is_no_variant(name, key, number)
        case _:
            return True


def _is_loops_tempo(name: _Name, number: SpelledTempo) -> bool:
    """Whether the only likely number in a loop's name is its tempo, and not the running number of the loop."""
    earlier = words_before(name.text, number.start)
    after, gap = word_after(name.text, number.end)
    if not earlier and gap.strip(" ") in ("-", "."):
        return False  # a list: "112 - Drum Loop", "112. Drum Loop"
    if not name.is_phrase:
        return name.is_among_phrases and len(earlier) <= 1 and after.isalpha()
    if earlier and says("".join(parts(earlier[-1])[-1:]), PHRASES):
        return _is_running_number(after)  # of "Loop 128" it is the number, of "Loop 128 02" the tempo
    return bool(after) or any(_is_running_number(part) for word in earlier for part in parts(word))


def _is_running_number(word: str) -> bool:
    return word.isdecimal() and (len(word) <= 2 or word.startswith("0"))


def _key(name: _Name, keys: Sequence[SpelledKey], tempo: SpelledTempo | None) -> Key | None:
    """The key that the name means. What may be two keys side by side is a progression of chords, or a choice."""
    letters = [key for key in keys if key.spelling != "wheel"]
    if any(are_beside(name.text, *pair) for pair in itertools.combinations(letters, 2)):
        return None
    for spelling in _SURENESS:
        meant = {key.key for key in keys if key.spelling == spelling and _is_meant(name, key, tempo)}
        if meant:
            return meant.pop() if len(meant) == 1 else None
    return None


def _is_meant(name: _Name, key: SpelledKey, tempo: SpelledTempo | None) -> bool:
    beside = tempo if tempo is not None and are_beside(name.text, key, tempo) else None
    match key.spelling:
        case "mode":
            return True
        case "wheel":
            return beside is not None and _is_disc_jockeys(name, key, beside)
        case "small":
            return beside is not None and beside.end <= key.start
        case "letter":
            return name.is_file and _is_no_variant(name, key, beside)
    if _is_digit(word_after(name.text, key.end)[0]):
        return False  # an octave, "C# 3"
    if beside is not None:
        return True
    return name.is_file and (tempo is not None or name.is_phrase or name.sound == "chord")


def _is_no_variant(name: _Name, key: SpelledKey, tempo: SpelledTempo | None) -> bool:
    """Whether a lone letter is a key, and not a word, a note, or one of "Loop A" and "Loop B".

    Args:
        name: in which it stands.
        key: the letter.
        tempo: beside it, if there is one.
    """
    before, _ = word_before(name.text, key.start)
    after, gap = word_after(name.text, key.end)
    is_word = key.key.tonic == _A and gap == " " and after.isalpha()
    is_variant = before in COUNTED or says(before, PHRASES)
    if name.sound in DRUMS or is_word or is_variant or _is_digit(after):
        return False
    if tempo is not None:
        return name.sound in TONAL or key.key.tonic not in (_A, _B)
    return not after and name.is_phrase and not any(each.isdecimal() for each in before)


def _is_digit(word: str) -> bool:
    return len(word) == 1 and word.isdecimal()


def _is_disc_jockeys(name: _Name, key: SpelledKey, tempo: SpelledTempo) -> bool:
    """Whether a code of the Camelot wheel stands as disc jockeys write it, "8A - 128 - Title", and is not a take's."""
    between = name.text[min(key.end, tempo.end) : max(key.start, tempo.start)]
    if name.text[key.start] == "0" and " - " not in between:
        return False
    before, _ = word_before(name.text, key.start)
    return before not in COUNTED and not name.is_phrase and (" " in between or "bpm" in name.text.casefold())
