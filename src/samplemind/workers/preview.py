"""A sound as every browser plays it: FLAC of 16 bits, one or two channels, 8 to 48 kHz."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.audio import AudioFile
from samplemind.errors import OutputError
from samplemind.features.downmix import downmix

HIGHEST_RATE_HZ: Final = 48_000
LOWEST_RATE_HZ: Final = 8000
"""Chromium refuses rates below 3 kHz; all browsers play telephone sound."""
_CD_RATE_HZ: Final = 44_100
_FULL_SCALE: Final = 2**15

_HALF_POWER: Final = 0.5**0.5
_SHARES: Final = {
    "L": (1.0, 0.0),
    "R": (0.0, 1.0),
    "C": (_HALF_POWER, _HALF_POWER),
    "l": (_HALF_POWER, 0.0),
    "r": (0.0, _HALF_POWER),
    "-": (0.0, 0.0),
}
"""What of a loudspeaker's channel goes left and right (ITU-R BS.775-4, table 2). Surround is in lower case; "-" is the
one for low frequencies, which is left out."""
_LOUDSPEAKERS: Final = {3: "LRC", 4: "LRlr", 5: "LRClr", 6: "LRC-lr", 7: "LRC-Clr", 8: "LRC-lrlr"}
"""Channels in the order of WAVE (Microsoft, Multiple Channel Audio Data and WAVE Files), which FFmpeg shares."""
_VORBIS_LOUDSPEAKERS: Final = {3: "LCR", 4: "LRlr", 5: "LCRlr", 6: "LCRlr-", 7: "LCRlrC-", 8: "LCRlrlr-"}
"""Those of Vorbis (Vorbis I specification, 4.3.9): libsndfile leaves them as they are."""


def write_preview(audio: AudioFile, target: str) -> None:
    """Write the sound of a file being decoded to a new FLAC file.

    Sound of 16 bits with one or two channels at 8 to 48 kHz comes through as it is.

    Raises:
        AnalysisError: the file can't be decoded, or is beyond a limit.
        OutputError: the target exists, or can't be written.
    """
    import soundfile

    rate = preview_rate(audio.info.sample_rate)
    try:
        with open(target, "xb") as file:
            channels = 2 if audio.info.channels in (2, *_LOUDSPEAKERS) else 1
            with soundfile.SoundFile(
                file.fileno(), "w", rate, channels, "PCM_16", format="FLAC", closefd=False
            ) as flac:
                for block in _resampled(_mixed(audio), audio.info.sample_rate, rate, channels):
                    flac.write(_int16(block))
                if not flac.frames:  # a single sample may vanish on the way; a file of none can't be played
                    flac.write(np.zeros((1, channels), np.int16))
            os.fsync(file.fileno())
    except (OSError, soundfile.LibsndfileError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"the preview can't be written: {reason}") from error


def preview_rate(sample_rate: int) -> int:
    """The rate of a preview in Hz: the sound's own within the bounds, else one of the same family if it can be."""
    if LOWEST_RATE_HZ <= sample_rate <= HIGHEST_RATE_HZ:
        return sample_rate
    if sample_rate < LOWEST_RATE_HZ:
        return LOWEST_RATE_HZ
    return _CD_RATE_HZ if sample_rate % _CD_RATE_HZ == 0 else HIGHEST_RATE_HZ


def _mixed(audio: AudioFile) -> Iterator[NDArray[np.float32]]:
    """Blocks of one or two channels. Together the shares of a side are 1, so that nothing gets louder than it was."""
    in_vorbis_order = audio.info.codec == "vorbis" and audio.info.decoder.startswith("soundfile")
    loudspeakers = (_VORBIS_LOUDSPEAKERS if in_vorbis_order else _LOUDSPEAKERS).get(audio.info.channels)
    shares = np.array([_SHARES[each] for each in loudspeakers or ()], np.float32)
    for block in audio.blocks():
        if loudspeakers is not None:
            yield np.einsum("fc,cs->fs", block, shares / shares.sum(axis=0))
        else:
            yield block if block.shape[1] == 2 else downmix(block, None)[:, None]


def _resampled(
    blocks: Iterator[NDArray[np.float32]], sample_rate: int, rate: int, channels: int
) -> Iterator[NDArray[np.float32]]:
    if rate == sample_rate:
        yield from blocks
        return
    import soxr

    resampler = soxr.ResampleStream(sample_rate, rate, channels, dtype="float32", quality="HQ")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.empty((0, channels), np.float32), last=True)


def _int16(block: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.clip(np.rint(block * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
