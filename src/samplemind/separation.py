"""Files into their harmonic and percussive parts, block by block."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samplemind.audio import AudioFile, Limits, open_audio
from samplemind.errors import SettingsError
from samplemind.execution import GraphStream
from samplemind.features.computation import block_frames
from samplemind.features.reconstruction import separation_graph

Block = NDArray[np.float32]

_LARGEST_WAV: Final = 2**31
"""Bytes of samples from which on RF64 is written: some programs take WAV's sizes for signed numbers."""


def separate(
    path: str | os.PathLike[str], *, margin: float = 1.0, limits: Limits | None = None
) -> Iterator[tuple[Block, Block]]:
    """Split a file into what lasts along time (harmonic) and what spreads along frequency (percussive).

    Every channel by itself, at the file's own rate, in bounded memory.

    Args:
        path: any audio file.
        margin: how much stronger one part must be than the other to be given to it. With 1 the two parts add up to the
            file; with more, what is neither goes to neither.
        limits: `Limits()` if None.

    Yields:
        Harmonic and percussive samples, each of shape (n, channels), float32, full scale ±1.

    Raises:
        AnalysisError: the file can't be read; the error names it and the reason.
        SettingsError: a margin below 1.
    """
    if not margin >= 1:
        raise SettingsError(f"the margin must be 1 or more, not {margin}")
    with open_audio(path, limits=limits) as audio:
        yield from _parts(audio, margin)


def _parts(audio: AudioFile, margin: float) -> Iterator[tuple[Block, Block]]:
    graph = separation_graph(float(margin))
    streams = [GraphStream(graph, ["parts"], source="mono") for _ in range(audio.info.channels)]
    blocks = audio.blocks(frames=block_frames(audio.info.sample_rate))
    given = 0
    block = next(blocks, None)
    while block is not None:
        following = next(blocks, None)
        channels = [
            stream.push(np.ascontiguousarray(block[:, channel]), last=following is None).get("parts")
            for channel, stream in enumerate(streams)
        ]
        made = [rows for rows in channels if rows is not None]
        if made:
            parts = np.stack(made, axis=1)[: audio.frames - given]  # beyond the end is padding
            given += len(parts)
            yield np.ascontiguousarray(parts[:, :, 0]), np.ascontiguousarray(parts[:, :, 1])
        block = following


def separate_to(
    path: str | os.PathLike[str], folder: str | os.PathLike[str], *, margin: float = 1.0, limits: Limits | None = None
) -> tuple[Path, Path]:
    """Write the parts of a file as ``NAME.harmonic.wav`` and ``NAME.percussive.wav``, 32-bit float.

    Args:
        path: any audio file.
        folder: where to; made if it is not there.
        margin: as for `separate`.
        limits: as for `separate`.

    Returns:
        The two paths. Each file appears there only when it is complete.

    Raises:
        AnalysisError: the file can't be read.
        SettingsError: a margin below 1.
        OSError: the parts can't be written.
    """
    import soundfile

    if not margin >= 1:
        raise SettingsError(f"the margin must be 1 or more, not {margin}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    targets = [folder / f"{Path(path).stem}.{part}.wav" for part in ("harmonic", "percussive")]
    waiting = [target.with_name(f".{target.name}.{os.getpid()}") for target in targets]
    try:
        with contextlib.ExitStack() as opened:
            audio = opened.enter_context(open_audio(path, limits=limits))
            info = audio.info
            expected = (info.declared_frames or _LARGEST_WAV) * info.channels * 4
            form = "RF64" if expected >= _LARGEST_WAV else "WAV"
            files = [
                opened.enter_context(
                    soundfile.SoundFile(file, "w", info.sample_rate, info.channels, "FLOAT", format=form)
                )
                for file in waiting
            ]
            for parts in _parts(audio, margin):
                for file, samples in zip(files, parts, strict=True):
                    file.write(samples)
        for file, target in zip(waiting, targets, strict=True):
            os.replace(file, target)
    finally:
        for file in waiting:
            Path(file).unlink(missing_ok=True)
    return targets[0], targets[1]
