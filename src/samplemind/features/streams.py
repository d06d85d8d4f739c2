"""The streams that features live on: what a block is, and how fast it runs.

    Samples ──▶ Mono ──▶ PerFrame
                  └────▶ PerTonalFrame

A feature says by the annotation of a parameter or of its result which stream it sees; `samplemind.graph` reads
the annotations. First axis is always time.
"""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from samplemind.graph import Stream

SAMPLE_RATE: Final = 44_100
"""Rate in Hz of the mono stream that spectral, rhythm and tonal features see."""
N_FFT: Final = 2048
"""Frame length in samples of the full-band spectrum."""
HOP_LENGTH: Final = 512
"""Samples of the mono stream between frames."""
FRAME_RATE: Final = SAMPLE_RATE / HOP_LENGTH
"""Frames per second: frame k is centred at k / FRAME_RATE seconds."""
TONAL_FRAME_RATE: Final = SAMPLE_RATE / 8192
"""Frames of the tonal transform per second: 5.4."""
BLOCK_S: Final = 256 * HOP_LENGTH / SAMPLE_RATE
"""Seconds of sound that run through the graph at a time: about 256 frames, which stay in the L2 cache."""

Samples = Annotated[NDArray[np.float32], Stream("samples")]
"""The file's own samples, shape (n, channels), at the file's own rate, full scale ±1."""
Mono = Annotated[NDArray[np.float32], Stream("mono", rate_hz=SAMPLE_RATE)]
"""One channel at 44.1 kHz, shape (n,)."""
PerFrame = Annotated[NDArray[np.float32], Stream("frames", rate_hz=FRAME_RATE)]
"""One row per frame of the full-band spectrum, shape (frames,) or (frames, …)."""
PerTonalFrame = Annotated[NDArray[np.float32], Stream("tonal frames", rate_hz=TONAL_FRAME_RATE)]
"""One row per frame of the tonal transform, shape (frames,) or (frames, …)."""
