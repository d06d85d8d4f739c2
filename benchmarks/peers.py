"""What other libraries do for the same outputs, or those of them that they have. Each is imported when it is called."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile


@dataclass(frozen=True)
class Peer:
    """Another way to analyse a file."""

    package: str
    name: str
    analyze: Callable[[Path], object]
    unreadable: frozenset[str] = frozenset()
    """Suffixes of files that it can't read by itself, or reads as something else."""

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return importlib.util.find_spec(self.package) is not None


def by_sonara(path: Path, *, mode: str, sample_rate: int = 22_050) -> Mapping[str, Any]:
    """One of sonara's modes. At its default rate it sees half of the band and half of the samples that we do."""
    import sonara

    found: Mapping[str, Any] = sonara.analyze_file(str(path), mode=mode, sr=sample_rate)
    return found


def standard_by_librosa(path: Path) -> dict[str, Any]:
    """STANDARD's outputs; librosa has no loudness, kind or key, so those are samplemind's extra."""
    import librosa

    samples, rate = librosa.load(path, sr=44_100, mono=True)
    spectrum = np.abs(librosa.stft(samples))
    mel = librosa.feature.melspectrogram(S=spectrum**2, sr=rate)
    found = {
        "samples": samples,
        "duration": len(samples) / rate,
        "mfcc": librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None)),
        "chroma_stft": librosa.feature.chroma_stft(S=spectrum**2, sr=rate, tuning=0),
        "chroma_cqt": librosa.feature.chroma_cqt(y=samples, sr=rate),
        "tuning": librosa.estimate_tuning(y=samples, sr=rate),
        "flatness": librosa.feature.spectral_flatness(S=spectrum),
        "zero_crossing_rate": librosa.feature.zero_crossing_rate(samples),
        "rms": librosa.feature.rms(y=samples),
    }
    for feature in ("centroid", "bandwidth", "rolloff", "contrast"):
        found[feature] = getattr(librosa.feature, f"spectral_{feature}")(S=spectrum, sr=rate)
    envelope = librosa.onset.onset_strength(S=librosa.power_to_db(mel), sr=rate)
    found["onsets"] = librosa.onset.onset_detect(onset_envelope=envelope, sr=rate)
    found["tempo"], found["beats"] = librosa.beat.beat_track(onset_envelope=envelope, sr=rate)
    return found


def detailed_by_librosa(path: Path) -> dict[str, Any]:
    """What DETAILED adds, as a user of librosa gets it: separated sound for the ratio, pyloudnorm for loudness."""
    import librosa
    import pyloudnorm

    found = standard_by_librosa(path)
    harmonic, percussive = librosa.effects.hpss(found["samples"])
    energies = np.sum(harmonic**2), np.sum(percussive**2)
    found["harmonic_ratio"] = energies[0] / max(sum(energies), 1e-30)
    stereo, rate = soundfile.read(path)
    if len(stereo) > 0.4 * rate:
        found["loudness"] = pyloudnorm.Meter(rate).integrated_loudness(stereo)
    found["trimmed"] = librosa.effects.trim(found["samples"])[1]
    return found


def separated_by_librosa(path: Path, folder: Path) -> None:
    """Both channels separated, and written as 32-bit float."""
    import librosa

    samples, rate = librosa.load(path, sr=None, mono=False)
    for part, sound in zip(("harmonic", "percussive"), librosa.effects.hpss(samples), strict=True):
        soundfile.write(folder / f"librosa.{part}.wav", sound.T, rate, subtype="FLOAT")


def by_essentia(path: Path) -> object:
    """Everything that Essentia's extractor for music finds."""
    import essentia

    essentia.log.infoActive = essentia.log.warningActive = False
    import essentia.standard

    return essentia.standard.MusicExtractor()(str(path))[0]


def by_aubio(path: Path) -> tuple[float, list[float]]:
    """Tempo and onsets, which are all that aubio has of BASIC's outputs."""
    import aubio

    source = aubio.source(str(path), hop_size=512)
    tempo, onset = (find("default", 1024, 512, source.samplerate) for find in (aubio.tempo, aubio.onset))
    onsets = []
    read = 512
    while read == 512:
        block, read = source()
        tempo(block)
        if onset(block):
            onsets.append(onset.get_last_s())
    return tempo.get_bpm(), onsets


_MONO_AAC_ONLY: Final = frozenset({".m4a"})
"""sonara 0.3.6 takes the two channels of AAC for one that is twice as long, and would have twice the work."""
SONARA_COMPACT: Final = Peer("sonara", "sonara compact", functools.partial(by_sonara, mode="compact"), _MONO_AAC_ONLY)
SONARA_PLAYLIST: Final = Peer(
    "sonara", "sonara playlist", functools.partial(by_sonara, mode="playlist"), _MONO_AAC_ONLY
)
SONARA_FULL: Final = Peer("sonara", "sonara full", functools.partial(by_sonara, mode="full"), _MONO_AAC_ONLY)
_WITHOUT_FFMPEG: Final = frozenset({".m4a"})
"""librosa reads them only where somebody has installed FFmpeg's program."""
LIBROSA_STANDARD: Final = Peer("librosa", "librosa", standard_by_librosa, _WITHOUT_FFMPEG)
LIBROSA_DETAILED: Final = Peer("librosa", "librosa", detailed_by_librosa, _WITHOUT_FFMPEG)
ESSENTIA: Final = Peer("essentia", "Essentia MusicExtractor", by_essentia)
AUBIO: Final = Peer("aubio", "aubio tempo and onsets", by_aubio)

PACKAGES: Final = ("sonara", "librosa", "pyloudnorm", "essentia", "aubio")
