"""What is done to a mix: filters, saturation, a room, noise, level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.synth.scores import SAMPLE_RATE, Finish

Sound = NDArray[np.float64]


def finished(sound: Sound, finish: Finish, rng: np.random.Generator) -> Sound:
    """A sound of shape (n, channels) after its finish; the result's highest peak is `finish.gain_db`."""
    from scipy.signal import butter, fftconvolve, sosfilt

    peak = max(1e-9, float(np.abs(sound).max(initial=0.0)))
    sound = sound / peak
    for hz, kind in ((finish.high_pass_hz, "highpass"), (finish.low_pass_hz, "lowpass")):
        if hz is not None:
            sound = sosfilt(butter(2, hz, kind, fs=SAMPLE_RATE, output="sos"), sound, axis=0)
    if finish.drive:
        sound = np.tanh(finish.drive * sound) / np.tanh(finish.drive)
    if finish.reverb_s:
        time = np.arange(round(finish.reverb_s * SAMPLE_RATE)) / SAMPLE_RATE
        room = rng.standard_normal((len(time), sound.shape[1])) * np.exp(-6.9 * time / finish.reverb_s)[:, None]
        room /= np.sqrt((room**2).sum(axis=0))
        wet = fftconvolve(sound, room, axes=0)[: len(sound)]
        sound = sound + finish.reverb_share * wet
    sound = sound / max(1e-9, float(np.abs(sound).max(initial=0.0)))
    if finish.noise_db is not None:
        sound = sound + 10 ** (finish.noise_db / 20) * rng.standard_normal(sound.shape)
    if finish.fade_s:
        fade = min(len(sound), round(finish.fade_s * SAMPLE_RATE))
        sound[-fade:] *= np.linspace(1, 0, fade)[:, None]
    level = 10 ** (finish.gain_db / 20) / max(1e-9, float(np.abs(sound).max(initial=0.0)))
    return sound * level
