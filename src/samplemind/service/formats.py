"""What browsers call a file, and whether they play it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from samplemind.audio.sniff import sniff

_TYPES: Final = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "ogg vorbis": "audio/ogg",
    "mp3": "audio/mpeg",
    "mov": "audio/mp4",
    "aiff": "audio/aiff",
    "matroska": "audio/x-matroska",
    "caf": "audio/x-caf",
    "au": "audio/basic",
    "amr": "audio/amr",
    "wv": "audio/x-wavpack",
    "ape": "audio/x-ape",
    "asf": "audio/x-ms-asf",
}
"""Media types by the container that the first bytes tell."""
_PLAYED: Final = {"pcm_u8", "pcm_s16le", "pcm_s24le", "mp3", "flac", "vorbis", "opus", "aac"}
"""Codecs, by FFmpeg's names, that all of today's browsers play in the containers of `_PLAYED_IN`."""
_PLAYED_IN: Final = {"wav", "mp3", "flac", "ogg", "ogg vorbis", "mov"}
OTHER: Final = "application/octet-stream"


def media_type(path: Path, codec: str | None) -> str:
    """The media type of a file, by its first bytes; `OTHER` for what is not told by them.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        container = sniff(file) or ("mp3" if codec == "mp3" else "")  # MPEG streams have no magic number
    return _TYPES.get(container, OTHER)


def is_played(path: Path, codec: str | None) -> bool:
    """Whether browsers play a file as it is; of one whose codec is not known yet it is not said.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return codec in _PLAYED and (sniff(file) or codec) in _PLAYED_IN
