"""Onsets, tempo and beats of sounds whose rhythm is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from samplemind.features.beats import BeatGrid, beat_grid, beats, downbeats
from samplemind.features.onsets import onset_bands, onset_envelope, onsets, pulse
from samplemind.features.tempo import Tempo, tempo
from samplemind.features.tempo_candidates import tempo_candidates
from samplemind.graph import Unknown

from ..signals import SAMPLE_RATE, clicks, noise, sine

Float32 = NDArray[np.float32]
PATTERNS = {
    "rock": {"kick": "x.......x.......", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
    "house": {"kick": "x...x...x...x...", "snare": "....x.......x...", "hat": "..x...x...x...x."},
    "hip-hop": {"kick": "x..x..x...x.....", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
    "trap": {"kick": "x.....x...x.....", "snare": "........x.......", "hat": "x.x.x.x.x.xxx.x."},
    "hats": {"hat": "x.x.x.x.x.x.x.x."},
    "shaker": {"hat": "xxxxxxxxxxxxxxxx"},
    "steppers": {"kick": "x...x...x...x...", "snare": "..x...x...x...x."},
}
"""One bar of 4/4 in sixteenth notes."""


@dataclass(frozen=True)
class Rhythm:
    onsets: NDArray[np.float64]
    tempo: Tempo | Unknown
    grid: BeatGrid | Unknown

    @property
    def bpm(self) -> float:
        assert isinstance(self.tempo, Tempo), self.tempo
        return self.tempo.bpm

    @property
    def beats(self) -> NDArray[np.float64]:
        assert isinstance(self.grid, BeatGrid), self.grid
        return beats(self.grid)


def mel_of(sound: Float32) -> Float32:
    """Power mel spectrogram of a 44.1 kHz sound, by librosa, shape (frames, 128)."""
    import librosa

    # Librosa warns about sounds shorter than a frame; zeros beyond the end add empty frames only.
    sound = np.pad(sound, (0, max(0, 2048 - len(sound))))
    spectrogram = librosa.feature.melspectrogram(
        y=sound, sr=SAMPLE_RATE, n_fft=2048, hop_length=512, power=2.0, center=True, pad_mode="constant"
    )
    return np.ascontiguousarray(spectrogram.T, dtype=np.float32)


def rhythm_of(sound: Float32) -> Rhythm:
    duration_s = len(sound) / SAMPLE_RATE
    bands = onset_bands(mel_of(sound))
    times = onsets(onset_envelope(bands))
    beating = pulse(bands, times)
    if isinstance(beating, Unknown):
        return Rhythm(times, beating, beating)
    candidates = tempo_candidates(beating, times, duration_s)
    if isinstance(candidates, Unknown):
        return Rhythm(times, candidates, candidates)
    grid = beat_grid(beating, times, candidates, duration_s)
    return Rhythm(times, tempo(candidates, grid), grid)


def drum(name: str, generator: np.random.Generator) -> Float32:
    seconds, decay, pitch, noisy = {
        "kick": (0.25, 14, 55, 0.0),
        "snare": (0.18, 24, 190, 0.35),
        "hat": (0.06, 70, 0, 0.1),
    }[name]
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hiss = generator.standard_normal(times.size)
    if name == "hat":
        hiss = np.diff(hiss, prepend=0)
    tone = np.sin(2 * np.pi * pitch * times) * (0.8 if name == "kick" else 0.4)
    return ((tone + noisy * hiss) * np.exp(-decay * times)).astype(np.float32)


def drums(pattern: str, bpm: float, bars: int, *, swing: float = 0.0, jitter_s: float = 0.0) -> Float32:
    """Whole bars of a drum pattern; the second eighth of every beat comes later by `swing` eighths."""
    generator = np.random.default_rng(7)
    step = 60 / bpm / 4
    sound = np.zeros(round(bars * 16 * step * SAMPLE_RATE) + SAMPLE_RATE, np.float32)
    for bar in range(bars):
        for name, steps in PATTERNS[pattern].items():
            for index in (i for i, mark in enumerate(steps) if mark == "x"):
                late = swing * 2 * step if index % 4 == 2 else 0.0
                time = (bar * 16 + index) * step + late + jitter_s * generator.standard_normal()
                start = max(0, round(time * SAMPLE_RATE))
                hit = drum(name, generator) * (1 + 0.05 * generator.standard_normal())
                sound[start : start + len(hit)] += hit
    return sound[:-SAMPLE_RATE]


@pytest.mark.parametrize("bpm", [60, 61.3, 72.1, 84, 97.3, 110, 120, 133.7, 150, 168, 174.5, 184, 192, 200])
@pytest.mark.parametrize("seconds", [10, 30])
def test_equal_clicks_have_exactly_their_tempo_and_beats(bpm: float, seconds: int) -> None:
    rhythm = rhythm_of(clicks(bpm, seconds))
    assert rhythm.bpm == pytest.approx(bpm, abs=0.05)
    expected = np.arange(len(rhythm.beats)) * 60 / bpm
    np.testing.assert_allclose(rhythm.beats, expected, atol=0.012)
    assert expected[-1] > seconds - 2 * 60 / bpm
    assert len(rhythm.onsets) == len(expected)


@pytest.mark.parametrize("bpm", [40, 45, 50, 55, 210, 220, 240, 260, 300])
def test_clicks_outside_the_usual_range_have_their_tempo_among_the_candidates(bpm: float) -> None:
    rhythm = rhythm_of(clicks(bpm, 20))
    assert isinstance(rhythm.tempo, Tempo)
    assert min(abs(candidate / bpm - 1) for candidate, _ in rhythm.tempo.candidates) < 0.005


@pytest.mark.parametrize(
    ("pattern", "bpm"), [("rock", 104), ("rock", 141), ("house", 124), ("hip-hop", 92), ("trap", 140)]
)
def test_drum_tracks_have_their_tempo_within_two_hundredths(pattern: str, bpm: float) -> None:
    rhythm = rhythm_of(drums(pattern, bpm, int(np.ceil(30 * bpm / 240))))
    assert rhythm.bpm == pytest.approx(bpm, abs=0.02)


@pytest.mark.parametrize("bars", [2, 4, 8])
@pytest.mark.parametrize(
    ("pattern", "bpm"), [("rock", 118), ("rock", 148), ("house", 127), ("house", 140), ("hip-hop", 91), ("trap", 137)]
)
def test_whole_bar_loops_have_exactly_their_tempo(pattern: str, bpm: float, bars: int) -> None:
    assert rhythm_of(drums(pattern, bpm, bars)).bpm == pytest.approx(bpm, abs=0.01)


@pytest.mark.parametrize("bars", [1, 4, 8])
@pytest.mark.parametrize("bpm", [80, 91, 97, 103, 124, 148])
def test_equal_sixteenths_do_not_double_the_tempo(bpm: float, bars: int) -> None:
    assert rhythm_of(drums("shaker", bpm, bars)).bpm == pytest.approx(bpm, abs=0.1)


def test_a_length_of_whole_beats_at_a_whole_tempo_speaks_for_it() -> None:
    exact = drums("rock", 137, 2)
    chances = []
    for sound in (exact, np.concatenate([exact, np.zeros(44, np.float32)])):  # a millisecond more: 136.96 bpm
        times = onsets(onset_envelope(bands := onset_bands(mel_of(sound))))
        found = tempo_candidates(pulse(bands, times), times, len(sound) / SAMPLE_RATE)
        assert found.bpm[0] == pytest.approx(137, rel=0.01)
        chances.append(found.probability[0])
    assert chances[0] > chances[1]


@pytest.mark.parametrize("tail_s", [0.31, 0.77])
def test_a_tail_after_a_loop_does_not_change_its_tempo(tail_s: float) -> None:
    loop = drums("house", 124, 4)
    rhythm = rhythm_of(np.concatenate([loop, np.zeros(round(tail_s * SAMPLE_RATE), np.float32)]))
    assert rhythm.bpm == pytest.approx(124, abs=0.1)


def test_swing_moves_no_beat() -> None:
    rhythm = rhythm_of(drums("rock", 100, 8, swing=1 / 3))
    assert rhythm.bpm == pytest.approx(100, abs=0.05)
    np.testing.assert_allclose(rhythm.beats, np.arange(32) * 0.6, atol=0.015)


def test_uneven_playing_still_has_its_tempo() -> None:
    rhythm = rhythm_of(drums("rock", 112, 12, jitter_s=0.008))
    assert rhythm.bpm == pytest.approx(112, abs=0.3)


def test_beats_follow_a_tempo_that_changes() -> None:
    times = [0.5]
    while times[-1] < 29.0:
        times.append(times[-1] + 60 / (110 + 20 * times[-1] / 30))
    sound = np.zeros(30 * SAMPLE_RATE, np.float32)
    hit = drum("snare", np.random.default_rng(0))
    for time in times:
        start = round(time * SAMPLE_RATE)
        sound[start : start + len(hit)] += hit[: len(sound) - start]
    rhythm = rhythm_of(sound)
    assert isinstance(rhythm.grid, BeatGrid)
    assert not rhythm.grid.steady
    nearest = np.abs(rhythm.beats[:, None] - np.array(times)).min(axis=0)
    assert np.mean(nearest < 0.05) > 0.9


@pytest.mark.parametrize(("before", "after"), [(100, 130), (120, 90), (128, 96), (140, 170), (120, 124)])
def test_a_sudden_change_of_tempo_is_not_steady(before: float, after: float) -> None:
    sound = np.concatenate([clicks(before, 16.0), clicks(after, 16.0)])
    grid = rhythm_of(sound).grid
    assert isinstance(grid, BeatGrid)
    assert not grid.steady


@pytest.mark.parametrize("bpm", [90, 128])
def test_a_quiet_beginning_does_not_make_a_grid_unsteady(bpm: float) -> None:
    beginning = clicks(bpm * 1.17, 8.0, amplitude=0.001)
    grid = rhythm_of(np.concatenate([beginning, drums("rock", bpm, 8)])).grid
    assert isinstance(grid, BeatGrid)
    assert grid.steady


@pytest.mark.parametrize("bpm", [84, 100, 128])
def test_kicks_are_the_beat_and_accents_between_are_not(bpm: float) -> None:
    rhythm = rhythm_of(drums("steppers", bpm, 4))
    np.testing.assert_allclose(rhythm.beats, np.arange(16) * 60 / bpm, atol=0.015)


@pytest.fixture(scope="module")
def groove() -> Float32:
    return drums("rock", 113, 6)


@pytest.mark.parametrize("bpm", [128, 150, 180])
def test_a_kick_whose_bass_comes_late_is_the_beat_and_bass_and_hats_between_are_not(bpm: float) -> None:
    generator, period = np.random.default_rng(1), 60 / bpm
    times = np.arange(round(0.15 * SAMPLE_RATE)) / SAMPLE_RATE
    kick = 0.9 * np.clip((times - 0.03) / 0.015, 0, 1) * np.sin(2 * np.pi * 55 * times) * np.exp(-times / 0.05)
    kick[:400] += 0.25 * generator.standard_normal(400) * np.exp(-np.arange(400) / 120)
    bass = 0.3 * np.clip(times / 0.003, 0, 1) * np.sin(2 * np.pi * 70 * times) * np.exp(-times / 0.04)
    sound = np.zeros(round(34 * period * SAMPLE_RATE), np.float32)
    for half in range(64):
        for hit in (bass, drum("hat", generator)) if half % 2 else (kick,):
            start = round(half * period / 2 * SAMPLE_RATE)
            sound[start : start + len(hit)] += hit
    rhythm = rhythm_of(sound)
    assert rhythm.bpm == pytest.approx(bpm, abs=0.05)
    np.testing.assert_allclose(rhythm.beats[:32], np.arange(32) * period, atol=0.02)


@pytest.mark.parametrize("gain_db", [-40, 40])
def test_level_changes_nothing(groove: Float32, gain_db: float) -> None:
    plain, changed = rhythm_of(groove), rhythm_of(groove * np.float32(10 ** (gain_db / 20)))
    assert changed.bpm == pytest.approx(plain.bpm, rel=1e-4)
    np.testing.assert_allclose(changed.onsets, plain.onsets, atol=1e-3)
    np.testing.assert_allclose(changed.beats, plain.beats, atol=1e-3)


def test_polarity_changes_nothing(groove: Float32) -> None:
    plain, turned = rhythm_of(groove), rhythm_of(-groove)
    np.testing.assert_array_equal(turned.onsets, plain.onsets)
    assert turned.tempo == plain.tempo


@pytest.mark.parametrize("silence_s", [0.013, 1.0, 20.37])
def test_silence_before_and_after_only_shifts(groove: Float32, silence_s: float) -> None:
    silence = np.zeros(round(silence_s * SAMPLE_RATE), np.float32)
    plain, shifted = rhythm_of(groove), rhythm_of(np.concatenate([silence, groove, silence]))
    assert shifted.bpm == pytest.approx(plain.bpm, abs=0.05)
    np.testing.assert_allclose(shifted.onsets - silence_s, plain.onsets, atol=0.012)
    np.testing.assert_allclose(shifted.beats - silence_s, plain.beats, atol=0.012)


def test_resampling_changes_nothing(groove: Float32) -> None:
    import soxr

    resampled = soxr.resample(soxr.resample(groove, SAMPLE_RATE, 96_000, "HQ"), 96_000, SAMPLE_RATE, "HQ")
    plain, there_and_back = rhythm_of(groove), rhythm_of(resampled[: len(groove)])
    assert there_and_back.bpm == pytest.approx(plain.bpm, abs=0.01)
    np.testing.assert_allclose(there_and_back.onsets, plain.onsets, atol=0.003)


def test_music_after_a_long_gap_keeps_the_grid() -> None:
    part = drums("house", 126, 8)
    gap = np.zeros(round(64 * 60 / 126 * SAMPLE_RATE), np.float32)
    rhythm = rhythm_of(np.concatenate([part, gap, part]))
    assert rhythm.bpm == pytest.approx(126, abs=0.01)


def _hit(seconds: float) -> Float32:
    sound = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    hit = drum("snare", np.random.default_rng(1))
    sound[: len(hit)] = hit[: len(sound)]
    return sound


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(1, np.float32),
        np.zeros(5 * SAMPLE_RATE, np.float32),
        np.full(5 * SAMPLE_RATE, 0.25, np.float32),
        _hit(0.02),
        _hit(0.5),
        _hit(2.0),
        sine(220, 5.0),
        noise(10.0),
    ],
    ids=["one sample", "silence", "constant", "20 ms click", "short hit", "hit and silence", "tone", "noise"],
)
def test_what_has_no_rhythm_has_no_tempo(sound: Float32) -> None:
    assert isinstance(rhythm_of(sound).tempo, Unknown)


def _chord(seconds: float) -> Float32:
    """Three sawtooth notes whose partials beat against each other."""
    notes = [220 * 2 ** (steps / 12) for steps in (0, 4, 7)]
    return sum(sine(hz * n, seconds, amplitude=0.08 / n) for hz in notes for n in range(1, 9))  # type: ignore[return-value]


def test_a_soft_beat_over_a_loud_chord_has_its_tempo() -> None:
    rhythm = rhythm_of(_chord(16.0) + 0.2 * drums("hats", 120, 8))
    assert rhythm.bpm == pytest.approx(120, abs=0.05)


@pytest.mark.parametrize("bpm", [97, 113, 131])
def test_onsets_are_within_five_milliseconds(bpm: float) -> None:
    expected = np.arange(20) * 60 / bpm + 0.3
    starting = clicks(bpm, float(expected[-1]) + 0.5, start_s=0.3)[: -SAMPLE_RATE // 4]
    assert np.abs(rhythm_of(starting).onsets - expected).max() < 0.005


def test_silence_has_no_onsets_and_a_hit_has_one() -> None:
    assert rhythm_of(np.zeros(SAMPLE_RATE, np.float32)).onsets.size == 0
    late = np.concatenate([np.zeros(SAMPLE_RATE // 2, np.float32), _hit(0.5)])
    np.testing.assert_allclose(rhythm_of(late).onsets, [0.5], atol=0.01)


def test_candidates_are_a_distribution(groove: Float32) -> None:
    found = rhythm_of(groove).tempo
    assert isinstance(found, Tempo)
    probabilities = [probability for _, probability in found.candidates]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0.99 < sum(probabilities) < 1 + 1e-9
    assert found.candidates[0][0] == found.bpm
    assert 0 < found.confidence <= 1


def test_onset_bands_do_not_depend_on_blocks(groove: Float32) -> None:
    mel = mel_of(groove)
    whole = onset_bands(mel)
    assert whole.shape == (len(mel), 4)
    assert whole.dtype == np.float32
    parts = [onset_bands(mel[max(0, start - 2) : start + 100])[min(start, 2) :] for start in range(0, len(mel), 100)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-7)


def test_onset_envelope_is_the_mean_superflux_of_all_mel_bands(groove: Float32) -> None:
    compressed = mel_of(groove).astype(np.float64) ** 0.25
    rise = np.zeros(len(compressed))
    for frame in range(len(compressed)):
        before = np.zeros(130)
        if frame >= 2:
            before[1:-1] = compressed[frame - 2]
        widest = np.maximum(np.maximum(before[:-2], before[1:-1]), before[2:])
        rise[frame] = np.maximum(compressed[frame] - widest, 0).mean()
    np.testing.assert_allclose(onset_envelope(onset_bands(mel_of(groove))), rise, rtol=1e-3, atol=1e-5)


def test_downbeats_are_not_guessed(groove: Float32) -> None:
    assert isinstance(downbeats(rhythm_of(groove).beats), Unknown)
