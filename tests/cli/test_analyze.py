"""``samplemind analyze``: every form of its output, every way in, every way it can end."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
from pathlib import Path

import numpy as np
import pytest

from samplemind import AudioEngine, AudioFeatures
from samplemind.cli.report import report
from samplemind.cli.terminal import PLAIN
from tests.cli.conftest import Invoke
from tests.workers.conftest import MISBEHAVIOUR

NAMES = ["a tone.wav", "b clicks.flac", "broken.wav", "c short.wav", "more/d loud.WAV", "more/e noise.aiff"]
"""What there is in the folder `sounds`, in the order in which it is walked."""


@pytest.fixture
def expected(tone: Path) -> AudioFeatures:
    with AudioEngine(cache=None) as engine:
        return engine.analyze_audio(tone)


class TestFormats:
    def test_json_of_one_file_is_its_document(self, invoke: Invoke, tone: Path, expected: AudioFeatures) -> None:
        result = invoke("analyze", tone, "--format", "json")
        assert result.exit_code == 0
        assert result.stderr == ""
        assert AudioFeatures.from_dict(json.loads(result.stdout)) == expected

    def test_json_of_anything_else_is_a_list(self, invoke: Invoke, tone: Path, tmp_path: Path) -> None:
        (tmp_path / "list").write_text(f"{tone}\n")
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "tone.wav").write_bytes(tone.read_bytes())
        for arguments in ([tone, tone], ["--files-from", tmp_path / "list"], [tmp_path / "one"]):
            documents = json.loads(invoke("analyze", *arguments, "--format", "json").stdout)
            assert [Path(document["path"]).name[-8:] for document in documents] == ["tone.wav"] * len(documents)
            assert len(documents) == (2 if arguments == [tone, tone] else 1)

    def test_jsonl_is_an_object_a_line_and_loses_no_file(self, invoke: Invoke, sounds: Path) -> None:
        result = invoke("analyze", sounds, "--format", "jsonl")
        documents = {document["path"]: document for document in map(json.loads, result.stdout.splitlines())}
        assert len(result.stdout.splitlines()) == len(NAMES)
        assert documents.keys() == {str(sounds / name) for name in NAMES}
        failed = documents[str(sounds / "broken.wav")]
        assert failed["error"].keys() == {"type", "reason"}
        assert failed["error"]["type"] == "UnsupportedFormatError"
        assert failed.keys() == {"path", "error"}

    def test_csv_has_a_row_a_file_with_the_same_numbers(
        self, invoke: Invoke, sounds: Path, tone: Path, expected: AudioFeatures
    ) -> None:
        result = invoke("analyze", sounds, "--format", "csv")
        rows = {row["path"]: row for row in csv.DictReader(io.StringIO(result.stdout))}
        assert rows.keys() == {str(sounds / name) for name in NAMES}
        document = expected.to_dict()
        row = rows[str(tone)]
        assert row.keys() >= {"tempo_bpm", "key", "camelot", "loudness_lufs", "kind"}
        assert float(row["loudness_lufs"]) == document["loudness_lufs"]
        assert row.pop("warnings") == "; ".join(expected.warnings)
        for name, text in row.items():
            value = document.get(name)
            assert not isinstance(value, dict | list)
            assert text == ("" if value is None else str(value)), name
        broken = rows[str(sounds / "broken.wav")]
        assert {name for name, text in broken.items() if text} == {"path", "error"}

    def test_a_few_files_have_the_full_report_each(
        self, invoke: Invoke, tone: Path, sounds: Path, expected: AudioFeatures
    ) -> None:
        result = invoke("analyze", tone, sounds / "b clicks.flac")
        assert report(expected, PLAIN, 80) in result.stdout
        assert "b clicks.flac" in result.stdout
        assert "120.00 BPM" in result.stdout
        assert "\x1b" not in result.stdout

    def test_many_files_have_a_row_each_in_fixed_columns(self, invoke: Invoke, sounds: Path) -> None:
        head, *rows = invoke("analyze", sounds).stdout.splitlines()
        found = [name for name in NAMES if name != "broken.wav"]
        files = [row[head.index("file") :] for row in rows]
        assert sorted(files) == sorted(str(sounds / name) for name in found)
        clicks = rows[files.index(str(sounds / "b clicks.flac"))]
        assert clicks[: head.index("tempo") + len("tempo")].endswith("120.00")
        assert clicks[: head.index("length") + len("length")].endswith("4.000 s")


class TestWaysIn:
    def test_standard_input_is_one_sound(self, invoke: Invoke, tone: Path, expected: AudioFeatures) -> None:
        result = invoke("analyze", "-", "--format", "json", stdin=tone.read_bytes())
        document = json.loads(result.stdout)
        assert document["path"] == "<stdin>"
        assert document["audio_digest"] == expected.audio_digest
        assert document["file_digest"] == expected.file_digest

    def test_bad_standard_input_is_an_error_of_that_file(self, invoke: Invoke) -> None:
        result = invoke("analyze", "-", "--format", "jsonl", stdin=b"no audio")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["path"] == "<stdin>"
        assert result.stderr.startswith("samplemind: <stdin>: ")

    def test_a_list_of_files(self, invoke: Invoke, sounds: Path, tmp_path: Path) -> None:
        paths = [str(sounds / "c short.wav"), str(sounds / "more")]
        expected = [paths[0], str(sounds / "more" / "d loud.WAV"), str(sounds / "more" / "e noise.aiff")]
        for text in ("\n".join(paths), "\r\n".join(paths) + "\r\n\r\n", "\0".join(paths) + "\0"):
            (tmp_path / "list").write_bytes(text.encode())
            for arguments, stdin in (([tmp_path / "list"], b""), (["-"], text.encode())):
                result = invoke("analyze", "--format", "jsonl", "--files-from", *arguments, stdin=stdin)
                assert sorted(json.loads(line)["path"] for line in result.stdout.splitlines()) == expected

    def test_a_named_file_is_tried_whatever_its_name(self, invoke: Invoke, tone: Path) -> None:
        odd = tone.rename(tone.parent / ".hidden")
        assert invoke("analyze", odd).exit_code == 0

    def test_level_basic_leaves_the_rest_out(self, invoke: Invoke, tone: Path) -> None:
        result = invoke("analyze", tone, "--level", "basic", "--format", "json")
        document = json.loads(result.stdout)
        assert document["level"] == "basic"
        assert document["loudness_lufs"] is not None
        assert document["mfcc_mean"] is None
        assert "brightness" not in invoke("analyze", tone, "--level", "basic").stdout

    def test_jobs_change_no_answer(self, invoke: Invoke, sounds: Path) -> None:
        one, four = (invoke("analyze", sounds, "--no-cache", "--format", "jsonl", "-j", n).stdout for n in (1, 4))
        assert sorted(one.splitlines()) == sorted(four.splitlines())

    def test_a_few_files_keep_their_order(self, invoke: Invoke, sounds: Path) -> None:
        few = [str(sounds / name) for name in ("broken.wav", "d loud.WAV", "b clicks.flac")]
        result = invoke("analyze", *few, "--format", "jsonl")
        assert [json.loads(line)["path"] for line in result.stdout.splitlines()] == few

    def test_the_cache_is_used_unless_told_not_to(self, invoke: Invoke, tone: Path) -> None:
        folder = Path(os.environ["SAMPLEMIND_CACHE_DIR"])
        fresh = invoke("analyze", tone, "--no-cache", "--format", "json")
        assert not folder.exists()
        first = invoke("analyze", tone, "--format", "json")
        assert any(folder.iterdir())
        second = invoke("analyze", tone, "--format", "json")
        assert fresh.stdout == first.stdout == second.stdout


def lines(text: str) -> list[str]:
    """Lines of a text, without what separates the items of a list: files come as they are done."""
    return [line.rstrip(",") for line in text.splitlines()]


class TestFiles:
    def test_output_is_what_would_have_been_printed(self, invoke: Invoke, sounds: Path, tmp_path: Path) -> None:
        for form in ("json", "jsonl", "csv", "table"):
            target = tmp_path / f"out.{form}"
            printed = invoke("analyze", sounds, "--format", form)
            written = invoke("analyze", sounds, "--format", form, "-o", target)
            assert written.stdout == ""
            assert sorted(lines(target.read_text(encoding="utf-8"))) == sorted(lines(printed.stdout))
            assert written.exit_code == printed.exit_code == 1

    def test_output_to_a_dash_is_standard_output(
        self, invoke: Invoke, tone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        result = invoke("analyze", tone, "--format", "json", "-o", "-")
        assert json.loads(result.stdout)["path"] == str(tone)
        assert not (tmp_path / "-").exists()

    def test_a_replaced_file_keeps_its_permissions_and_nothing_is_left_beside_it(
        self, invoke: Invoke, tone: Path, tmp_path: Path
    ) -> None:
        target = tmp_path / "out.json"
        target.write_text("old")
        target.chmod(0o640)
        invoke("analyze", tone, "--format", "json", "-o", target)
        assert json.loads(target.read_text())["channels"] == 1
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        assert [path.name for path in tmp_path.iterdir() if "out.json" in path.name] == ["out.json"]

    def test_series_run_along_time(self, invoke: Invoke, tone: Path, tmp_path: Path) -> None:
        target = tmp_path / "series.npz"
        result = invoke("analyze", tone, "--series", target, "--format", "json")
        assert result.exit_code == 0
        with np.load(target) as series:
            centroid, times = series["spectral_centroid"], series["frames_times_s"]
            assert len(centroid) == len(times) == len(series["rms"])
            assert times[-1] == pytest.approx(1.0, abs=0.02)
            inner = (times > 0.2) & (times < 0.8)
            assert centroid[inner] == pytest.approx(440, rel=0.05)
        assert json.loads(result.stdout)["spectral_centroid_hz"]["max"] == centroid.max()

    def test_series_of_a_bad_file_are_not_written(self, invoke: Invoke, sounds: Path, tmp_path: Path) -> None:
        assert invoke("analyze", sounds / "broken.wav", "--series", tmp_path / "s.npz").exit_code == 1
        assert not (tmp_path / "s.npz").exists()


class TestEnds:
    def test_one_bad_file_stops_nothing_and_is_told_in_one_line(self, invoke: Invoke, sounds: Path) -> None:
        missing = sounds / "missing.wav"
        result = invoke("analyze", sounds, missing)
        assert result.exit_code == 1
        assert len(result.stdout.splitlines()) == 1 + 5
        *failed, totals = result.stderr.splitlines()
        broken, absent = sorted(failed)
        assert totals == "samplemind: 5 files analysed, 2 failed"
        assert broken.startswith(f"samplemind: {sounds / 'broken.wav'}: ")
        assert absent == f"samplemind: {missing}: no such file or directory"

    @pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
    def test_only_bad_files(self, invoke: Invoke, sounds: Path, form: str) -> None:
        result = invoke("analyze", sounds / "broken.wav", "--format", form)
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "name a file or a folder"),
            (["EMPTY"], "no audio files"),
            (["--files-from", "EMPTY/none"], "No such file"),
            (["--files-from", "LIST", "-o", "LIST"], "or their list"),
            (["--files-from", "LIST", "--series", "LIST"], "or their list"),
            (["TONE", "--level", "professional"], "highest is detailed"),
            (["TONE", "--level", "everything"], "'everything' is none of basic, standard"),
            (["TONE", "--format", "xml"], "xml"),
            (["TONE", "-j", "0"], "--jobs"),
            (["-", "TONE"], "- stands alone"),
            (["TONE", "TONE", "--series", "s.npz"], "exactly one file"),
            (["TONE", "-o", "EMPTY/none/out"], "its folder is missing"),
            (["TONE", "-o", "TONE"], "one of the files to analyse"),
            (["TONE", "--series", "TONE"], "one of the files to analyse"),
            (["FOLDER", "-o", "TONE"], "named like an audio file"),
            (["FOLDER", "-o", "LINK"], "named like an audio file"),
            (["FOLDER", "-o", "EMPTY/new.Flac"], "named like an audio file"),
            (["TONE", "-o", "EMPTY/x", "--series", "EMPTY/../empty/x"], "the file of --output too"),
            (["TONE", "-o", "EMPTY", "--format", "json"], "Parquet is written to"),
            (["--files-from", "OUTLIST", "-o", "EMPTY/../out.txt"], "out.txt is one of the files to analyse"),
            (["TONE", "--frobnicate"], "frobnicate"),
        ],
    )
    def test_what_makes_no_sense(
        self, invoke: Invoke, tone: Path, tmp_path: Path, arguments: list[str], message: str
    ) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "list").write_text(f"{tone}\n")
        (tmp_path / "out.txt").write_text("old")
        (tmp_path / "outlist").write_text(f"{tone}\n" * 4 + f"{tmp_path}/out.txt\n")
        (tmp_path / "link").symlink_to(tone)
        before = tone.read_bytes()
        places = {"TONE": tone, "FOLDER": tone.parent, "EMPTY": tmp_path / "empty"}
        places |= {"LIST": tmp_path / "list", "LINK": tmp_path / "link", "OUTLIST": tmp_path / "outlist"}
        named = [re.sub("^[A-Z]{4,}", lambda found: str(places[found[0]]), argument) for argument in arguments]
        result = invoke("analyze", *named)
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.split())
        assert result.stdout == ""
        assert tone.read_bytes() == before
        assert (tmp_path / "list").read_text() == f"{tone}\n"
        assert (tmp_path / "out.txt").read_text() == "old"

    def test_totals_of_more_than_one_file(self, invoke: Invoke, tone: Path) -> None:
        assert invoke("analyze", tone, "--format", "jsonl").stderr == ""
        two = invoke("analyze", tone, tone.parent / "b clicks.flac", "--format", "jsonl")
        assert two.stderr == "samplemind: 2 files analysed\n"

    def test_a_quarantined_file_is_tried_in_a_worker_or_not_at_all(
        self, invoke: Invoke, tone: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = tone.rename(tone.with_name("segfault.wav"))
        with monkeypatch.context() as misbehaving:
            misbehaving.syspath_prepend(str(MISBEHAVIOUR))
            assert invoke("analyze", bad, "--retry-quarantined").stderr.startswith(f"samplemind: {bad}: crashed: Seg")
            assert invoke("analyze", bad).stderr.startswith(f"samplemind: {bad}: not tried again: crashed: Seg")
        assert invoke("analyze", bad).exit_code == 1
        assert invoke("analyze", bad, "--retry-quarantined").exit_code == 0

    def test_a_setting_that_makes_no_sense(self, invoke: Invoke, tone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SAMPLEMIND_MAX_DURATION_S", "long")
        result = invoke("analyze", tone)
        assert result.exit_code == 2
        assert result.stderr == "samplemind: max_duration_s must be a number, not 'long'\n"


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_odd_names_harm_no_terminal_and_lose_no_byte(invoke: Invoke, tone: Path) -> None:
    raw = b"odd \xff\x1b[31m\n\xe2\x80\xae name.wav"
    odd = os.path.join(os.fsencode(tone.parent), raw)
    os.rename(tone, odd)
    named = os.fsdecode(odd)
    document = json.loads(invoke("analyze", named, "--format", "json").stdout)
    assert os.fsencode(document["path"]) == odd
    shown = invoke("analyze", named).stdout
    assert "\\xff\\x1b[31m\\n\\u202e name.wav" in shown
    os.unlink(odd)
    failed = invoke("analyze", named)
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1
    assert "\x1b" not in failed.stderr
