"""What is written in the name of one file or folder that may be a tempo or a key.

Reading only: whether a number or a letter is meant so is decided in `samplemind.library.names`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from samplemind.library.keys import Key, parse_key
from samplemind.library.words import parts

EXPLICIT_BPM: Final = (30.0, 300.0)
"""Tempi that a name may give with the word bpm."""
LIKELY_BPM: Final = (60.0, 200.0)
"""Tempi that a number alone may mean: below are running numbers, above drum machines and frequencies."""

PHRASES: Final = frozenset(
    parts(
        "loop break breakbeat drumloop toploop amenbreak beat groove riff melody phrase progression sequence fill tops "
        "amen"
    )
)
"""Words for what goes on for some beats, and so has a tempo and a key."""
ONE_SHOTS: Final = frozenset({"shot", "oneshot", "hit", "single"})
"""Words for single sounds, which have no tempo."""
COUNTED: Final = frozenset(
    parts(
        "no nr num number vol volume take part pt track trk kit bank preset patch disc cd ver version v chapter scene "
        "note vel velocity layer ch channel room area route studio level day season set op "
        "juno sh cs mpc cr dr tr dx mks poly rhodes prophet model type mk cp"
    )
)
"""Words whose next number counts something, and instruments that have a number for a name."""
_UNITS: Final = frozenset(
    parts(
        "hz khz k kbps kb bit bits ms s sec secs second seconds min mins minutes db dbfs lufs percent bars bar beats "
        "st nd rd th x cm mm m ft"
    )
)
_BIT_DEPTHS: Final = frozenset({"16", "24", "32", "16bit", "24bit", "32bit"})
_INTRODUCTIONS: Final = frozenset({"in", "key", "of"})
_SH_101: Final = 101.0
"""The one drum machine or synthesizer whose number, often without its letters, is a likely tempo."""

_MARKS: Final = "#♯♭'’%"  # noqa: RUF001 - the apostrophe that people type
_OPEN: Final = rf"(?<![^\W_])(?<![{_MARKS}])"
_SHUT: Final = rf"(?![^\W_]|[{_MARKS}])"
_MODE: Final = r"(?i:min(?:or)?|maj(?:or)?)"
_NUMBER: Final = r"\d{2,3}(?:[.,]\d{1,3})?"
_WORD: Final = re.compile(rf"(?:[^\W_]|[{_MARKS}])+")
_BPM_AFTER: Final = re.compile(rf"(?<!\d)(?<!\d[.,])(?P<bpm>{_NUMBER})(?P<gap>[ _-]{{0,3}})bpm", re.IGNORECASE)
_BPM_BEFORE: Final = re.compile(
    rf"(?:bpm|(?<![^\W_])tempo)(?P<gap>[ _=:.-]{{0,3}})(?P<bpm>{_NUMBER})(?!\d)(?![ _-]{{0,3}}bpm)", re.IGNORECASE
)
_RANGE_BEFORE: Final = re.compile(r"(?<!\d)(\d{2,3})[ _]*(?:-|–|to)[ _]*$", re.IGNORECASE)
_RANGE_AFTER: Final = re.compile(r"[ _]*(?:-|–|to)[ _]*(\d{2,3})(?!\d)", re.IGNORECASE)
_BARE: Final = re.compile(
    rf"{_OPEN}([1-9]\d{{1,2}}(?:[.,](?:[1-9]\d?|0))?)(?:{_SHUT}(?!\.\d)|(?=[A-G][#♯b♭]?(?:m|{_MODE}){_SHUT}))"
)
_KEY: Final = re.compile(
    rf"(?:{_OPEN}|(?<=\d))(?:(?P<word>(?i:key))[ _-]{{1,3}}(?P<of>(?i:of|in)[ _-])?)?"
    r"(?P<root>[A-Ga-g])(?:(?P<sign>[#♯b♭])|(?P<gap>[ _-]?)(?P<accidental>(?i:sharp|flat)))?"
    rf"(?:(?P<m>m)|(?P<space>[ _-]?)(?P<mode>{_MODE}))?{_SHUT}"
)
_WHEEL: Final = re.compile(rf"{_OPEN}(0?[1-9]|1[0-2])([AB]){_SHUT}")

Spelling = Literal["mode", "wheel", "root", "small", "letter"]
"""How a key is written: Am and C minor, 8A, F#, am, C. The earlier ones leave less doubt."""


@dataclass(frozen=True)
class SpelledTempo:
    """A number that is a tempo or may be one, and where it stands."""

    bpm: float
    start: int
    end: int


@dataclass(frozen=True)
class SpelledKey:
    """What may be the name of a key, and where it stands."""

    key: Key
    spelling: Spelling
    start: int
    end: int


def word_before(text: str, start: int) -> tuple[str, str]:
    """The word before a place, casefolded, and what stands between; empty at the beginning."""
    found = [word for word in _WORD.finditer(text) if word.end() <= start]
    return (found[-1][0].casefold(), text[found[-1].end() : start]) if found else ("", "")


def word_after(text: str, end: int) -> tuple[str, str]:
    """The word after a place, casefolded, and what stands between; empty at the end."""
    found = _WORD.search(text, end)
    return (found[0].casefold(), text[end : found.start()]) if found else ("", "")


def words_before(text: str, start: int) -> list[str]:
    """All words before a place."""
    return _WORD.findall(text[:start])


def are_beside(text: str, one: SpelledTempo | SpelledKey, other: SpelledTempo | SpelledKey) -> bool:
    """Whether no word is between the two."""
    start, end = min(one.end, other.end), max(one.start, other.start)
    return start <= end and not _WORD.search(text, start, end)


def says(text: str, vocabulary: frozenset[str], *, plural: bool = True) -> bool:
    """Whether one of the words stands in a text; with `plural`, an s at its end doesn't matter."""
    return any(part in vocabulary or (plural and part.removesuffix("s") in vocabulary) for part in parts(text))


def explicit_tempo(text: str) -> SpelledTempo | None:
    """The tempo that stands beside "bpm". One written together with it counts before one with a space between."""
    stated: dict[bool, list[SpelledTempo]] = {True: [], False: []}
    for match in (*_BPM_AFTER.finditer(text), *_BPM_BEFORE.finditer(text)):
        tempo = SpelledTempo(_bpm(match["bpm"]), match.start(), match.end())
        if not EXPLICIT_BPM[0] <= tempo.bpm <= EXPLICIT_BPM[1]:
            continue
        if _is_range(text, tempo):
            return None
        stated[match["gap"] == ""].append(tempo)
    tempi = stated[True] or stated[False]
    return tempi[0] if len({tempo.bpm for tempo in tempi}) == 1 else None


def _is_range(text: str, tempo: SpelledTempo) -> bool:
    """Whether it is one end of "120-130 bpm", as folders are called."""
    lower, upper = _RANGE_BEFORE.search(text[: tempo.start]), _RANGE_AFTER.match(text, tempo.end)
    return bool(lower and EXPLICIT_BPM[0] <= float(lower[1]) < tempo.bpm) or bool(
        upper and tempo.bpm < float(upper[1]) <= EXPLICIT_BPM[1]
    )


def likely_numbers(text: str) -> list[SpelledTempo]:
    """Numbers that may be tempi: of their own, and nothing says that they count or measure something else."""
    return [tempo for tempo in _numbers(text) if _may_be_tempo(text, tempo)]


def _numbers(text: str) -> list[SpelledTempo]:
    tempi = [SpelledTempo(_bpm(match[1]), match.start(1), match.end(1)) for match in _BARE.finditer(text)]
    return [tempo for tempo in tempi if LIKELY_BPM[0] <= tempo.bpm <= LIKELY_BPM[1]]


def _may_be_tempo(text: str, number: SpelledTempo) -> bool:
    before, _ = word_before(text, number.start)
    after, _ = word_after(text, number.end)
    is_counted = before in COUNTED or before in _BIT_DEPTHS or before.endswith("#")
    return number.bpm != _SH_101 and not is_counted and after not in _UNITS


def _bpm(written: str) -> float:
    return float(written.replace(",", "."))


def spelled_keys(text: str) -> list[SpelledKey]:
    """Everything that may be the name of a key."""
    found: list[SpelledKey] = []
    numbers_end = {number.end for number in _numbers(text)}
    for match in _KEY.finditer(text):
        root, sign, accidental, m, mode = match.group("root", "sign", "accidental", "m", "mode")
        key = parse_key(root.upper() + (sign or (accidental or "").lower()) + (m or (mode or "").lower()))
        spelling = _spelling(text, match)
        # Together with digits only if they are a tempo: 128Am, not 10Cm.
        is_apart = not text[: match.start()][-1:].isdecimal() or match.start() in numbers_end
        if key and spelling and is_apart:
            found.append(SpelledKey(key, spelling, match.start(), match.end()))
    for match in _WHEEL.finditer(text):
        key = parse_key(match[1].lstrip("0") + match[2])
        if key:
            found.append(SpelledKey(key, "wheel", match.start(), match.end()))
    return found


def _spelling(text: str, match: re.Match[str]) -> Spelling | None:
    root, sign, m, mode = match.group("root", "sign", "m", "mode")
    is_sharp = sign in ("#", "♯")
    if match["word"]:
        return "mode" if root.isupper() or match["of"] or mode else None
    if mode:
        return None if _is_article(text, match) else "mode"
    if match["gap"] or _is_measure(text, match):  # "a flat", "C sharp": words, or a note
        return None
    if m:
        if root.islower() and not is_sharp:
            return "small"
        return None if not sign and _is_pronoun(text, match) else "mode"
    if sign or match["accidental"]:
        return "root" if root.isupper() or is_sharp else None
    return "letter" if root.isupper() else None


def _is_article(text: str, match: re.Match[str]) -> bool:
    """Whether the A before "minor" or "major" is a word: A Major Problem, but not Prelude in A Major Op. 5."""
    if match["root"] not in "Aa" or match["space"] != " " or match["sign"] or match["accidental"]:
        return False
    before, _ = word_before(text, match.start())
    after, gap = word_after(text, match.end())
    return gap == " " and after.isalpha() and before not in _INTRODUCTIONS and not before.isdecimal()


def _is_measure(text: str, match: re.Match[str]) -> bool:
    """Whether it is a unit of measurement: 10 Cm, 6 Db, 2 Gb."""
    before, gap = word_before(text, match.start())
    is_count = gap == " " and before.isdecimal() and before[0] != "0" and float(before) < LIKELY_BPM[0]
    return is_count and match[0] in ("Cm", "Dm", "Db", "Gb")


def _is_pronoun(text: str, match: re.Match[str]) -> bool:
    """Whether Am or Em is a word of a sentence: I Am Here, Am I, Em and the rest."""
    before, before_gap = word_before(text, match.start())
    after, after_gap = word_after(text, match.end())
    starts_or_follows = not before or (before_gap == " " and before.isalpha())
    is_amid = starts_or_follows and after_gap == " " and after.isalpha()
    return match["root"] in "AE" and ("i" in (before, after) or is_amid)
