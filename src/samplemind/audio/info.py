"""What a file says about its sound, and which decoder said so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_REVISION: Final = 1
"""Raise it when our own decoding changes samples: what was decoded by older revisions is then decoded again."""
CHUNK_SAMPLES: Final = 32_768
"""Samples that a reader hands on at once, so that they and their float32 copy stay in the L2 cache."""


@dataclass(frozen=True)
class AudioInfo:
    """What is known of a file's sound before all of it is decoded.

    Attributes:
        container: FFmpeg's short name of the container: "wav", "aiff", "flac", "ogg", "mp3", "mov" (MP4 and
            M4A as well), "matroska" (WebM as well), "asf" (WMA) …
        codec: FFmpeg's name of the codec: "pcm_s16le", "flac", "vorbis", "mp3", "aac" …
        sample_rate: Hz.
        channels: number of channels.
        bit_depth: bits per sample as stored; None where the codec has none (lossy) or does not tell.
        declared_frames: frames that the file should hold by its header; None if nothing is known.
        declares_exactly: the header counts them; otherwise they are the library's estimate, from a bit rate say.
        decoder: what turns the file into samples, with versions; see `is_current`.
    """

    container: str
    codec: str
    sample_rate: int
    channels: int
    bit_depth: int | None
    declared_frames: int | None
    declares_exactly: bool
    decoder: str


def decoder_name(package: str | None) -> str:
    """Name our revision, and the package that decodes with its version ("soundfile 0.13.1, revision 1").

    The version is the package's, which a wheel ties to one build of its library, because it can be read
    without importing it.
    """
    if package is None:
        return f"revision {_REVISION}"
    from importlib.metadata import version

    return f"{package} {version(package)}, revision {_REVISION}"


def is_current(decoder: str) -> bool:
    """Tell whether a file decoded by `decoder` (an `AudioInfo.decoder`) would be decoded the same way now."""
    library, _, _ = decoder.rpartition("revision ")
    try:
        return decoder == decoder_name(library.split(" ")[0] or None)
    except ModuleNotFoundError:  # importlib.metadata's PackageNotFoundError is one
        return False
