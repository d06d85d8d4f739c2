"""Whatever the sound: numbers are finite, nulls have reasons, and level changes only levels."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from samplemind import AudioEngine
from samplemind.features.computation import compute
from samplemind.plain import to_plain
from tests.features.test_levels import assert_alike
from tests.signals import music, sine

ENGINE = AudioEngine(cache=None)
RATES = (4_000, 8_000, 11_025, 22_050, 44_100, 48_000, 96_000)
INVARIANT = (
    *("kind", "tempo", "beats", "onsets", "root_note", "attack_s", "decay_s"),
    *("harmonic_ratio", "band_energies", "chroma_moments"),
    *("spectral_centroid_moments", "spectral_bandwidth_moments", "spectral_rolloff_moments"),
    *("phase_correlation", "leading_silence_s", "trailing_silence_s"),
)
"""What a gain that is a power of two leaves as it is, to the last digit."""
ALMOST_INVARIANT = ("key", "similarity_vector")
"""What it leaves as it is to 0.01 %: logarithms, and powers of other exponents, round anew at every level."""


@st.composite
def sounds(draw: st.DrawFn, rates: Sequence[int] = RATES) -> tuple[NDArray[np.float32], int]:
    """Samples of shape (n, channels), and their rate."""
    rate = draw(st.sampled_from(rates))
    channels = draw(st.sampled_from([1, 2, 3, 6]))
    frames = draw(st.one_of(st.integers(1, 50), st.integers(51, 2 * rate)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    times = np.arange(frames) / rate
    kind = draw(st.sampled_from(["noise", "sine", "clicks", "silence", "steps", "sweep", "dc"]))
    match kind:
        case "noise":
            mono = generator.standard_normal(frames) * 0.2
        case "sine":
            mono = np.sin(2 * np.pi * generator.uniform(20, rate / 2) * times)
        case "clicks":
            mono = (generator.random(frames) < 5 / rate).astype(float)
        case "silence":
            mono = np.zeros(frames)
        case "steps":
            mono = np.sign(np.sin(2 * np.pi * generator.uniform(1, 200) * times))
        case "sweep":
            mono = np.sin(2 * np.pi * 20 * times ** generator.uniform(1, 3))
        case _:
            mono = np.full(frames, generator.uniform(-1, 1))
    gains = draw(st.lists(st.sampled_from([-1.0, 0.0, 0.3, 1.0]), min_size=channels, max_size=channels))
    return (mono[:, None] * np.array(gains) * 0.9).astype(np.float32), rate


@settings(max_examples=40)
@given(sounds(), st.sampled_from(["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]))
def test_every_number_is_finite_or_null_with_a_reason(sound: tuple[NDArray[np.float32], int], subtype: str) -> None:
    samples, rate = sound
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.wav"
        soundfile.write(path, samples, rate, subtype=subtype)
        features = ENGINE.analyze_audio(path, level="detailed")
    document = json.loads(json.dumps(features.to_dict(), allow_nan=False))
    nulls = {name for name, value in document.items() if value is None}
    assert nulls == document["unknown"].keys()
    assert features.duration_s == pytest.approx(len(samples) / rate)
    for ratio in (features.harmonic_ratio, features.tempo_confidence, features.key_confidence):
        assert ratio is None or 0 <= ratio <= 1
    for times in (features.beats_s, features.onsets_s):
        assert times is None or (list(times) == sorted(times) and all(0 <= t <= features.duration_s for t in times))


@settings(max_examples=25)
@given(sounds(rates=[44_100]), st.sampled_from([2.0**-8, 2.0**-4, 2.0**8]))
@example((music(6.0)[:, None], 44_100), 2.0**-8)
@example((music(6.0)[:, None], 44_100), 2.0**8)
@example((sine(220, 2.0)[:, None] * np.geomspace(1, 1e-3, 88_200, dtype=np.float32)[:, None], 44_100), 2.0**8)
def test_level_changes_only_levels(sound: tuple[NDArray[np.float32], int], gain: float) -> None:
    """From -48 to +48 dB, far above full scale. These gains round no sample, nor its square, nor the roots of that.

    At other rates the resampler ends in tails of 1e-17, whose squares, 48 dB lower, single precision can't hold.
    """
    samples, rate = sound

    def values(gained: NDArray[np.float32]) -> dict[str, object]:
        names = (*INVARIANT, *ALMOST_INVARIANT, "tuning")
        found = compute(lambda: [gained], names, sample_rate=rate, channels=samples.shape[1]).values
        return {name: to_plain(found[name]) for name in names}

    before, after = values(samples), values(samples * np.float32(gain))
    for name in INVARIANT:
        assert after[name] == before[name], name
    for name in ALMOST_INVARIANT:
        assert_alike(after[name], before[name], rel=1e-4, where=name)
    assert after["tuning"] == pytest.approx(before["tuning"], abs=1e-3)  # cents; near 0 no share of it
