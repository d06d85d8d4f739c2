"""Everything else by FFmpeg, through PyAV: MP3, MP4 and M4A, Matroska and WebM, WMA, Opus, WavPack, APE …"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.audio.info import AudioInfo, decoder_name
from samplemind.errors import DecodeError, UnsupportedFormatError

if TYPE_CHECKING:
    import av
    import av.audio
    import av.container

_DEMUXERS: Final = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,loas,matroska,mov,mp3,mpc,mpc8,mpegts,ogg,tak,tta,"
    "voc,w64,wav,wv"
)
"""Containers that may be opened: none of them reads other files, so no playlists, HLS, DASH or images."""
_DECODERS: Final = (
    "aac,aac_latm,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,adpcm_swf,adpcm_yamaha,alac,als,amrnb,amrwb,ape,dca,"
    "dsd_lsbf,dsd_lsbf_planar,dsd_msbf,dsd_msbf_planar,eac3,flac,gsm,gsm_ms,libopencore_amrnb,libopencore_amrwb,"
    "libopus,libvorbis,mlp,mp1,mp1float,mp2,mp2float,mp3,mp3adu,mp3adufloat,mp3float,mp3on4,mp3on4float,mpc7,mpc8,"
    "nellymoser,opus,qdm2,qdmc,speex,tak,truehd,tta,vorbis,wavpack,wmalossless,wmapro,wmav1,wmav2,wmavoice,"
    "pcm_alaw,pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16be_planar,pcm_s16le,"
    "pcm_s16le_planar,pcm_s24be,pcm_s24le,pcm_s24le_planar,pcm_s32be,pcm_s32le,pcm_s32le_planar,pcm_s8,"
    "pcm_s8_planar,pcm_u16be,pcm_u16le,pcm_u24be,pcm_u24le,pcm_u32be,pcm_u32le,pcm_u8"
)
"""Decoders that may run: audio only, so that a video stream beside the sound is not touched."""
_OPTIONS: Final = {
    "format_whitelist": _DEMUXERS,
    "codec_whitelist": _DECODERS,
    "protocol_whitelist": "none",  # the file is read through Python; FFmpeg itself opens nothing
}
_ESTIMATED: Final = frozenset(("aac", "ac3", "amr", "dsf", "dts", "eac3", "loas", "mp3", "mpegts"))
"""Containers whose length FFmpeg estimates from the bit rate or rounds up to blocks."""
_LOSSLESS: Final = frozenset(("ape", "mlp", "mp4als", "tak", "truehd", "tta", "wavpack", "wmalossless"))
_DTYPES: Final = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
"""FFmpeg's sample formats."""
_CHUNK_SAMPLES: Final = 32_768
"""Samples handed on at once, so that they and their float32 copy stay in the L2 cache."""


class AvReader:
    """Decodes the best audio stream of a file with FFmpeg.

    Raises:
        DecodeError: FFmpeg can't make sense of the file.
        UnsupportedFormatError: not on the allow-lists, without sound, or PyAV is not installed.
    """

    def __init__(self, path: str, file: BinaryIO) -> None:
        try:
            import av  # optional, and not needed for cached answers
        except ImportError as error:
            raise UnsupportedFormatError(path, f"decoding it needs PyAV (pip install av): {error}") from error
        self._path = path
        self._av = av
        file.seek(0)
        try:
            self._container = av.open(_Source(file), "r", container_options=_OPTIONS, metadata_errors="replace")
        except (av.FFmpegError, OSError) as error:
            raise DecodeError(path, _reason(error)) from error
        try:
            self._stream = _sound_stream(path, self._container)
            self.info = _info(path, self._container, self._stream)
        except (UnsupportedFormatError, DecodeError):
            self._container.close()
            raise
        self.warnings: list[str] = []

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield arrays of shape (n, channels)."""
        fifo = self._av.AudioFifo()
        form: tuple[str, int, int] | None = None
        decoded = 0
        for frame in self._frames():
            came = (frame.format.name, frame.sample_rate, frame.layout.nb_channels)
            if form is None:
                # What comes out counts: a header knows half the rate of AAC with spectral band replication.
                form = came
                self.info = replace(self.info, sample_rate=form[1], channels=form[2])
                at_once = max(1, _CHUNK_SAMPLES // form[2])
            elif came != form:
                raise UnsupportedFormatError(
                    self._path,
                    f"changes from {form[2]} channels at {form[1]} Hz ({form[0]}) to {came[2]} channels at "
                    f"{came[1]} Hz ({came[0]}) after {decoded / form[1]:.3f} s",
                )
            decoded += frame.samples
            frame.pts = None  # gaps between time stamps are not filled
            fifo.write(frame)
            while fifo.samples >= at_once:
                yield _samples(fifo.read(at_once))
        if fifo.samples:
            yield _samples(fifo.read())

    def close(self) -> None:
        """Close the library's container; the file belongs to the caller."""
        self._container.close()

    def _frames(self) -> Iterator[Any]:
        """Decode packet by packet; what is damaged is left out and told in `warnings`.

        Raises:
            DecodeError: nothing could be decoded.
        """
        damaged, reason, nothing = 0, "", True
        packets = self._container.demux(self._stream)
        while True:
            try:
                frames = next(packets).decode()
            except (StopIteration, self._av.EOFError):
                break
            except (self._av.FFmpegError, OSError) as error:
                damaged, reason = damaged + 1, _reason(error)
                continue
            for frame in frames:
                nothing = False
                yield frame
        if nothing and reason:
            raise DecodeError(self._path, reason)
        if damaged:
            self.warnings.append(f"damaged packets left out: {damaged} ({reason})")


class _Source:
    """A file as FFmpeg wants it: seeking to where damage points returns -1 instead of raising in its callback."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1


def _sound_stream(path: str, container: av.container.InputContainer) -> av.audio.AudioStream:
    stream = container.streams.best("audio")
    if stream is None:
        raise UnsupportedFormatError(path, "there is no sound in it")
    context = stream.codec_context
    if context is None:
        raise UnsupportedFormatError(path, "FFmpeg has no decoder for its sound")
    if context.name not in _DECODERS.split(","):
        raise UnsupportedFormatError(path, f"the codec {context.name} is not on the allow-list")
    # Threads would not make single files faster enough to take cores from other files.
    context.thread_count = 1
    # Without it, damaged WavPack comes out as noise instead of being left out.
    context.options = {"err_detect": "crccheck"}
    return stream  # type: ignore[return-value]


def _info(path: str, container: av.container.InputContainer, stream: av.audio.AudioStream) -> AudioInfo:
    context = stream.codec_context
    if not context.sample_rate or not context.channels:
        raise DecodeError(path, "FFmpeg finds neither a sample rate nor channels in it")
    name = container.format.name.split(",")[0]
    codec = context.codec.canonical_name
    # The stream's own length, if it has one; else the file's, in microseconds, which that of a film may be.
    counted = (stream.duration or 0) * (stream.time_base or 0)
    seconds = counted or Fraction(container.duration or 0, 1_000_000)
    return AudioInfo(
        container=name,
        codec=codec,
        sample_rate=context.sample_rate,
        channels=context.channels,
        bit_depth=_bit_depth(codec, context.format.name if context.format else "", context.extradata or b""),
        declared_frames=round(seconds * context.sample_rate) if seconds > 0 else None,
        declares_exactly=counted > 0 and name not in _ESTIMATED,
        decoder=decoder_name("av"),
    )


def _bit_depth(codec: str, sample_format: str, header: bytes) -> int | None:
    """Return the bits per sample of lossless codecs.

    FFmpeg widens 20 and 24 bits to 32, so FLAC (RFC 9639, 8.2) and ALAC (ALACMagicCookieDescription) are
    asked themselves, and the others are taken to have 24.
    """
    if codec == "flac" and len(header) >= 14:
        return ((header[12] & 1) << 4 | header[13] >> 4) + 1
    if codec == "alac" and len(header) >= 18:
        return header[17]
    if codec.startswith("pcm_"):
        return int("".join(filter(str.isdigit, codec)) or 8)  # A-law and mu-law have 8
    if codec.startswith("dsd_"):
        return 1
    if codec in _LOSSLESS:
        return {"u8": 8, "s16": 16, "s32": 24, "flt": 32}.get(sample_format.removesuffix("p"))
    return None


def _samples(frame: Any) -> NDArray[Any]:
    """Return a frame's samples as shape (n, channels).

    Not by `frame.to_ndarray`: up to PyAV 18.1 it looks for planes until a null pointer, which does not come
    with 8 or more planar channels, and crashes.
    """
    from av.audio.plane import AudioPlane

    channels, planar = frame.layout.nb_channels, frame.format.is_planar
    dtype = _DTYPES[frame.format.name.removesuffix("p")]
    count = frame.samples * (1 if planar else channels)
    buffers: list[Any] = [AudioPlane(frame, index) for index in range(channels if planar else 1)]
    planes = [np.frombuffer(buffer, dtype, count) for buffer in buffers]
    return np.stack(planes, axis=1) if planar else planes[0].reshape(-1, channels)


def _reason(error: av.FFmpegError | OSError) -> str:
    return f"FFmpeg: {(error.strerror or str(error)).lower()}"
