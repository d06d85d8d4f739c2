"""Whatever the sound: numbers are finite, nulls have reasons, and level changes only levels."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from samplemind import AudioEngine
from samplemind.features.computation import compute
from samplemind.graph import Unknown

ENGINE = AudioEngine(cache=None)
GAIN_INVARIANT = ("key", "kind", "tempo", "root_note", "harmonic_ratio", "phase_correlation", "tuning")


@st.composite
def sounds(draw: st.DrawFn) -> tuple[NDArray[np.float32], int]:
    """Samples of shape (n, channels), and their rate."""
    rate = draw(st.sampled_from([4_000, 8_000, 11_025, 22_050, 44_100, 48_000, 96_000]))
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
@given(sounds(), st.sampled_from([-40, -17, 20]))
def test_level_changes_only_levels(sound: tuple[NDArray[np.float32], int], decibels: float) -> None:
    samples, rate = sound
    gain = np.float32(10 ** (decibels / 20))

    def values(gained: NDArray[np.float32]) -> dict[str, object]:
        return compute(lambda: [gained], GAIN_INVARIANT, sample_rate=rate, channels=samples.shape[1]).values

    before, after = values(samples), values(samples * gain)
    for name in GAIN_INVARIANT:
        was, now = before[name], after[name]
        assert isinstance(was, Unknown) == isinstance(now, Unknown), name
        if isinstance(was, float):
            assert now == pytest.approx(was, rel=1e-3, abs=1e-4), name
    if not isinstance(before["tempo"], Unknown):
        assert after["tempo"].bpm == pytest.approx(before["tempo"].bpm, rel=1e-3)  # type: ignore[attr-defined]
    if not isinstance(before["key"], Unknown):
        assert after["key"].tonic == before["key"].tonic  # type: ignore[attr-defined]
    if not isinstance(before["kind"], Unknown):
        assert after["kind"] == before["kind"]
