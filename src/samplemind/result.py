"""AudioFeatures: everything that is known of one sound, as one flat document."""

from __future__ import annotations

import dataclasses
import functools
import operator
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, Final, get_args

from numpy.typing import NDArray

from samplemind.dsp.statistics import Moments
from samplemind.features.levels import AnalysisLevel, level_of
from samplemind.graph import Unknown
from samplemind.plain import field_hints, from_plain, json_schema, to_plain
from samplemind.version import __version__

SCHEMA_VERSION: Final = 1
"""Raised when a field changes its meaning or goes away; adding fields is compatible."""

NOT_YET: Final = "this version has no sound method for it yet"
_NOT_ASKED: Final = object()


@dataclass(frozen=True)
class Statistics:
    """A per-frame feature over the whole sound."""

    mean: float
    std: float
    min: float
    max: float


@dataclass(frozen=True)
class TempoCandidate:
    """A tempo that the sound may have."""

    tempo_bpm: float
    probability: float


@dataclass(frozen=True)
class KeyCandidate:
    """A key that the sound may be in."""

    key: str
    mode: str
    probability: float


@dataclass(frozen=True)
class TempoPoint:
    """The tempo at one time."""

    time_s: float
    tempo_bpm: float


@dataclass(frozen=True)
class Chord:
    """A chord and its span; the label in Harte syntax."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True)
class KeySpan:
    """A key and its span."""

    start_s: float
    end_s: float
    key: str
    mode: str


def _statistics(moments: Moments) -> tuple[Statistics, ...]:
    columns = (moments.mean, moments.std, moments.minimum, moments.maximum)
    return tuple(map(Statistics, *(column.tolist() for column in columns)))


def _only(moments: Moments) -> Statistics:
    (statistics,) = _statistics(moments)
    return statistics


def _numbers(array: NDArray[Any]) -> tuple[float, ...]:
    return tuple(array.tolist())


def _of(node: str, read: Callable[[Any], Any] = lambda value: value, *, of_silence: bool = True) -> Any:
    """A field that a node answers, how to read it off the node's value, and whether silence has one."""
    return dataclasses.field(default=None, metadata={"node": node, "read": read, "of_silence": of_silence})


def _later(level: AnalysisLevel) -> Any:
    """A field of the document that no node answers yet."""
    return dataclasses.field(default=None, metadata={"level": level})


def _attribute(name: str) -> Callable[[Any], Any]:
    return operator.attrgetter(name)


@dataclass(frozen=True, kw_only=True)
class AudioFeatures:
    """What samplemind found out about one sound.

    A field that is None has its reason in `unknown`, under the field's name. Times are in seconds from the start,
    `key` is a tonic spelled with sharps, levels are relative to full scale. `docs/features.md` defines every
    field.
    """

    schema_version: int = SCHEMA_VERSION
    analyzer_version: str = __version__
    level: AnalysisLevel
    path: str | None
    """As the caller named it; None for samples that came as an array."""
    file_digest: str | None
    """BLAKE3 of the file's bytes, hexadecimal."""
    audio_digest: str
    """BLAKE3 of the decoded samples, hexadecimal: equal for equal sound in whatever file."""
    container: str | None
    codec: str | None
    duration_s: float
    sample_rate_hz: int
    channels: int
    bit_depth: int | None
    file_size_bytes: int | None

    kind: str | None = _of("kind", _attribute("label"))

    tempo_bpm: float | None = _of("tempo", _attribute("bpm"))
    tempo_confidence: float | None = _of("tempo", _attribute("confidence"))
    tempo_candidates: tuple[TempoCandidate, ...] | None = _of(
        "tempo", lambda tempo: tuple(TempoCandidate(bpm, probability) for bpm, probability in tempo.candidates)
    )
    time_signature: str | None = _later(AnalysisLevel.DETAILED)
    beats_s: tuple[float, ...] | None = _of("beats", _numbers)
    downbeats_s: tuple[float, ...] | None = _of("downbeats", _numbers)
    onsets_s: tuple[float, ...] | None = _of("onsets", _numbers)
    tempo_curve: tuple[TempoPoint, ...] | None = _later(AnalysisLevel.DETAILED)
    groove: tuple[float, ...] | None = _later(AnalysisLevel.DETAILED)
    swing_ratio: float | None = _later(AnalysisLevel.DETAILED)

    key: str | None = _of("key", _attribute("tonic"))
    mode: str | None = _of("key", _attribute("mode"))
    key_confidence: float | None = _of("key", _attribute("confidence"))
    key_candidates: tuple[KeyCandidate, ...] | None = _of(
        "key", lambda key: tuple(KeyCandidate(c.tonic, c.mode, c.probability) for c in key.candidates)
    )
    camelot: str | None = _of("key", _attribute("camelot"))
    open_key: str | None = _of("key", _attribute("open_key"))
    tuning_cents: float | None = _of("tuning", _attribute("cents"))
    chroma_mean: tuple[float, ...] | None = _of(
        "chroma_moments", lambda moments: _numbers(moments.mean), of_silence=False
    )
    chords: tuple[Chord, ...] | None = _later(AnalysisLevel.DETAILED)
    key_changes: tuple[KeySpan, ...] | None = _later(AnalysisLevel.DETAILED)
    root_midi: int | None = _of("root_note", _attribute("midi"))
    root_cents: float | None = _of("root_note", _attribute("cents"))

    spectral_centroid_hz: Statistics | None = _of("spectral_centroid_moments", _only, of_silence=False)
    spectral_bandwidth_hz: Statistics | None = _of("spectral_bandwidth_moments", _only, of_silence=False)
    spectral_rolloff_hz: Statistics | None = _of("spectral_rolloff_moments", _only, of_silence=False)
    spectral_flatness: Statistics | None = _of("spectral_flatness_moments", _only, of_silence=False)
    spectral_contrast_db: tuple[Statistics, ...] | None = _of(
        "spectral_contrast_moments", _statistics, of_silence=False
    )
    zero_crossing_rate: Statistics | None = _of("zero_crossing_rate_moments", _only)
    rms: Statistics | None = _of("rms_moments", _only)
    mfcc_mean: tuple[float, ...] | None = _of("mfcc_moments", lambda moments: _numbers(moments.mean), of_silence=False)
    mfcc_std: tuple[float, ...] | None = _of("mfcc_moments", lambda moments: _numbers(moments.std), of_silence=False)

    loudness_lufs: float | None = _of("loudness_lufs")
    loudness_range_lu: float | None = _of("loudness_range_lu")
    loudness_momentary_max_lufs: float | None = _of("loudness_momentary_max_lufs")
    loudness_short_term_max_lufs: float | None = _of("loudness_short_term_max_lufs")
    peak_dbfs: float | None = _of("peak_dbfs")
    true_peak_dbtp: float | None = _of("true_peak_dbtp")
    attack_s: float | None = _of("attack_s")
    decay_s: float | None = _of("decay_s")
    harmonic_ratio: float | None = _of("harmonic_ratio")
    """Share of the energy that is harmonic, 0 to 1."""
    harmonic_bands: tuple[float, ...] | None = _of("band_energies", lambda energies: _numbers(energies.harmonic))
    """Energy of the harmonic part in seven octave bands, as a share of all the energy of both parts."""
    percussive_bands: tuple[float, ...] | None = _of("band_energies", lambda energies: _numbers(energies.percussive))
    """Energy of the percussive part in the same bands and unit."""

    clipped_samples: int | None = _of("clipped_samples")
    dc_offset: float | None = _of("dc_offset")
    phase_correlation: float | None = _of("phase_correlation")
    leading_silence_s: float | None = _of("leading_silence_s")
    trailing_silence_s: float | None = _of("trailing_silence_s")
    noise_floor_dbfs: float | None = _of("noise_floor_dbfs")

    waveform: tuple[float, ...] | None = _of("waveform", _numbers)
    """Peak amplitude of equal slices of the duration, for drawing."""
    similarity_vector: tuple[float, ...] | None = _of("similarity_vector", _numbers)
    """Sounds whose vectors are close sound alike."""

    warnings: tuple[str, ...] = ()
    """What a user should know about how the file was read."""
    unknown: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    """For every field that is None: why."""

    series: Mapping[str, NDArray[Any]] | None = dataclasses.field(
        default=None, compare=False, metadata={"plain": False}
    )
    """Frame-level series by name, if they were asked for; no part of the document."""

    def to_dict(self) -> dict[str, Any]:
        """The document as plain data: what `json.dumps` takes, every number finite or None."""
        document: dict[str, Any] = to_plain(self, array=lambda series: None)
        del document["series"]
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> AudioFeatures:
        """Rebuild what `to_dict` gave; fields that a newer version added are left out.

        Raises:
            ValueError: the document is of another schema version, or a field has the wrong type.
        """
        if not isinstance(document, Mapping):
            raise ValueError(f"a document is a mapping, not {type(document).__name__}")
        if document.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(f"schema version {document.get('schema_version')!r} is not {SCHEMA_VERSION}")
        defaults = {field.name: field.default for field in dataclasses.fields(cls) if field.default is not MISSING}
        features: AudioFeatures = from_plain(cls, {**defaults, **document})
        return features


def document_hints() -> dict[str, Any]:
    """Annotations of the document's fields, in its order."""
    return {name: hint for name, hint in field_hints(AudioFeatures).items() if name != "series"}


def document_schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    properties = {name: json_schema(hint) for name, hint in document_hints().items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "AudioFeatures",
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def fields_from(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the document, and the `unknown` that explains those that are None.

    Args:
        values: by node: a value or `Unknown`. Fields of nodes that are missing here were not asked for.
    """
    fields: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    peak = values.get("peak_dbfs")
    silence = peak if isinstance(peak, Unknown) else None
    for name, node, read, of_silence in _answered():
        value = values.get(node, _NOT_ASKED)
        if value is _NOT_ASKED:
            unknown[name] = f"not asked for: it is part of the level {level_of(node)}"
        elif isinstance(value, Unknown):
            unknown[name] = value.reason
        elif silence is not None and not of_silence:
            unknown[name] = silence.reason
        else:
            fields[name] = read(value)
    return {**fields, "unknown": unknown | dict.fromkeys(_unanswered(), NOT_YET)}


@functools.cache
def _answered() -> tuple[tuple[str, str, Callable[[Any], Any], bool], ...]:
    """Fields that a node answers: their name, the node's, how to read them off its value, whether silence has one."""
    found = [(field.name, field.metadata) for field in dataclasses.fields(AudioFeatures)]
    return tuple((name, of["node"], of["read"], of["of_silence"]) for name, of in found if "node" in of)


@functools.cache
def _unanswered() -> tuple[str, ...]:
    """Fields that no node answers yet."""
    return tuple(field.name for field in dataclasses.fields(AudioFeatures) if "level" in field.metadata)


def scalar_fields() -> tuple[str, ...]:
    """Fields of the document that hold one number or word: what a table or a CSV file can show."""
    scalars = (str, int, float, type(None), AnalysisLevel)
    return tuple(
        name
        for name, hint in document_hints().items()
        if all(member in scalars for member in (get_args(hint) if isinstance(hint, types.UnionType) else (hint,)))
    )
