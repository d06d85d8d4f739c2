"""What can be searched for: every field of a query, with what it takes. `docs/search.md` has them as a table."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from samplemind.library.keys import KEYS, parse_key
from samplemind.library.sounds import DRUMS, EFFECTS, TONAL, sound_of
from samplemind.library.values import (
    Below,
    Glob,
    Interval,
    Number,
    Prefix,
    Reader,
    Text,
    Value,
    days,
    measured_in,
    numbers,
    seconds,
    share,
    steps,
)
from samplemind.library.words import query_words

KINDS: Final = ("one-shot", "loop", "track")
LEVELS: Final = ("basic", "standard", "detailed", "professional")
STATES: Final = ("missing", "any", "corrected", "duplicate", "tagged")
"""What an entry can be: none of its files is there; whether or not one is; a value is corrected; several files of it
are there; it has a tag."""
SOUNDS: Final = (*DRUMS, *TONAL, *EFFECTS)

_KINDS_WRITTEN: Final = {"oneshot": "one-shot", "one_shot": "one-shot"}
_FORMATS_WRITTEN: Final = {"aif": "aiff", "aifc": "aiff", "m4a": "mov", "mp4": "mov", "mkv": "matroska", "wma": "asf"}
"""Endings of files that are called otherwise than what is in them."""
_HERTZ: Final = {"hz": "1", "k": "1000", "khz": "1000"}
_BYTES: Final = {"b": "1", "k": "1e3", "kb": "1e3", "m": "1e6", "mb": "1e6", "g": "1e9", "gb": "1e9"}
_SHARE: Final = {"%": "0.01"}
_CHANNELS: Final = {"mono": "1", "stereo": "2"}
_NOTE: Final = re.compile(r"(?P<letter>[A-Ga-g])(?P<accidental>[#♯b♭]?)(?P<octave>-1|[0-9])?")
_SEMITONES: Final = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_ACCIDENTALS: Final = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}


@dataclass(frozen=True)
class Field:
    """Something to search by.

    Args:
        name: as it stands in a query.
        column: where the library has it, in the table of entries or else of files; None if that is not one column.
        about: what it is.
        unit: of its numbers.
        examples: values that it takes.
        read: reads a value.
        read_quoted: reads one in quotes, where they mean something.
        choices: its values, if they are few.
        optional: it may be unknown, which is `?` in a query.
        sortable: what is found can be ordered by it.
    """

    name: str
    column: str | None
    about: str
    unit: str
    examples: tuple[str, ...]
    read: Reader
    read_quoted: Reader | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    sortable: bool = False


def _choice(choices: Collection[str], written: Mapping[str, str] | None = None) -> Reader:
    def read(text: str) -> tuple[Value, ...]:
        name = (written or {}).get(text.lower(), text.lower())
        return (Text(name),) if name in choices else ()

    return read


def _word(text: str) -> tuple[Value, ...]:
    """Refuse what no name has a word of, and a pattern or a field in the wrong place."""
    return (Prefix(text),) if query_words(text) and not set(text) & set("*:") else ()


def _whole_words(text: str) -> tuple[Value, ...]:
    return (Text(text),) if query_words(text) else ()


def _text(text: str) -> tuple[Value, ...]:
    return (Text(text),) if text.strip() else ()


def _sound(text: str) -> tuple[Value, ...]:
    sound = text.lower() if text.lower() in SOUNDS else sound_of(text)
    return (Text(sound),) if sound else ()


def _format(text: str) -> tuple[Value, ...]:
    name = text.lower().removeprefix(".")
    return _text(_FORMATS_WRITTEN.get(name, name))


def _glob(text: str) -> tuple[Value, ...]:
    return (Glob(text),)


def _path(text: str) -> tuple[Value, ...]:
    if set(text) & set("*?"):
        return (Glob(text),)
    folder = text.rstrip("/")
    return (Below(folder),) if folder else ()


def _id(text: str) -> tuple[Value, ...]:
    return (Prefix(text.lower()),) if re.fullmatch(r"[0-9A-Fa-f]{4,64}", text) else ()


def _key(text: str) -> tuple[Value, ...]:
    if text.lower() in ("major", "minor"):
        return tuple(key for key in KEYS if key.mode == text.lower())
    key = parse_key(text.removeprefix("~"))
    if key is None:
        return ()
    return tuple(sorted(key.compatible)) if text.startswith("~") else (key,)


def _root(text: str) -> tuple[Value, ...]:
    note = _NOTE.fullmatch(text)
    if note is None or note["octave"]:
        return numbers(_note)(text)
    octaves = (float(_midi(note, octave)) for octave in range(-1, 10))
    return tuple(Interval(midi, midi) for midi in octaves)


def _note(text: str) -> Number | None:
    note = _NOTE.fullmatch(text)
    return (Decimal(_midi(note, int(note["octave"]))), Decimal("0.5")) if note and note["octave"] else None


def _midi(note: re.Match[str], octave: int) -> int:
    return 12 * (octave + 1) + _SEMITONES[note["letter"].lower()] + _ACCIDENTALS[note["accidental"]]


_TENTH: Final = share("0.1", "1")
_TEMPO: Final = numbers(measured_in({"bpm": "1"}), share("0.02", "1", "0.5", "2"))
"""Half of the 4 % within which estimates of tempo count as right (Gouyon et al. 2006). Half and double the tempo are
the same pulse, counted otherwise."""
_LOUDNESS: Final = numbers(measured_in({"lufs": "1", "db": "1"}), steps(1))
_PEAK: Final = numbers(measured_in({"dbtp": "1", "db": "1"}), steps(1))
_RANGE: Final = numbers(measured_in({"lu": "1", "db": "1"}), steps(1))
_CHANNEL_COUNT: Final = numbers(measured_in({}, _CHANNELS))
_PART: Final = numbers(measured_in(_SHARE))

# A table is read by its rows.
# fmt: off
_ALL: Final = (
    Field("word", None, "a word in the names of files and folders", "", ("kick", '"deep house"'), _word, _whole_words),
    Field("name", "name", "name of a file, with its ending", "", ("*kick*", "snare_0?.wav"), _glob, sortable=True),
    Field("path", "path", "folder or file below a scanned folder", "", ("Drums/Kicks", "*/Kicks/*"), _path),
    Field("tag", None, "a tag", "", ("used", "?"), _text, optional=True),
    Field("collection", None, "a collection", "", ("favourites", "?"), _text, optional=True),
    Field("sound", "named_sound", "what names call it", "", ("kick", "hihat", '"open hat"', "?"), _sound,
          choices=SOUNDS, optional=True),
    Field("kind", "kind", "kind of sound", "", (*KINDS, "?"), _choice(KINDS, _KINDS_WRITTEN),
          choices=KINDS, optional=True),
    Field("tempo", "tempo_bpm", "tempo", "BPM", ("124", "120..126", ">140", "~124", "?"), _TEMPO,
          optional=True, sortable=True),
    Field("key", "key", "key", "", ("Am", "F#m", "Bb", "8A", "minor", "~8A", "?"), _key, optional=True, sortable=True),
    Field("root", "root_midi", "note of a one-shot", "", ("C3", "F#", "C2..C4", "?"), _root, optional=True),
    Field("loudness", "loudness_lufs", "integrated loudness", "LUFS", ("-14", "-20..-14", ">-14", "~-14", "?"),
          _LOUDNESS, optional=True, sortable=True),
    Field("peak", "true_peak_dbtp", "true peak", "dBTP", ("-1", ">0", "~-1", "?"), _PEAK,
          optional=True, sortable=True),
    Field("range", "loudness_range_lu", "loudness range", "LU", ("6", "<=4", "~6", "?"), _RANGE, optional=True),
    Field("duration", "duration_s", "duration", "s", ("2", "500ms", "2m", "1:30", "<1.5", "~8"),
          numbers(seconds, _TENTH), sortable=True),
    Field("brightness", "spectral_centroid_hz", "mean spectral centroid", "Hz", ("2000", "1k..2.5k", "~3k", "?"),
          numbers(measured_in(_HERTZ), _TENTH), optional=True, sortable=True),
    Field("attack", "attack_s", "attack of a one-shot", "s", ("5ms", "<0.01", "~20ms", "?"),
          numbers(seconds, _TENTH), optional=True),
    Field("harmonic", "harmonic_ratio", "harmonic share of the energy", "0 to 1", (">0.8", "80%", "?"), _PART,
          optional=True),
    Field("tempo_confidence", "tempo_confidence", "how sure the tempo is", "0 to 1", (">0.5", "50%..", "?"), _PART,
          optional=True),
    Field("key_confidence", "key_confidence", "how sure the key is", "0 to 1", (">0.5", "50%..", "?"), _PART,
          optional=True),
    Field("rate", "sample_rate_hz", "sample rate", "Hz", ("44100", "44.1k", ">=48k"), numbers(measured_in(_HERTZ))),
    Field("channels", "channels", "channels", "", ("2", "mono", "stereo", ">2"), _CHANNEL_COUNT),
    Field("bits", "bit_depth", "bits of a sample", "", ("16", ">=24", "?"), numbers(measured_in({})), optional=True),
    Field("size", "size", "size of a file", "bytes", ("500k", ">10M", "1M..5M", "~2M"),
          numbers(measured_in(_BYTES), _TENTH)),
    Field("format", None, "container or codec", "", ("wav", "mp3", "flac", "pcm_s24le"), _format),
    Field("level", "level", "level of its analysis", "", LEVELS, _choice(LEVELS), choices=LEVELS),
    Field("added", "added_at", "when it came into the library", "", ("7d", "24h", "2026-01", ">2026-01-31"), days,
          sortable=True),
    Field("is", None, "its state", "", STATES, _choice(STATES), choices=STATES),
    Field("id", "digest", "beginning of its audio digest", "", ("3f9a", "3f9a51c0"), _id),
)
# fmt: on
FIELDS: Final[Mapping[str, Field]] = {field.name: field for field in _ALL}
