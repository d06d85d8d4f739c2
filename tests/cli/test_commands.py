"""``explain``, ``doctor`` and ``demo``."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from samplemind import AudioFeatures, demo
from samplemind.features import feature_graph
from samplemind.features.levels import AnalysisLevel, outputs_of
from tests.cli.conftest import Invoke


class TestExplain:
    @pytest.mark.parametrize("level", ["basic", "standard"])
    def test_json_has_the_plan_of_the_level(self, invoke: Invoke, level: str) -> None:
        document = json.loads(invoke("explain", "--level", level, "--format", "json").stdout)
        asked = {node for nodes in outputs_of(AnalysisLevel(level)).values() for node in nodes}
        names = [node["name"] for node in document["nodes"]]
        assert {node["name"] for node in document["nodes"] if node["output"]} == asked
        known = set(document["inputs"])
        for node in document["nodes"]:
            assert known >= set(node["needs"]), "nodes come after what they need"
            assert node["fingerprint"] == feature_graph().fingerprints[node["name"]]
            assert node["kind"] in ("per-frame", "scan", "fold", "track")
            known.add(node["name"])
        assert len(names) == len(set(names))

    def test_dot_has_every_node_and_every_need(self, invoke: Invoke) -> None:
        document = json.loads(invoke("explain", "--format", "json").stdout)
        dot = invoke("explain", "--format", "dot").stdout
        edges = set(re.findall(r'"(\w+)" -> "(\w+)"', dot))
        assert edges == {(need, node["name"]) for node in document["nodes"] for need in node["needs"]}
        drawn = set(re.findall(r'^  "(\w+)" \[', dot, re.MULTILINE))
        assert drawn == {node["name"] for node in document["nodes"]} | set(document["inputs"])
        assert dot.startswith("digraph")
        assert dot.count("{") == dot.count("}") == 1

    def test_a_file_is_measured_node_by_node(self, invoke: Invoke, tone: Path) -> None:
        document = json.loads(invoke("explain", tone, "--format", "json").stdout)
        calls = {node["name"]: node["calls"] for node in document["nodes"]}
        assert calls["spectrum"] == calls["frames"] >= 1
        assert all(node["calls"] <= 1 for node in document["nodes"] if node["kind"] == "track")
        file = document["file"]
        assert file["duration_s"] == pytest.approx(1.0)
        parts = file["decode_s"] + file["overhead_s"] + sum(node["seconds"] for node in document["nodes"])
        assert parts == pytest.approx(file["total_s"])
        assert not Path(os.environ["SAMPLEMIND_CACHE_DIR"]).exists()

    def test_text_is_for_reading(self, invoke: Invoke, tone: Path) -> None:
        text = invoke("explain", tone).stdout
        for node in (
            feature_graph().plan(n for nodes in outputs_of(AnalysisLevel.STANDARD).values() for n in nodes).nodes
        ):
            assert re.search(rf"^[* ] {node.name} +{node.kind}.* ms +\d+×$", text, re.MULTILINE), node.name
            assert node.summary in text
        assert "1.000 s of sound" in text

    def test_what_can_not_be_explained(self, invoke: Invoke, sounds: Path) -> None:
        assert invoke("explain", "--level", "professional").exit_code == 2
        assert invoke("explain", "--level", "x").exit_code == 2
        broken = invoke("explain", sounds / "broken.wav")
        assert (broken.exit_code, broken.stdout, broken.stderr.count("\n")) == (1, "", 1)


class TestSeparate:
    def test_it_writes_two_files_that_add_up(self, invoke: Invoke, tone: Path, tmp_path: Path) -> None:
        done = invoke("separate", tone, "-o", tmp_path / "parts")
        assert done.exit_code == 0
        written = [Path(line) for line in done.stdout.splitlines()]
        assert [path.name for path in written] == [f"{tone.stem}.harmonic.wav", f"{tone.stem}.percussive.wav"]
        harmonic, percussive = (soundfile.read(path)[0] for path in written)
        assert np.abs(harmonic + percussive - soundfile.read(tone)[0]).max() < 1e-5

    def test_what_can_not_be_separated(self, invoke: Invoke, sounds: Path, tone: Path, tmp_path: Path) -> None:
        broken = invoke("separate", sounds / "broken.wav", "-o", tmp_path)
        assert (broken.exit_code, broken.stdout, broken.stderr.count("\n")) == (1, "", 1)
        assert invoke("separate", tone, "-o", tmp_path, "--margin", "0.5").exit_code == 2
        assert invoke("separate", tone).exit_code == 2


class TestDoctor:
    def test_a_sound_installation(self, invoke: Invoke) -> None:
        result = invoke("doctor")
        assert result.exit_code == 0
        for name in ("python", "platform", "numpy", "numba", "soundfile", "av", "folder", "cache_max_bytes"):
            assert re.search(rf"^. {name} +\S", result.stdout, re.MULTILINE), name
        assert os.environ["SAMPLEMIND_CACHE_DIR"] in result.stdout
        assert "✗" not in result.stdout

    def test_a_needed_library_is_missing(self, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "soxr", None)
        result = invoke("doctor")
        assert result.exit_code == 1
        assert re.search(r"^✗ soxr ", result.stdout, re.MULTILINE)

    def test_a_decoder_is_missing(self, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "av", None)
        result = invoke("doctor")
        assert result.exit_code == 0
        assert re.search(r"^! av .*M4A", result.stdout, re.MULTILINE)
        monkeypatch.setitem(sys.modules, "soundfile", None)
        assert invoke("doctor").exit_code == 1

    def test_a_setting_is_wrong(self, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SAMPLEMIND_CACHE_MAX_BYTES", "-1")
        result = invoke("doctor")
        assert result.exit_code == 1
        assert "cache_max_bytes must be above 0" in result.stdout

    def test_a_cache_is_unusable(self, invoke: Invoke) -> None:
        folder = Path(os.environ["SAMPLEMIND_CACHE_DIR"])
        (folder / "cache.sqlite").mkdir(parents=True)
        result = invoke("doctor")
        assert result.exit_code == 0
        assert re.search(rf"^! folder .*{folder}: .*; nothing will be remembered$", result.stdout, re.MULTILINE)


class TestDemo:
    def test_it_finds_what_it_made(self, invoke: Invoke, tmp_path: Path) -> None:
        result = invoke("demo", "-o", tmp_path / "demo")
        assert result.exit_code == 0
        for made in ("124.00 BPM", "16 beats", "A minor", "A3", "one-shot"):
            assert re.search(rf"made: {made} +found: {made} +✓", result.stdout), made
        assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
            "chords.wav",
            "drum-loop.wav",
            "pluck.wav",
        ]
        assert result.stdout.count("⣿") > 0
        report, _, _ = result.stdout.partition("The sounds are in")
        assert max(map(len, report.splitlines())) <= 80

    def test_it_writes_over_nothing_but_itself(self, invoke: Invoke, tmp_path: Path) -> None:
        folder, mine = tmp_path / "demo", tmp_path / "mine.wav"
        mine.write_text("precious")
        folder.mkdir()
        for name, place in (("chords.wav", folder / "chords.wav"), ("pluck.wav", mine)):
            (folder / name).write_text("precious") if place != mine else (folder / name).symlink_to(mine)
            result = invoke("demo", "-o", folder)
            assert (result.exit_code, result.stdout) == (1, "")
            assert result.stderr == f"samplemind: {folder / name} is there already, and not one of these sounds\n"
            assert place.read_text() == "precious"
            assert list(folder.iterdir()) == [folder / name], "nothing is written if not all can be"
            (folder / name).unlink()
        assert [invoke("demo", "-o", folder).exit_code for _ in range(2)] == [0, 0], "its own sounds may be there"

    def test_the_sounds_are_what_they_are_said_to_be(self, invoke: Invoke, tmp_path: Path) -> None:
        for folder in ("one", "two"):
            for sound in demo.SOUNDS:
                (tmp_path / folder).mkdir(exist_ok=True)
                (tmp_path / folder / sound.name).write_bytes(demo.wav(sound.samples()))
        for sound in demo.SOUNDS:
            assert (tmp_path / "one" / sound.name).read_bytes() == (tmp_path / "two" / sound.name).read_bytes()
        loop, rate = soundfile.read(tmp_path / "one" / "drum-loop.wav")
        assert len(loop) / rate == pytest.approx(16 * 60 / 124, abs=1e-4)
        pluck, _ = soundfile.read(tmp_path / "one" / "pluck.wav")
        spectrum = np.abs(np.fft.rfft(pluck))
        assert spectrum.argmax() * rate / len(pluck) == pytest.approx(220, abs=1)
        assert 0.7 < np.abs(loop).max() < 0.9

    def test_it_does_not_call_a_wrong_answer_right(self, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
        analyze = demo.AudioEngine.analyze_audio

        def wrong(*args: object, **kwargs: object) -> AudioFeatures:
            features = analyze(*args, **kwargs)  # type: ignore[arg-type]
            unknown = {**features.unknown, "key": "forgotten", "root_midi": "forgotten"}
            return dataclasses.replace(
                features, tempo_bpm=62.0, key=None, kind="track", root_midi=None, unknown=unknown
            )

        monkeypatch.setattr(demo.AudioEngine, "analyze_audio", wrong)
        result = invoke("demo")
        assert result.exit_code == 1
        assert result.stdout.count("✗") == 5
        assert "found: 62.00 BPM" in result.stdout
        assert "found: no key" in result.stdout


def test_the_page_about_the_command_has_every_command_and_option(invoke: Invoke) -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    names = re.findall(r"^  (\w+)  ", invoke("--help").stdout, re.MULTILINE)
    sounds = {"analyze", "separate", "explain", "demo"}
    library = {"scan", "watch", "search", "set", "tag", "collection", "audit", "library"}
    assert sounds | library | {"serve", "keys", "cache", "doctor", "bench"} == set(names)
    inner = re.findall(r"^  (\w+)  ", invoke("cache", "--help").stdout, re.MULTILINE)
    assert {"info", "verify", "prune", "export", "import", "clear"} == set(inner)
    for arguments in ([], *([name] for name in names), *(["cache", name] for name in inner), ["bench", "accuracy"]):
        assert all(f"cache {name}" in page for name in inner)
        for option in re.findall(r"^  (?:-\w, )?(--[\w-]+)", invoke(*arguments, "--help").stdout, re.MULTILINE):
            assert option in page, (arguments, option)
