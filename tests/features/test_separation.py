"""Harmonic and percussive parts, against librosa and against sounds of one kind."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray

from samplemind.execution import run_graph
from samplemind.features import feature_graph
from samplemind.features.separation import (
    FEWEST_FRAMES,
    PartEnergies,
    harmonic_mask,
    harmonic_median,
    percussive_median,
)
from samplemind.features.streams import HOP_LENGTH
from samplemind.graph import Unknown
from tests.signals import SAMPLE_RATE, clicks, music, noise, sine


def computed(sound: NDArray[np.float32], *names: str, block: int = 131_072) -> dict[str, object]:
    blocks = [sound[start : start + block, None] for start in range(0, len(sound), block)]
    inputs = {"sample_rate": SAMPLE_RATE, "mono_channel": None}
    return run_graph(feature_graph(), names, blocks=blocks, inputs=inputs).values


def test_masks_equal_librosa() -> None:
    magnitude = np.abs(np.random.default_rng(0).standard_normal((80, 1025))).astype(np.float32)
    magnitude[20:60, 100:200] = 0
    mine = harmonic_mask(harmonic_median(magnitude), percussive_median(magnitude))
    harmonic, percussive = librosa.decompose.hpss(magnitude.T, mask=True)
    np.testing.assert_allclose(mine, harmonic.T, atol=1e-6)
    np.testing.assert_allclose(1 - mine, percussive.T, atol=1e-6)


def test_masks_of_a_stream_are_those_of_the_whole() -> None:
    sound = music(3.0)
    whole = computed(sound, "harmonic_mask")["harmonic_mask"]
    magnitude = computed(sound, "magnitude")["magnitude"]
    for block in (1000, 30_000):
        assert np.array_equal(computed(sound, "harmonic_mask", block=block)["harmonic_mask"], whole)
    harmonic, _ = librosa.decompose.hpss(np.asarray(magnitude).T, mask=True)
    np.testing.assert_allclose(whole, harmonic.T, atol=1e-5)


def test_a_mask_given_replaces_the_separation() -> None:
    """Whoever has separated a sound already hands the mask in; nothing of the separation then runs."""
    sound = music(2.0)
    given = {"harmonic_mask": np.ones((1 + len(sound) // 512, 1025), np.float32)}
    inputs = {"sample_rate": SAMPLE_RATE, "mono_channel": None}
    run = run_graph(feature_graph(), ["harmonic_ratio"], blocks=[sound[:, None]], inputs=inputs, given=given)
    assert run.values["harmonic_ratio"] == 1.0
    assert not {"harmonic_median", "percussive_median", "magnitude"} & run.calls.keys()


@pytest.mark.parametrize(
    ("sound", "least", "most"),
    [
        (sine(440, 3.0), 0.95, 1.0),
        (sum(sine(hz, 3.0, amplitude=0.2) for hz in (220.0, 330.0, 440.0)), 0.95, 1.0),
        (clicks(120, 3.0), 0.0, 0.1),
        (np.eye(1, SAMPLE_RATE, SAMPLE_RATE // 2, dtype=np.float32)[0], 0.0, 0.05),
        (noise(3.0), 0.3, 0.7),
    ],
    ids=["sine", "chord", "clicks", "impulse", "noise"],
)
def test_ratio_of_sounds_of_one_kind(sound: NDArray[np.float32], least: float, most: float) -> None:
    ratio = computed(np.asarray(sound, np.float32), "harmonic_ratio")["harmonic_ratio"]
    assert isinstance(ratio, float)
    assert least <= ratio <= most


def test_bands_hold_what_sounds_in_them() -> None:
    sound = sine(300, 3.0) + np.float32(0.5) * sine(5000, 3.0)
    bands = computed(sound, "band_energies")["band_energies"]
    assert isinstance(bands, PartEnergies)
    assert bands.harmonic.sum() + bands.percussive.sum() == pytest.approx(1)
    assert bands.harmonic[1] == pytest.approx(0.8, abs=0.02)
    assert bands.harmonic[5] == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("sound", [np.zeros(SAMPLE_RATE, np.float32), 1e-25 * sine(440, 1.0)], ids=["zero", "1e-25"])
def test_what_has_no_energy_has_no_ratio(sound: NDArray[np.float32]) -> None:
    values = computed(np.asarray(sound, np.float32), "harmonic_ratio", "band_energies")
    assert values["harmonic_ratio"] == values["band_energies"]
    assert values["harmonic_ratio"] == Unknown("its spectrum is zero, or too soft to be computed")


def test_a_click_is_told_from_a_tone_from_eight_frames_on_and_not_before() -> None:
    enough = (FEWEST_FRAMES - 1) * HOP_LENGTH
    for at in np.linspace(0, enough - 1, 9, dtype=int):
        click = np.eye(1, enough, at, dtype=np.float32)[0]
        ratio = computed(click, "harmonic_ratio")["harmonic_ratio"]
        assert isinstance(ratio, float)
        assert ratio < 0.01
    tone = computed(sine(440, 1.0)[:enough], "harmonic_ratio")["harmonic_ratio"]
    assert isinstance(tone, float)
    assert tone > 0.95
    values = computed(sine(440, 1.0)[: enough - 1], "harmonic_ratio", "band_energies")
    assert values["harmonic_ratio"] == values["band_energies"]
    assert values["harmonic_ratio"] == Unknown("shorter than the 0.08 s in which a tone can be told from a click")
