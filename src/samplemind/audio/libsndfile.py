"""FLAC, AIFF, CAF, W64, AU and Ogg Vorbis by libsndfile; MP3 and Opus only where PyAV is missing."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.audio.info import CHUNK_SAMPLES, AudioInfo, decoder_name
from samplemind.errors import DecodeError, UnsupportedFormatError

_CONTAINERS: Final = {
    "AIFF": "aiff",
    "AU": "au",
    "CAF": "caf",
    "FLAC": "flac",
    "MP3": "mp3",
    "OGG": "ogg",
    "W64": "w64",
}
_CODECS: Final[dict[str, tuple[str, int | None]]] = {
    "PCM_S8": ("pcm_s8", 8),
    "PCM_U8": ("pcm_u8", 8),
    "PCM_16": ("pcm_s16", 16),
    "PCM_24": ("pcm_s24", 24),
    "PCM_32": ("pcm_s32", 32),
    "FLOAT": ("pcm_f32", 32),
    "DOUBLE": ("pcm_f64", 64),
    "ULAW": ("pcm_mulaw", 8),
    "ALAW": ("pcm_alaw", 8),
    "ALAC_16": ("alac", 16),
    "ALAC_20": ("alac", 20),
    "ALAC_24": ("alac", 24),
    "ALAC_32": ("alac", 32),
    "VORBIS": ("vorbis", None),
    "OPUS": ("opus", None),
    "MPEG_LAYER_I": ("mp1", None),
    "MPEG_LAYER_II": ("mp2", None),
    "MPEG_LAYER_III": ("mp3", None),
}
"""libsndfile's subtype: FFmpeg's codec name (PCM without its byte order), bits per sample."""
_UNKNOWN_LENGTH: Final = 2**62
"""libsndfile reports the largest integer for an unknown length; nothing real comes near."""
_OTHER_CHANNELS: Final = "channel changed mid stream"
"""What libsndfile says of FLAC whose number of channels changes; a change of the rate it does not notice."""


class SndfileReader:
    """Decodes with libsndfile.

    Args:
        path: for error messages, and on Windows the file that is opened.
        file: the open file; libsndfile moves it without Python's knowing, and leaves it open.

    Raises:
        DecodeError: libsndfile can't make sense of the file.
        UnsupportedFormatError: a container or codec off the allow-list, or soundfile is not installed.
    """

    def __init__(self, path: str, file: BinaryIO) -> None:
        try:
            import soundfile  # not needed for cached answers
        except (ImportError, OSError) as error:  # OSError: the package without its library
            raise UnsupportedFormatError(path, f"decoding it needs soundfile: {error}") from error
        self._path = path
        self._error = soundfile.LibsndfileError
        try:
            self._file = _open(path, file)
        except soundfile.LibsndfileError as error:
            raise DecodeError(path, _reason(error)) from error
        try:
            self.info = _info(path, self._file)
        except UnsupportedFormatError:
            self._file.close()
            raise
        self.most_frames: int | None = self.info.declared_frames if self.info.declares_exactly else None
        self.warnings: list[str] = []

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield arrays of shape (n, channels), valid until the next one is asked for.

        Never asks for more than is declared: behind the last frame of a FLAC file may be tags that are not FLAC's.
        """
        frames = max(1, CHUNK_SAMPLES // self.info.channels)
        declared = self.info.declared_frames
        dtype: type[np.generic] = np.float32
        if self.info.bit_depth and self._file.subtype not in ("FLOAT", "DOUBLE"):
            # Integers are exact and, for 16 bits, several times as fast as libsndfile's own conversion.
            dtype = np.int16 if self.info.bit_depth <= 16 else np.int32
        buffer = np.empty((frames, self.info.channels), dtype)
        position = 0
        while True:
            wanted = frames if declared is None else min(frames, declared - position)
            try:
                chunk = self._file.read(wanted, out=buffer)
            except self._error as error:
                reason = _reason(error)
                if _OTHER_CHANNELS in reason:
                    raise UnsupportedFormatError(self._path, "the number of channels changes on the way") from error
                intact = self._file.tell() - position
                if position and intact:  # in the first chunk FFmpeg is asked instead, which decodes past the damage
                    yield buffer[:intact]
                raise DecodeError(self._path, reason) from error
            if not len(chunk):
                return
            position += len(chunk)
            yield chunk

    def close(self) -> None:
        """Close the library's file."""
        self._file.close()


def _open(path: str, file: BinaryIO) -> Any:
    if sys.platform == "win32":  # where C libraries don't share descriptors
        if os.path.splitext(path)[1].lower() == ".raw":
            # soundfile would take the name's word for it and ask for a sample rate.
            raise UnsupportedFormatError(path, "libsndfile is not asked about files named .raw")
        return _sequential()(path)
    # The open file and not its name, which may be another file's by now.
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return _sequential()(file.fileno(), closefd=False)


@functools.cache
def _sequential() -> Any:
    """Return a `soundfile.SoundFile` that only reads on."""
    import soundfile

    class Sequential(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
        """Says it can't seek: soundfile would seek after each read, which changes MP3 and Opus samples."""

        def seekable(self) -> bool:
            return False

    return Sequential


def _info(path: str, file: Any) -> AudioInfo:
    container = _CONTAINERS.get(file.format)
    codec, bit_depth = _CODECS.get(file.subtype, ("", None))
    if container is None or not codec:
        raise UnsupportedFormatError(path, f"{file.subtype} in {file.format} is not on libsndfile's allow-list")
    if container == "flac":
        codec = "flac"
    elif codec.startswith("pcm_") and codec[-2:] in ("16", "24", "32", "64"):
        little = file.endian == "LITTLE" or (file.endian == "FILE" and container == "w64")
        codec += "le" if little else "be"
    return AudioInfo(
        container=container,
        codec=codec,
        sample_rate=file.samplerate,
        channels=file.channels,
        bit_depth=bit_depth,
        declared_frames=file.frames if 0 <= file.frames < _UNKNOWN_LENGTH else None,
        declares_exactly=container != "mp3",
        decoder=decoder_name("soundfile"),
    )


def _reason(error: Any) -> str:
    words = error.error_string.removeprefix("Error : ").rstrip(".").lower()
    return f"libsndfile: {words or 'unknown error'}"
