"""Everything else by FFmpeg, through PyAV: MP3, MP4 and M4A, Matroska and WebM, WMA, Opus, WavPack, APE …"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.audio.info import CHUNK_SAMPLES, AudioInfo, decoder_name
from samplemind.audio.mov import sound_lies_elsewhere
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
_MISCOUNTED: Final = frozenset(("aiff", "w64"))
"""Containers whose length FFmpeg gets wrong by factors, with the GSM and ADPCM that libsndfile leaves to it."""
_TOLD: Final = frozenset(("asf", "avi", "caf", "flv", "matroska", "mov"))
"""Containers that say themselves how long each packet lasts, and may be wrong; of others FFmpeg looks into packets."""
_EVEN: Final = frozenset(("aac", "mp3"))
"""Codecs whose packets are of one length, which FFmpeg knows of the codec itself."""
_LOSSLESS: Final = frozenset(("ape", "mlp", "mp4als", "tak", "truehd", "tta", "wavpack", "wmalossless"))
_DTYPES: Final = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
"""FFmpeg's sample formats."""
_CHANGES: Final = "another stream follows in it, of another sample rate or number of channels"


class AvReader:
    """Decodes the best audio stream of a file with FFmpeg.

    Args:
        path: only for error messages.
        file: at the first byte behind any ID3v2 tags, whose pictures FFmpeg would load.

    Raises:
        DecodeError: FFmpeg can't make sense of the file.
        UnsupportedFormatError: not on the allow-lists, without sound, with its sound in another file, or PyAV is
            not installed.
    """

    def __init__(self, path: str, file: BinaryIO) -> None:
        try:
            import av  # optional, and not needed for cached answers
        except ImportError as error:
            raise UnsupportedFormatError(path, f"decoding it needs PyAV (pip install av): {error}") from error
        self.most_frames: int | None = None
        self._path = path
        self._av = av
        source = _Source(file)
        try:
            self._container = av.open(source, "r", container_options=_OPTIONS, **_tolerant(av.__version__))
        except (av.FFmpegError, OSError) as error:
            raise DecodeError(path, _reason(error)) from error
        try:
            self._stream = _sound_stream(path, self._container)
            self.info = _info(path, self._container, self._stream)
            if self.info.container == "mov" and sound_lies_elsewhere(file, source.start):
                raise UnsupportedFormatError(path, "its sound lies in another file")
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
                info = self.info
                declared = info.declared_frames and info.declared_frames * form[1] // info.sample_rate
                self.info = replace(info, sample_rate=form[1], channels=form[2], declared_frames=declared)
                at_once = max(1, CHUNK_SAMPLES // form[2])
            elif came != form:
                raise UnsupportedFormatError(
                    self._path,
                    f"changes from {form[2]} channels at {form[1]} Hz ({form[0]}) to {came[2]} channels at "
                    f"{came[1]} Hz ({came[0]}) after {decoded / form[1]:.3f} s",
                )
            decoded += frame.samples
            padding = _padding(frame) if self.info.container == "mov" else 0
            frame.pts = None  # gaps between time stamps are not filled
            fifo.write(frame)
            while fifo.samples >= at_once + padding:
                yield _samples(fifo.read(at_once))
        if form and fifo.samples > padding:
            yield _samples(fifo.read(fifo.samples - padding))

    def close(self) -> None:
        """Close the library's container; the file belongs to the caller."""
        self._container.close()

    def _frames(self) -> Iterator[Any]:
        """Decode packet by packet; what is damaged is left out and told in `warnings`.

        Raises:
            DecodeError: nothing could be decoded.
            UnsupportedFormatError: the sample rate or the number of channels changes between streams in Ogg.
        """
        damaged, reason, nothing = 0, "", True
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
                if self.info.container == "ogg" and packet.has_sidedata("strings_metadata"):
                    # Another stream begins, which a decoder that remembers the one before would begin wrongly.
                    self._stream.codec_context.flush_buffers()
                frames = packet.decode()
            except (StopIteration, self._av.EOFError):
                break
            except (self._av.FFmpegError, OSError) as error:
                if self.info.container == "ogg" and isinstance(error, self._av.PatchWelcomeError):
                    raise UnsupportedFormatError(self._path, _CHANGES) from error
                damaged, reason = damaged + 1, _reason(error)
                continue
            for frame in frames:
                nothing = False
                yield frame
        if nothing and reason:
            raise DecodeError(self._path, reason)
        if damaged:
            self.warnings.append(f"damaged packets left out: {damaged} ({reason})")


def packet_seconds(file: BinaryIO, most_s: float) -> float | None:
    """Add up how long the packets of a file last, without decoding them; 2 µs a packet.

    Args:
        file: at the first byte behind any ID3v2 tags; it is moved.
        most_s: seconds; no more is counted once there are more.

    Returns:
        Seconds, or None without PyAV or a stream of sound.
    """
    try:
        import av
    except ImportError:
        return None
    try:
        with av.open(_Source(file), "r", container_options=_OPTIONS, **_tolerant(av.__version__)) as container:
            stream = container.streams.best("audio")
            context = stream.codec_context if stream else None
            if stream is None or context is None or not stream.time_base or not context.sample_rate:
                return None
            tick_s = float(stream.time_base)
            told, even = container.format.name.split(",")[0] in _TOLD, context.codec.canonical_name in _EVEN
            packet_s = context.frame_size / context.sample_rate if told and even else 0.0
            ticks = packets = 0
            try:
                for packet in container.demux(stream):
                    if packet.size and not packet.is_discard:
                        ticks += packet.duration or 0
                        packets += 1
                        if ticks * tick_s > most_s or packets * packet_s > most_s:
                            break
            except (av.FFmpegError, OSError):
                pass  # what is damaged so far that it has no packets is as long as those before
            return max(ticks * tick_s, packets * packet_s)
    except (av.FFmpegError, OSError):
        return None


class _Source:
    """A file from where it is to its end, as FFmpeg wants it.

    Seeking to where damage points returns -1 instead of raising in FFmpeg's callback.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.start = file.tell()
        self.read = file.read
        self._file = file

    def tell(self) -> int:
        return self._file.tell() - self.start

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0:
            if offset < 0:
                return -1
            offset += self.start
        try:
            return self._file.seek(offset, whence) - self.start
        except (OSError, ValueError, OverflowError):
            return -1


def _tolerant(version: str) -> dict[str, Any]:
    """Options by which tags that are no text don't matter; from PyAV 19 on they never do."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}


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
    return stream  # type: ignore[return-value]  # PyAV declares the base class of all streams


def _info(path: str, container: av.container.InputContainer, stream: av.audio.AudioStream) -> AudioInfo:
    context = stream.codec_context
    if not context.sample_rate or not context.channels:
        raise DecodeError(path, "FFmpeg finds neither a sample rate nor channels in it")
    name = container.format.name.split(",")[0]
    codec = context.codec.canonical_name
    # The stream's own length, if it has one; else the file's, in microseconds, which that of a film may be.
    counted = (stream.duration or 0) * (stream.time_base or 0)
    seconds = counted or Fraction(container.duration or 0, 1_000_000)
    if name in _MISCOUNTED:
        counted = seconds = Fraction(0)
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


def _padding(frame: Any) -> int:
    """Count the samples at the end of a frame that its duration leaves out.

    In MP4 (ISO/IEC 14496-12, 8.6.1.2) this is how the last packet of AAC or Opus says where its sound ends.
    """
    clock = frame.time_base * frame.sample_rate if frame.time_base else 2
    kept = round(frame.duration * clock)
    return frame.samples - kept if clock <= 1 and 0 < kept < frame.samples else 0


def _reason(error: av.FFmpegError | OSError) -> str:
    return f"FFmpeg: {(error.strerror or str(error)).lower()}"
