"""Who answers: samplemind, and whatever other libraries are installed."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.audio import open_audio
from samplemind.errors import AnalysisError, PeerError
from samplemind.evaluation.answers import Answer, answer_of

Samples = NDArray[np.float32]

LEVELS: Final = ("basic", "standard", "detailed")
LIBROSA_RATE: Final = 22_050
SONARA_RATE: Final = 22_050
FULL_RATE: Final = 44_100


@dataclass(frozen=True)
class Method:
    """One way to answer.

    `answers` takes the tasks of each file by its path, and gives an answer for every file.
    """

    name: str
    answers: Callable[[Mapping[str, frozenset[str]]], Mapping[str, Answer]]
    is_peer: bool = True


def of_samplemind(*, jobs: int | None = None) -> Method:
    """Ourselves, in worker processes, without a cache.

    Args:
        jobs: worker processes; as many as there are cores by default.
    """
    return Method("samplemind", functools.partial(_by_samplemind, jobs=jobs), is_peer=False)


def peer(name: str) -> Method:
    """A library that is installed beside us.

    Raises:
        PeerError: no such library is known, or it is not installed.
    """
    if name not in PEERS:
        raise PeerError(f"no library {name!r} is known to compare with: {', '.join(PEERS)}")
    if importlib.util.find_spec(name) is None:
        raise PeerError(f"{name} is not installed")
    return Method(name, functools.partial(_by_peer, PEERS[name]))


def _by_samplemind(tasks: Mapping[str, frozenset[str]], *, jobs: int | None) -> dict[str, Answer]:
    from samplemind.engine import AudioEngine
    from samplemind.evaluation.tasks import TASKS

    at: dict[str, list[str]] = {level: [] for level in LEVELS}
    for path, asked in tasks.items():
        at[max((TASKS[task].level for task in asked), key=LEVELS.index)].append(path)
    with AudioEngine(cache=None) as engine:
        return {
            path: answer_of(found)
            for level, paths in at.items()
            for path, found in engine.batch_analyze(paths, level=level, jobs=jobs)
        }


def _by_peer(ask: Ask, tasks: Mapping[str, frozenset[str]]) -> dict[str, Answer]:
    found = {}
    for path, asked in tasks.items():
        try:
            samples = _mono(path, ask.rate)
        except AnalysisError:  # we can't decode it for them
            found[path] = Answer()
            continue
        try:
            with warnings.catch_warnings(action="ignore"):  # some are said for every short sound
                answer = ask.about(samples, asked)
        except Exception:  # whatever a library raises at a sound, it has no answer then
            answer = Answer(is_handled=False)
        found[path] = dataclasses.replace(answer, sample_rate_hz=ask.rate, frames=len(samples))
    return found


def _mono(path: str, rate: int) -> Samples:
    """A file's mean channel at a rate, decoded by us: libraries are asked what they hear, not what they can open."""
    import soxr

    with open_audio(path) as file:
        samples = np.concatenate([block.mean(axis=1) for block in file.blocks()])
        return np.ascontiguousarray(soxr.resample(samples, file.info.sample_rate, rate), dtype=np.float32)


def by_librosa(samples: Samples, asked: frozenset[str]) -> Answer:
    """librosa's beat tracker, onset detector, pYIN, and the mean and deviation of its MFCC, all with its defaults."""
    import librosa

    rate = LIBROSA_RATE
    found: dict[str, Any] = {}
    if asked & {"tempo", "tempo_loops", "tempo_mismatch", "beats"}:
        tempo, found["beats_s"] = librosa.beat.beat_track(y=samples, sr=rate, units="time")
        found["tempo_bpm"] = float(np.ravel(tempo)[0]) or None
    if "onsets" in asked:
        found["onsets_s"] = librosa.onset.onset_detect(y=samples, sr=rate, units="time")
    if "pitch" in asked:
        lowest, highest = float(librosa.note_to_hz("C1")), float(librosa.note_to_hz("C8"))
        pitches = librosa.pyin(samples, fmin=lowest, fmax=highest, sr=rate)[0]
        if np.isfinite(pitches).any():
            found["midi"] = float(librosa.hz_to_midi(np.nanmedian(pitches)))
    if "similarity" in asked:
        mfcc = librosa.feature.mfcc(y=samples, sr=rate)
        found["vector"] = np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)]).tolist()
    return _answer(found)


def by_sonara(samples: Samples, asked: frozenset[str]) -> Answer:
    """sonara's playlist mode; for similarity its embedding."""
    import sonara

    rate, similarity = SONARA_RATE, "similarity" in asked
    result = sonara.analyze_signal(samples, sr=rate, mode="full" if similarity else "playlist")
    frame = result["provenance"]["hop_length"] / rate
    return _answer(
        {
            "tempo_bpm": result.get("bpm") or None,
            "beats_s": np.array(result.get("beats", ())) * frame,
            "onsets_s": np.array(result.get("onset_frames", ())) * frame,
            "key": result.get("key"),
            "loudness_lufs": result.get("loudness_lufs"),
            "vector": result.get("embedding") if similarity else None,
        }
    )


def by_essentia(samples: Samples, asked: frozenset[str]) -> Answer:
    """Essentia's multifeature beat tracker, its key extractor with the profile "bgate", and its onset rate."""
    import essentia

    essentia.log.infoActive = essentia.log.warningActive = False
    import essentia.standard as algorithms

    found: dict[str, Any] = {}
    if asked & {"tempo", "tempo_loops", "tempo_mismatch", "beats"}:
        tempo, beats, *_ = algorithms.RhythmExtractor2013(method="multifeature")(samples)
        found["tempo_bpm"], found["beats_s"] = float(tempo) or None, beats
    if "onsets" in asked:
        found["onsets_s"] = algorithms.OnsetRate()(samples)[0]
    if asked & {"key", "key_all", "chord"}:
        tonic, mode, _ = algorithms.KeyExtractor(profileType="bgate")(samples)
        found["key"] = f"{tonic} {mode}"
    return _answer(found)


def by_aubio(samples: Samples, asked: frozenset[str]) -> Answer:
    """aubio's tempo, beats and onsets, with its defaults."""
    import aubio

    hop = 512
    tempo, onset = (find("default", 1024, hop, FULL_RATE) for find in (aubio.tempo, aubio.onset))
    beats, onsets = [], []
    for start in range(0, len(samples) - hop + 1, hop):
        block = samples[start : start + hop]
        if tempo(block):
            beats.append(tempo.get_last_s())
        if onset(block):
            onsets.append(onset.get_last_s())
    return _answer(
        {
            "tempo_bpm": tempo.get_bpm() or None,
            "beats_s": beats,
            "onsets_s": onsets,
        }
    )


def _answer(found: Mapping[str, Any]) -> Answer:
    """An answer of plain values."""
    return Answer(**{name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in found.items()})


@dataclass(frozen=True)
class Ask:
    """How a library is asked: with the samples of a file's mean channel, and the tasks that the file has."""

    rate: int
    """The library's usual sample rate, in Hz."""
    about: Callable[[Samples, frozenset[str]], Answer]


PEERS: Final[Mapping[str, Ask]] = {
    "librosa": Ask(LIBROSA_RATE, by_librosa),
    "sonara": Ask(SONARA_RATE, by_sonara),
    "essentia": Ask(FULL_RATE, by_essentia),
    "aubio": Ask(FULL_RATE, by_aubio),
}
"""Libraries to compare with, by the name of their package."""
