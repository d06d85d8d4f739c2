"""The report of one file: a picture, and what was found in words."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from samplemind.cli import picture
from samplemind.cli.terminal import Style, columns, fitted, printable

if TYPE_CHECKING:
    from samplemind.result import AudioFeatures

_INDENT: Final = "  "
_LABEL: Final = 13
_LEAST_PROBABILITY: Final = 0.01
"""Candidates that would show as 0 % are left out."""
UNKNOWN: Final = "–"
_DOT: Final = " · "


def report(features: AudioFeatures, style: Style, width: int) -> str:
    """The readable report of one file, several lines without a final newline.

    Args:
        features: what was found.
        style: colours to use.
        width: columns to fill.
    """
    lines = [_title(features, style, width), _INDENT + style.dim(_file_line(features)), ""]
    lines += [_INDENT + line for line in _picture(features, style)]
    lines.append("")
    room = width - len(_INDENT) - _LABEL
    for label, field, row_of in _ROWS:
        if not _was_asked_for(features, field):
            continue
        if getattr(features, field) is None:
            texts = [style.dim(text) for text in _wrapped(f"{UNKNOWN}  {features.unknown[field]}", room)]
        else:
            texts = [_line(row_of(features), style, room)]
        lines += _labelled(style.dim(label.ljust(_LABEL)), texts)
    for warning in features.warnings:
        lines += _labelled(style.mark("note".ljust(_LABEL)), _wrapped(warning, room))
    return "\n".join(lines)


def _labelled(label: str, texts: list[str]) -> list[str]:
    labels = [label, *([" " * _LABEL] * (len(texts) - 1))]
    return [f"{_INDENT}{label}{text}" for label, text in zip(labels, texts, strict=True)]


def _wrapped(text: str, room: int) -> list[str]:
    return textwrap.wrap(printable(text), room)


def _line(row: Row, style: Style, room: int) -> str:
    answer = _DOT.join(fact for fact in (row.answer, *row.facts) if fact)
    others = ""
    for other in row.others:
        longer = f"{others}, {other}" if others else f"   or {other}"
        if len(answer) + len(longer) > room:
            break
        others = longer
    return style.bold(row.answer) + answer[len(row.answer) :] + style.dim(others)


def _title(features: AudioFeatures, style: Style, width: int) -> str:
    facts = _DOT.join(fact for fact in (features.kind, duration(features.duration_s)) if fact)
    room = width - len(_INDENT) - len(facts) - 2
    name = fitted(printable(features.path or "samples"), room)
    return f"{_INDENT}{style.bold(name)}{' ' * (room - columns(name) + 2)}{style.bold(facts)}"


def _file_line(features: AudioFeatures) -> str:
    channels = {1: "mono", 2: "stereo"}.get(features.channels, f"{features.channels} channels")
    facts = [f"{features.sample_rate_hz:,} Hz", channels]
    if features.container and features.codec:
        facts.append(_format(features.container, features.codec, features.bit_depth))
    if features.file_size_bytes is not None:
        facts.append(size(features.file_size_bytes))
    return printable(_DOT.join(facts))


def _format(container: str, codec: str, bit_depth: int | None) -> str:
    bits = f" {bit_depth} bit" if bit_depth else ""
    if codec.startswith("pcm_"):
        return f"{container.upper()}{bits}{' float' if codec.startswith('pcm_f') else ''}"
    name = codec.upper()
    return f"{name if name == container.upper() else f'{container.upper()} {name}'}{bits}"


def _picture(features: AudioFeatures, style: Style) -> Iterator[str]:
    if features.waveform is None:
        return
    for row in picture.waveform_rows(features.waveform):
        yield style.wave(row)
    beats = picture.beat_row(features.beats_s or (), features.downbeats_s or (), features.duration_s)
    if beats is not None:
        yield style.mark(beats)
    yield style.dim(picture.time_axis(features.duration_s))


def _was_asked_for(features: AudioFeatures, field: str) -> bool:
    from samplemind.features.levels import level_of

    node = type(features).__dataclass_fields__[field].metadata["node"]
    return level_of(node) in features.level.included


@dataclass(frozen=True)
class Row:
    """One row of the report: the answer, facts about it, and what it could be instead."""

    answer: str = ""
    facts: Sequence[str] = ()
    others: Sequence[str] = ()


def _tempo(features: AudioFeatures) -> Row:
    others = [(f"{other.tempo_bpm:.2f}", other.probability) for other in features.tempo_candidates or ()]
    return Row(f"{features.tempo_bpm:.2f} BPM", [_sure(features.tempo_confidence)], _others(others))


def _key(features: AudioFeatures) -> Row:
    facts = [features.camelot or "", features.open_key or "", _sure(features.key_confidence)]
    others = [(f"{other.key} {other.mode}", other.probability) for other in features.key_candidates or ()]
    return Row(f"{features.key} {features.mode}", facts, _others(others))


def _sure(confidence: float | None) -> str:
    return f"{percent(confidence)} sure" if confidence is not None else ""


def _others(candidates: Sequence[tuple[str, float]]) -> list[str]:
    """Candidates but the first, which is the answer."""
    return [f"{name} ({percent(share)})" for name, share in candidates[1:] if share >= _LEAST_PROBABILITY]


def _beats(features: AudioFeatures) -> Row:
    beats, downbeats = features.beats_s or (), features.downbeats_s
    facts = [_count(len(beats), "beat"), _count(len(downbeats), "downbeat") if downbeats is not None else ""]
    return Row(facts=[*facts, _first(beats)])


def _onsets(features: AudioFeatures) -> Row:
    onsets = features.onsets_s or ()
    return Row(facts=[_count(len(onsets), "onset"), _first(onsets)])


def _first(times: Sequence[float]) -> str:
    return f"first at {times[0]:.3f} s" if times else ""


def _root(features: AudioFeatures) -> Row:
    from samplemind.dsp.keys import note_name

    midi, cents = features.root_midi or 0, features.root_cents
    return Row(
        note_name(midi),
        [f"MIDI {midi}", _cents(cents) if cents is not None else ""],
    )


def _tuning(features: AudioFeatures) -> Row:
    return Row(facts=[f"{_cents(features.tuning_cents or 0.0)} from A4 = 440 Hz"])


def _chroma(features: AudioFeatures) -> Row:
    from samplemind.dsp.keys import PITCH_CLASSES

    bars = picture.bars(features.chroma_mean or ())
    return Row(facts=[" ".join(f"{name}{bar}" for name, bar in zip(PITCH_CLASSES, bars, strict=True))])


def _loudness(features: AudioFeatures) -> Row:
    return Row(f"{features.loudness_lufs:.1f} LUFS")


def _peak(features: AudioFeatures) -> Row:
    return Row(facts=[f"{features.peak_dbfs:.1f} dBFS"])


def _envelope(features: AudioFeatures) -> Row:
    decay = f"decay {_seconds(features.decay_s)}" if features.decay_s is not None else ""
    return Row(facts=[f"attack {_seconds(features.attack_s or 0.0)}", decay])


def _brightness(features: AudioFeatures) -> Row:
    parts = (
        ("centroid", features.spectral_centroid_hz),
        ("bandwidth", features.spectral_bandwidth_hz),
        ("rolloff", features.spectral_rolloff_hz),
    )
    return Row(facts=[f"{name} {statistics.mean:,.0f} Hz" for name, statistics in parts if statistics])


def _noisiness(features: AudioFeatures) -> Row:
    parts = (("flatness", features.spectral_flatness), ("zero-crossing rate", features.zero_crossing_rate))
    return Row(facts=[f"{name} {statistics.mean:.3f}" for name, statistics in parts if statistics])


def _dynamics(features: AudioFeatures) -> Row:
    spread = features.loudness_range_lu
    return Row(
        facts=[
            f"momentary {features.loudness_momentary_max_lufs:.1f} LUFS at most",
            f"short-term {features.loudness_short_term_max_lufs:.1f}",
            "" if spread is None else f"range {spread:.1f} LU",
        ]
    )


def _true_peak(features: AudioFeatures) -> Row:
    return Row(facts=[f"{features.true_peak_dbtp:.1f} dBTP"])


def _parts(features: AudioFeatures) -> Row:
    share = features.harmonic_ratio or 0.0
    return Row(facts=[f"harmonic {share:.0%}", f"percussive {1 - share:.0%}"])


def _faults(features: AudioFeatures) -> Row:
    phase = features.phase_correlation
    return Row(
        facts=[
            f"{features.clipped_samples:,} clipped samples" if features.clipped_samples else "no clipping",
            f"DC {abs(features.dc_offset or 0.0):.4f}",
            "" if phase is None else f"phase {phase:+.2f}",
        ]
    )


def _silence(features: AudioFeatures) -> Row:
    floor = features.noise_floor_dbfs
    return Row(
        facts=[
            f"{_seconds(features.leading_silence_s or 0.0)} before",
            f"{_seconds(features.trailing_silence_s or 0.0)} after",
            "" if floor is None else f"noise floor {floor:.1f} dBFS",
        ]
    )


_ROWS: Final[tuple[tuple[str, str, Callable[[AudioFeatures], Row]], ...]] = (
    ("tempo", "tempo_bpm", _tempo),
    ("beats", "beats_s", _beats),
    ("onsets", "onsets_s", _onsets),
    ("key", "key", _key),
    ("root note", "root_midi", _root),
    ("tuning", "tuning_cents", _tuning),
    ("chroma", "chroma_mean", _chroma),
    ("loudness", "loudness_lufs", _loudness),
    ("peak", "peak_dbfs", _peak),
    ("true peak", "true_peak_dbtp", _true_peak),
    ("dynamics", "loudness_momentary_max_lufs", _dynamics),
    ("envelope", "attack_s", _envelope),
    ("brightness", "spectral_centroid_hz", _brightness),
    ("noisiness", "spectral_flatness", _noisiness),
    ("parts", "harmonic_ratio", _parts),
    ("faults", "clipped_samples", _faults),
    ("silence", "leading_silence_s", _silence),
)
"""Label, the field that says whether it is known, and how it is shown."""


def duration(seconds: float) -> str:
    """A length as people write it: ``0.350 s``, ``7.742 s``, ``3:02.5``, ``1:02:03``."""
    if seconds < 60:
        return f"{seconds:.3f} s"
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    if minutes < 60:
        return f"{minutes}:{rest / 10:04.1f}"
    return f"{minutes // 60}:{minutes % 60:02}:{rest // 10:02}"


def size(count: int) -> str:
    """Bytes as people write them: ``812 bytes``, ``1.4 MB``."""
    amount, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{count} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def percent(share: float) -> str:
    """A probability in whole per cent."""
    return f"{100 * share:.0f} %"


def _cents(cents: float) -> str:
    return f"{round(cents):+d} cents"


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
