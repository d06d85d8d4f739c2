"""Real files by many programs: those that are sound decode, those that are broken do no harm."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DEADLINE_S = 60

DECODE_ALL = """
import json, sys
from samplemind.audio import open_audio
from samplemind.errors import AnalysisError
for path in sys.stdin.read().split("\\n"):
    try:
        with open_audio(path) as audio:
            frames = sum(len(block) for block in audio.blocks(10_000))
            info = audio.info
        shape = [info.container, info.codec, info.sample_rate, info.channels]
        print(json.dumps({"path": path, "frames": frames, "shape": shape}), flush=True)
    except AnalysisError as error:
        print(json.dumps({"path": path, "error": type(error).__name__, "reason": error.reason}), flush=True)
"""
"""Runs in a process of its own, so that a crash or a hang fails a test and not the tests."""

NAMES = {"mp3float": "mp3", "mp3on4float": "mp3on4", "mpc7": "musepack7", "mpc8": "musepack8", "als": "mp4als"}
"""The labels name FFmpeg's decoders; `AudioInfo.codec` is its codecs."""
KNOWN_BETTER = {"formats/hound_3718e665.wav": ["wav", "pcm_s24le", 48_000, 2]}
"""24-bit samples in 4-byte containers, which FFmpeg takes for floating point."""
WITHOUT_PADDING = {
    "formats/loftyrs_b5352140.m4a": 162_496,
    "formats/mutagen_c42d718a.m4a": 162_496,
    "formats/tinytag_4f9e6f74.m4a": 10_348,
    "formats/tinytag_ae9dfeef.m4a": 23_074,
}
"""MP4 whose sum of durations says that its last packet is padded; FFmpeg alone decodes all of it."""


def _rows(corpus: Path, task: str) -> list[dict[str, str]]:
    with (corpus / "labels.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["task"] == task]


def _decode(corpus: Path, rows: list[dict[str, str]]) -> dict[str, dict[str, Any]]:
    paths = "\n".join(str(corpus / row["path"]) for row in rows)
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", DECODE_ALL],
        input=paths,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert child.stderr == ""
    assert child.returncode == 0
    answers = [json.loads(line) for line in child.stdout.splitlines()]
    return {Path(answer["path"]).relative_to(corpus).as_posix(): answer for answer in answers}


def test_every_format_decodes_to_its_length(corpus: Path) -> None:
    rows = _rows(corpus, "formats")
    answers = _decode(corpus, rows)
    wrong = []
    for row in rows:
        answer = answers[row["path"]]
        container, codec, _, rate, channels = row["label"].split("/")
        expected = [container, NAMES.get(codec, codec), int(rate.removesuffix("Hz")), int(channels.removesuffix("ch"))]
        by_ffmpeg = re.search(r"frames=(\d+)", row["note"])
        by_libsndfile = re.search(r"libsndfile=ok\(.*?,(\d+) frames\)", row["note"])
        lengths = {int(found[1]) for found in (by_ffmpeg, by_libsndfile) if found}
        if row["path"] in WITHOUT_PADDING:
            lengths = {WITHOUT_PADDING[row["path"]]}
        if answer.get("frames") not in lengths or answer["shape"] != KNOWN_BETTER.get(row["path"], expected):
            wrong.append((row["path"], row["label"], lengths, answer))
    assert wrong == []


def test_nothing_broken_does_harm(corpus: Path) -> None:
    rows = _rows(corpus, "corrupt")
    answers = _decode(corpus, rows)
    assert answers.keys() == {row["path"] for row in rows}
    for answer in answers.values():
        assert answer.get("frames", 0) > 0 or answer["reason"]


@pytest.mark.parametrize("kind", ["lfs_pointer", "symlink_text", "no_audio_stream"])
def test_what_holds_no_sound_is_told_so(corpus: Path, kind: str) -> None:
    rows = [row for row in _rows(corpus, "corrupt") if row["label"] == kind]
    assert {answer["error"] for answer in _decode(corpus, rows).values()} == {"UnsupportedFormatError"}


def test_empty_files_are_told_so(corpus: Path) -> None:
    rows = [row for row in _rows(corpus, "corrupt") if row["label"] == "empty"]
    assert {answer["error"] for answer in _decode(corpus, rows).values()} == {"EmptyAudioError"}
