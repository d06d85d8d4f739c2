"""Real files of every format, and broken ones, through the whole flow."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from samplemind import AnalysisError, AudioEngine
from samplemind.result import document_schema


def rows_of(corpus: Path, task: str) -> list[dict[str, str]]:
    with (corpus / "labels.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["task"] == task]


def test_every_format_has_a_document(corpus: Path) -> None:
    pytest.importorskip("av", reason="some formats need PyAV: pip install av")
    schema = document_schema()
    with AudioEngine(cache=None) as engine:
        for row in rows_of(corpus, "formats"):
            features = engine.analyze_audio(corpus / row["path"])
            jsonschema.validate(json.loads(json.dumps(features.to_dict(), allow_nan=False)), schema)


def test_no_broken_file_crashes_or_hangs_the_command(corpus: Path, tmp_path: Path) -> None:
    paths = sorted({str(corpus / row["path"]) for row in rows_of(corpus, "corrupt")})
    listing = tmp_path / "list"
    listing.write_text("\n".join(paths), encoding="utf-8")
    command = [sys.executable, "-m", "samplemind", "analyze", "--files-from", str(listing), "--format", "jsonl"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 1
    assert "Traceback" not in found.stderr
    documents = [json.loads(line) for line in found.stdout.splitlines()]
    assert len(documents) == len(paths)
    assert not [document for document in documents if document.get("error", {}).get("type") == "InternalError"]


@pytest.mark.parametrize(("task", "share"), [("tempo", 0.7), ("pitch", 0.9)])
def test_real_labels_are_met(corpus: Path, task: str, share: float) -> None:
    pytest.importorskip("av", reason="some files need PyAV: pip install av")
    right = []
    with AudioEngine(cache=None) as engine:
        for row in rows_of(corpus, task):
            if "duration_mismatch" in row["note"]:
                continue
            try:
                features = engine.analyze_audio(corpus / row["path"], level="basic")
            except AnalysisError:
                right.append(False)
                continue
            label = float(row["label"])
            if task == "tempo":
                right.append(features.tempo_bpm is not None and abs(features.tempo_bpm / label - 1) <= 0.04)
            else:
                note = None if features.root_midi is None else features.root_midi + (features.root_cents or 0) / 100
                right.append(note is not None and abs(note - label) <= 0.5)
    assert sum(right) / len(right) >= share
