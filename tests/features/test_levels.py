"""Whole levels: how often things run, and what must not change what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from samplemind.execution import Run, run_graph
from samplemind.features import feature_graph
from samplemind.features.computation import compute
from samplemind.features.levels import ADDED, outputs_of
from samplemind.graph import Unknown
from samplemind.plain import to_plain
from tests.signals import SAMPLE_RATE, clicks, music, noise, sine

Sound = NDArray[np.float32]
OUTPUTS = [name for nodes in ADDED.values() for name in nodes]
SOUNDS: dict[str, Sound] = {
    "music": music(8.0),
    "clicks": clicks(97, 10.0, start_s=0.3),
    "note": sine(311.13, 1.5) * np.linspace(1, 0, round(1.5 * SAMPLE_RATE), dtype=np.float32),
    "noise": noise(2.0),
    "short": noise(0.02, amplitude=0.3),
}


def computed(sound: Sound, *, sample_rate: int = SAMPLE_RATE, block: int = 131_072) -> dict[str, Any]:
    samples = sound.reshape(len(sound), -1)
    run = compute(
        lambda: (samples[start : start + block] for start in range(0, len(samples), block)),
        OUTPUTS,
        sample_rate=sample_rate,
        channels=samples.shape[1],
    )
    return run.values


def assert_alike(found: Any, expected: Any, *, rel: float, where: str = "") -> None:
    """Numbers within `rel` of the largest beside them; words, counts and unknowns equal."""
    match expected:
        case dict():
            assert found.keys() == expected.keys(), where
            for name, value in expected.items():
                assert_alike(found[name], value, rel=rel, where=f"{where}.{name}")
        case list() | tuple() if expected and all(isinstance(item, float) for item in expected):
            np.testing.assert_allclose(found, expected, rtol=rel, atol=rel * max(map(abs, expected)), err_msg=where)
        case list() | tuple():
            assert len(found) == len(expected), where
            for number, (mine, other) in enumerate(zip(found, expected, strict=True)):
                assert_alike(mine, other, rel=rel, where=f"{where}[{number}]")
        case float():
            assert found == pytest.approx(expected, rel=rel, abs=1e-7), where
        case _:
            assert found == expected, where


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("block", [1000, 44_100, 10_000_000])
def test_block_size_changes_nothing(sound: str, block: int) -> None:
    expected = to_plain(computed(SOUNDS[sound], block=131_072))
    assert_alike(to_plain(computed(SOUNDS[sound], block=block)), expected, rel=1e-5)


def test_block_size_changes_nothing_at_another_rate_and_in_stereo() -> None:
    sound = np.stack([music(4.0, sample_rate=48_000), music(4.0, sample_rate=48_000, seed=1)], axis=1)
    expected = to_plain(computed(sound, sample_rate=48_000))
    assert_alike(to_plain(computed(sound, sample_rate=48_000, block=7777)), expected, rel=1e-5)


@pytest.mark.parametrize("level", ADDED)
def test_one_spectrum_and_one_tonal_transform_whatever_is_asked(level: Any) -> None:
    sound = music(6.0)[:, None]
    outputs = [name for nodes in outputs_of(level).values() for name in nodes]
    blocks = [sound[:100_000], sound[100_000:]]
    run = run_graph(feature_graph(), outputs, blocks=blocks, inputs={"sample_rate": SAMPLE_RATE, "mono_channel": None})
    assert (run.calls["spectrum"], run.calls["tonal_power"]) == (2, 2)
    medians = {name: run.calls[name] for name in ("harmonic_median", "percussive_median") if name in run.calls}
    assert medians in ({}, {"harmonic_median": 2, "percussive_median": 2})
    assert all(run.calls.get(node.name, 1) == 1 for node in feature_graph().plan(outputs).track)


def transformed(change: Callable[[Sound], Sound]) -> tuple[dict[str, Any], dict[str, Any]]:
    return to_plain(computed(SOUNDS["music"])), to_plain(computed(np.asarray(change(SOUNDS["music"]), np.float32)))


GAIN_INVARIANT = (
    "harmonic_ratio",
    "band_energies",
    "loudness_range_lu",
    "phase_correlation",
    "leading_silence_s",
    "trailing_silence_s",
    "similarity_vector",
    "tempo",
    "beats",
    "onsets",
    "key",
    "kind",
    "root_note",
    "attack_s",
    "decay_s",
)


@pytest.mark.parametrize("decibels", [-40, -12, 12])
@pytest.mark.parametrize("sound", SOUNDS)
def test_level_changes_only_levels(sound: str, decibels: float) -> None:
    gain = np.float32(10 ** (decibels / 20))
    before, after = computed(SOUNDS[sound]), computed(SOUNDS[sound] * gain)
    for name in GAIN_INVARIANT:
        assert_alike(to_plain(after[name]), to_plain(before[name]), rel=1e-3, where=name)
    if not isinstance(before["tuning"], Unknown):
        assert after["tuning"].cents == pytest.approx(before["tuning"].cents, abs=0.01)
    if not isinstance(before["loudness_lufs"], Unknown):
        assert after["loudness_lufs"] == pytest.approx(before["loudness_lufs"] + decibels, abs=0.05)
    assert after["peak_dbfs"] == pytest.approx(before["peak_dbfs"] + decibels, abs=1e-3)


def test_polarity_changes_nothing() -> None:
    before, after = transformed(np.negative)
    assert after.pop("dc_offset") == pytest.approx(-before.pop("dc_offset"))
    # A sign change counts from negative to positive or zero: an exact zero tells the two apart.
    for name in before:
        assert_alike(after[name], before[name], rel=1e-2 if name == "zero_crossing_rate_moments" else 1e-6, where=name)


def test_a_copied_channel_changes_nothing_but_loudness() -> None:
    before, after = transformed(lambda sound: np.stack([sound, sound], axis=1))
    for measure in ("loudness_lufs", "loudness_momentary_max_lufs", "loudness_short_term_max_lufs"):
        assert after.pop(measure) == pytest.approx(before.pop(measure) + 10 * np.log10(2), abs=1e-3)
    assert after.pop("phase_correlation") == pytest.approx(1)
    assert "reason" in before.pop("phase_correlation")
    for name, value in before.items():
        assert_alike(after[name], value, rel=1e-4, where=name)


def test_a_silent_second_channel_changes_no_answer() -> None:
    before, after = transformed(lambda sound: np.stack([sound, np.zeros_like(sound)], axis=1))
    for name in ("tempo", "beats", "key", "kind", "loudness_lufs", "peak_dbfs"):
        assert_alike(after[name], before[name], rel=1e-3, where=name)


@pytest.mark.parametrize("rate", [22_050, 32_000, 48_000, 96_000])
def test_resampling_changes_no_answer(rate: int) -> None:
    before = computed(SOUNDS["music"])
    after = computed(soxr.resample(SOUNDS["music"], SAMPLE_RATE, rate), sample_rate=rate)
    assert after["tempo"].bpm == pytest.approx(before["tempo"].bpm, abs=0.02)
    assert (after["key"].tonic, after["key"].mode) == (before["key"].tonic, before["key"].mode)
    assert after["beats"] == pytest.approx(before["beats"], abs=0.005)
    assert after["kind"] == before["kind"]
    assert after["duration_s"] == pytest.approx(before["duration_s"], abs=1e-4)
    assert after["loudness_lufs"] == pytest.approx(before["loudness_lufs"], abs=0.1)


def test_silence_before_it_shifts_times_and_nothing_else() -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    before, after = transformed(lambda sound: np.concatenate([silence, sound]))
    assert after["tempo"]["bpm"] == pytest.approx(before["tempo"]["bpm"], abs=0.05)
    assert after["key"]["tonic"] == before["key"]["tonic"]
    assert after["beats"] == pytest.approx(np.add(before["beats"], 1.0), abs=0.01)
    assert after["onsets"] == pytest.approx(np.add(before["onsets"], 1.0), abs=0.01)


class TestDownmix:
    """The channel that stands for the sound."""

    def run(self, sound: Sound) -> Run:
        return compute(lambda: [sound], OUTPUTS, sample_rate=SAMPLE_RATE, channels=sound.shape[1])

    def test_channels_that_cancel_are_replaced_by_the_strongest(self) -> None:
        sound = music(4.0)
        run = self.run(np.stack([sound, -0.9 * sound], axis=1).astype(np.float32))
        alone = to_plain(self.run(sound[:, None]).values)
        assert run.values["fitting_downmix"].channel == 0
        for name in ("tempo", "key", "mfcc_moments", "beats", "rms_moments"):
            assert_alike(to_plain(run.values[name]), alone[name], rel=1e-6, where=name)
        assert run.calls["k_weighted_power"] == 1  # what does not see the downmix does not run again

    def test_channels_that_don_t_cancel_are_averaged(self) -> None:
        for second in (noise(2.0, seed=2), np.zeros(2 * SAMPLE_RATE, np.float32), noise(2.0, seed=1)):
            sound = np.stack([noise(2.0, seed=1), second], axis=1)
            assert self.run(sound).values["fitting_downmix"].channel is None

    def test_one_of_many_channels_is_not_lost(self) -> None:
        sound = np.zeros((2 * SAMPLE_RATE, 32), np.float32)
        sound[:, 7] = clicks(120, 2.0)
        assert self.run(sound).values["fitting_downmix"].channel is None


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(SAMPLE_RATE, np.float32),
        np.full(SAMPLE_RATE, 0.5, np.float32),
        np.array([0.5], np.float32),
        np.array([0.0], np.float32),
        np.eye(1, SAMPLE_RATE, 1000, dtype=np.float32)[0],
        noise(0.02),
        sine(100, 0.02),
        np.array([1e-30, -1e-30] * 5000, np.float32),
        np.array([1e6, -1e6] * 5000, np.float32),
    ],
    ids=["silence", "dc", "one sample", "one zero", "click", "20 ms noise", "20 ms tone", "tiny", "huge"],
)
def test_strange_sounds_give_finite_numbers_or_reasons(sound: Sound) -> None:
    values = computed(sound)
    to_plain(values)
    assert all(value.reason for value in values.values() if isinstance(value, Unknown))
    for name in ("tempo", "key", "beats"):
        assert isinstance(values[name], Unknown), name
