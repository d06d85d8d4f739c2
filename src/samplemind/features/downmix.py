"""From the file's own samples to the one 44.1 kHz channel that spectral, rhythm and tonal features see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.dsp.compiled import compiled
from samplemind.features.streams import SAMPLE_RATE, Mono, Samples
from samplemind.graph import Stream

NativeMono = Annotated[NDArray[np.float32], Stream("samples")]
"""One channel at the file's own rate, shape (n,)."""

CANCELLATION: Final = 0.1
"""The mean of the channels cancels when its power is under this share of what unrelated channels would leave: for two
channels of equal power, when their correlation is below -0.9."""

PIECE: Final = 4096
"""Samples that the resampler gets at a time."""


def frames_seen(state: int | None, samples: Samples) -> int:
    """Number of frames of the sound that were decoded."""
    return (state or 0) + len(samples)


def duration_s(frames_seen: int, sample_rate: int) -> float:
    """Duration in seconds: decoded frames over the sample rate."""
    return frames_seen / sample_rate


def downmix(samples: Samples, mono_channel: int | None) -> NativeMono:
    """The mean of all channels, or the one channel chosen by `mono_channel`, at the file's own rate."""
    if mono_channel is not None:
        return np.ascontiguousarray(samples[:, mono_channel])
    return samples[:, 0] if samples.shape[1] == 1 else _channel_mean(samples)


@dataclass(frozen=True)
class ChannelEnergies:
    """Sums of squared samples."""

    channels: NDArray[np.float64]
    mixed: float


def channel_energies(state: ChannelEnergies | None, samples: Samples, downmix: NativeMono) -> ChannelEnergies:
    """Energy of every channel, and of the downmix."""
    channels = _channel_energies(samples)
    mixed = float(_channel_energies(downmix[:, None])[0])
    if state is None:
        return ChannelEnergies(channels, mixed)
    return ChannelEnergies(state.channels + channels, state.mixed + mixed)


@dataclass(frozen=True)
class Downmix:
    """Which channel stands for the sound: its index from 0, or None for the mean of all."""

    channel: int | None


def fitting_downmix(channel_energies: ChannelEnergies) -> Downmix:
    """The mean of the channels, or the strongest one if the channels cancel each other in the mean.

    Unrelated channels of energies E leave sum(E) / n² in the mean of n; the mean counts as cancelled when it has
    under a tenth of that. When it does, the mono stream must be made anew from the chosen channel.
    """
    energies = channel_energies.channels
    unrelated = float(energies.sum()) / energies.size**2
    cancelled = channel_energies.mixed < CANCELLATION * unrelated
    return Downmix(channel=int(energies.argmax()) if cancelled else None)


@dataclass(frozen=True)
class Resampling:
    """The resampler at work, and samples that don't fill a piece for it yet."""

    resampler: Any
    waiting: NDArray[np.float32]


def mono(state: Resampling | None, downmix: NativeMono, sample_rate: int, last: bool) -> tuple[Resampling | None, Mono]:
    """The downmix at 44.1 kHz, resampled by soxr's HQ polyphase filter (linear phase, 100 dB), in a stream.

    The resampler gets pieces of one size, because its rounding depends on how the samples arrive.
    """
    if sample_rate == SAMPLE_RATE:
        return None, downmix
    if state is None:
        import soxr

        state = Resampling(
            soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ"), np.empty(0, np.float32)
        )
    samples = np.concatenate([state.waiting, downmix])
    whole = len(samples) // PIECE * PIECE
    pieces = [state.resampler.resample_chunk(piece) for piece in samples[:whole].reshape(-1, PIECE)]
    waiting = samples[whole:]
    if last:
        pieces.append(state.resampler.resample_chunk(waiting, last=True))
    resampled: Mono = np.concatenate(pieces) if pieces else np.empty(0, np.float32)
    return Resampling(state.resampler, waiting), resampled


@compiled
def _channel_mean(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, channels = samples.shape
    mean = np.empty(rows, np.float32)
    if channels == 2:  # by far the most common; unrolled, it is compiled to vector instructions
        for row in range(rows):
            mean[row] = (samples[row, 0] + samples[row, 1]) / np.float32(2)
        return mean
    for row in range(rows):
        total = np.float32(0)
        for channel in range(channels):
            total += samples[row, channel]
        mean[row] = total / np.float32(channels)
    return mean


@compiled
def _channel_energies(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    rows, channels = samples.shape
    energies = np.zeros(channels)
    if channels == 2:
        left = 0.0
        right = 0.0
        for row in range(rows):
            left += np.float64(samples[row, 0]) * samples[row, 0]
            right += np.float64(samples[row, 1]) * samples[row, 1]
        energies[0] = left
        energies[1] = right
        return energies
    for channel in range(channels):
        energy = 0.0
        for row in range(rows):
            energy += np.float64(samples[row, channel]) * samples[row, channel]
        energies[channel] = energy
    return energies
