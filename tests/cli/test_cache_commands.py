"""``samplemind cache``: what is told of it, and what takes care of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families

from samplemind.cache import DiskTier
from samplemind.cache.portable import export_entries
from samplemind.cache.seal import sealed
from samplemind.cli.units import parsed_size, parsed_span, span
from tests.cli.conftest import Invoke, Process, command_line
from tests.cli.test_process import loaded
from tests.servers import RedisServer, running

PASSWORD = "pass-word"  # noqa: S105 (of the server that the tests start)


@pytest.fixture
def redis_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """A server of the test's own, which the settings name."""
    with running(tmp_path, password=PASSWORD) as server:
        monkeypatch.setenv("SAMPLEMIND_REDIS_URL", server.url)
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Its address, as it is shown."""
    return f"redis://***@127.0.0.1:{redis_server.port}/0"


def cache_file() -> Path:
    return Path(os.environ["SAMPLEMIND_CACHE_DIR"]) / "cache.sqlite"


@contextlib.contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """The cache's file, as anybody can open it."""
    with contextlib.closing(sqlite3.connect(cache_file())) as connection, connection:
        yield connection


def facts(invoke: Invoke) -> dict[str, Any]:
    result = invoke("cache", "info", "--format", "json")
    assert result.exit_code == 0
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def fill(path: Path, values: dict[str, bytes], exported: Path | None = None) -> None:
    """Make a cache file that holds values, and perhaps export it."""
    with contextlib.closing(DiskTier(path)) as tier:
        tier.put({key: sealed(key, value) for key, value in values.items()})
        if exported is not None:
            with exported.open("wb") as file:
                export_entries(tier, file)


class TestInfo:
    def test_no_cache_yet(self, invoke: Invoke) -> None:
        empty = facts(invoke)
        assert Path(empty["file"]) == cache_file()
        assert empty["redis"] is None
        assert list(empty["tiers"]) == ["memory", "disk"]
        disk = empty["tiers"]["disk"]
        assert (disk["entries"], disk["bytes"], disk["hits"], disk["misses"], disk["hit_rate"]) == (0, 0, 0, 0, None)
        assert (empty["computed"], empty["saved_s"], empty["waited"], empty["damaged"]) == (0, 0, 0, 0)
        text = invoke("cache", "info").stdout
        assert re.search(r"^entries +– +0$", text, re.MULTILINE)
        assert re.search(r"^time saved +0\.00 s$", text, re.MULTILINE)
        assert not cache_file().parent.exists(), "looking makes nothing"

    def test_it_counts_what_all_processes_asked(self, invoke: Invoke, process: Process, tone: Path) -> None:
        for _ in range(3):
            assert process("analyze", tone, "--format", "json").returncode == 0
        found = facts(invoke)
        disk = found["tiers"]["disk"]
        assert found["computed"] == 1
        assert found["computed_s"] > 0
        assert found["saved_s"] == pytest.approx(2 * found["computed_s"], rel=0.01), "two were spared it"
        assert disk["entries"] > 0
        assert 0 < disk["bytes"] <= disk["max_bytes"] == 2**31
        assert disk["hits"] > 0
        assert disk["hit_rate"] == pytest.approx(disk["hits"] / (disk["hits"] + disk["misses"]))
        assert 0 <= disk["unused_s"] <= disk["oldest_s"] < 600
        text = invoke("cache", "info").stdout
        assert re.search(rf"^entries +– +{disk['entries']}$", text, re.MULTILINE)
        assert re.search(rf"^hits +\d+ +{disk['hits']}$", text, re.MULTILINE)
        assert re.search(r"^computed +1 sound in ", text, re.MULTILINE)
        assert str(cache_file()) in text

    def test_looking_changes_nothing(self, invoke: Invoke, tone: Path) -> None:
        invoke("analyze", tone)
        first = facts(invoke)
        for tier in (again := facts(invoke))["tiers"].values():
            tier.pop("oldest_s", None)
            tier.pop("unused_s", None)
        for tier in first["tiers"].values():
            tier.pop("oldest_s", None)
            tier.pop("unused_s", None)
        assert again == first

    def test_for_prometheus(self, invoke: Invoke, tone: Path) -> None:
        invoke("analyze", tone)
        result = invoke("cache", "info", "--format", "prometheus")
        values = {
            (sample.name, sample.labels.get("tier")): sample.value
            for family in text_string_to_metric_families(result.stdout)
            for sample in family.samples
        }
        found = facts(invoke)
        assert values["samplemind_sounds_computed_total", None] == 1
        assert values["samplemind_cache_entries", "disk"] == found["tiers"]["disk"]["entries"]
        assert values["samplemind_cache_misses_total", "memory"] == found["tiers"]["memory"]["misses"] > 0
        assert ("samplemind_cache_entries", "memory") not in values, "it would be that of the command"

    def test_without_the_library_prometheus_can_not_be_had(
        self, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
        result = invoke("cache", "info", "--format", "prometheus")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == "samplemind: metrics need prometheus_client: pip install 'samplemind[metrics]'\n"

    def test_redis_is_a_tier_and_its_password_a_secret(self, invoke: Invoke, redis_url: str, tone: Path) -> None:
        invoke("analyze", tone)
        found = facts(invoke)
        assert found["redis"] == redis_url
        assert found["tiers"]["redis"]["entries"] > 0
        text = invoke("cache", "info").stdout
        assert redis_url in text
        assert re.search(r"^ +memory +disk +redis$", text, re.MULTILINE)
        for form in ("text", "json", "prometheus"):
            assert PASSWORD not in invoke("cache", "info", "--format", form).output
        assert PASSWORD not in invoke("doctor").output

    def test_a_redis_that_does_not_answer_is_told_beside_the_rest(
        self, process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SAMPLEMIND_REDIS_URL", f"unix://{tmp_path}/nobody")
        result = process("cache", "info", "--format", "json")
        assert result.returncode == 1
        assert json.loads(result.stdout)["tiers"]["redis"]["errors"] >= 0
        assert result.stderr.startswith(b"samplemind: warning: the redis cache is left out: ")
        assert len(result.stderr.splitlines()) == 1


class TestBrokenPlaces:
    def test_a_cache_that_is_none_is_told_and_stops_no_analysis(self, process: Process, tone: Path) -> None:
        cache_file().mkdir(parents=True)
        result = process("analyze", tone, "--format", "json")
        assert result.returncode == 0
        assert json.loads(result.stdout)["channels"] == 1
        assert result.stderr.startswith(b"samplemind: warning: the disk cache is left out: ")
        assert len(result.stderr.splitlines()) == 1
        reason = result.stderr.partition(b"left out: ")[2]
        for action in ("info", "clear", "verify"):
            looked = process("cache", action)
            assert (looked.returncode, looked.stdout) == (1, b"")
            assert looked.stderr.startswith(b"samplemind: ")
            assert looked.stderr.endswith(reason)
            assert len(looked.stderr.splitlines()) == 1

    def test_a_damaged_cache_is_told_once(self, invoke: Invoke) -> None:
        cache_file().parent.mkdir()
        cache_file().write_text("no database, and long enough that nobody takes it for an empty one")
        first = invoke("cache", "info")
        assert (first.exit_code, first.stdout, first.stderr.count("\n")) == (1, "", 1)
        assert "is damaged" in first.stderr
        assert invoke("cache", "info").exit_code == 0

    @pytest.mark.parametrize("folder", ["file", "file/inner"])
    def test_a_folder_that_can_not_be_made_is_told(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("SAMPLEMIND_CACHE_DIR", str(tmp_path / folder))
        for action in ("info", "clear", "verify"):
            result = invoke("cache", action)
            assert (result.exit_code, result.stdout) == (1, "")
            assert result.stderr == f"samplemind: {tmp_path / folder}: Not a directory\n"

    @pytest.mark.parametrize("action", [["verify"], ["clear"], ["prune", "--max-size", "1k"]])
    def test_redis_must_be_set_to_be_asked(self, invoke: Invoke, action: list[str]) -> None:
        result = invoke("cache", *action, "--tier", "redis")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("samplemind: no Redis is set: it is SAMPLEMIND_REDIS_URL")

    @pytest.mark.parametrize("action", [["verify"], ["clear"], ["prune", "--max-size", "1k"]])
    def test_a_redis_that_does_not_answer_is_an_error(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: list[str]
    ) -> None:
        monkeypatch.setenv("SAMPLEMIND_REDIS_URL", f"unix://:{PASSWORD}@{tmp_path}/nobody")
        result = invoke("cache", *action, "--tier", "redis")
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert result.stderr.startswith(f"samplemind: unix://***@{tmp_path}/nobody")


class TestVerify:
    def test_a_whole_cache(self, invoke: Invoke, tone: Path) -> None:
        invoke("analyze", tone)
        entries = facts(invoke)["tiers"]["disk"]["entries"]
        result = invoke("cache", "verify")
        assert result.exit_code == 0
        assert result.stdout == f"{entries} entries read in {cache_file()}: 0 damaged and removed\n"
        assert facts(invoke)["tiers"]["disk"]["entries"] == entries

    def test_no_cache_yet(self, invoke: Invoke) -> None:
        assert invoke("cache", "verify").stdout.startswith("0 entries read")
        assert not cache_file().parent.exists()

    def test_damaged_entries_are_removed_and_computed_again(self, invoke: Invoke, tone: Path) -> None:
        answer = invoke("analyze", tone, "--format", "json").stdout
        with database() as connection:
            connection.execute("UPDATE entries SET value = x'00' WHERE key LIKE 'audio/%'")
            count = connection.execute("SELECT COUNT(*) FROM entries WHERE key LIKE 'audio/%'").fetchone()[0]
        assert count > 0
        result = invoke("cache", "verify")
        assert result.exit_code == 1
        assert result.stdout.endswith(f": {count} damaged and removed\n")
        assert invoke("cache", "verify").exit_code == 0
        assert invoke("analyze", tone, "--format", "json").stdout == answer

    def test_redis(self, invoke: Invoke, redis_server: RedisServer, redis_url: str, tone: Path) -> None:
        invoke("analyze", tone)
        assert re.fullmatch(
            rf"[1-9]\d* entries read in {re.escape(redis_url)}: 0 damaged and removed\n",
            invoke("cache", "verify", "--tier", "redis").stdout,
        )
        with redis_server.client() as server:
            name = next(server.scan_iter(match="*:file/*"))
            server.set(name, b"damaged beyond recognition")
        result = invoke("cache", "verify", "--tier", "redis")
        assert result.exit_code == 1
        assert result.stdout.endswith(": 1 damaged and removed\n")
        assert invoke("cache", "verify", "--tier", "redis").exit_code == 0


class TestPrune:
    def test_what_is_old_goes(self, invoke: Invoke, tone: Path) -> None:
        invoke("analyze", tone)
        before = facts(invoke)["tiers"]["disk"]["entries"]
        with database() as connection:
            connection.execute("UPDATE entries SET used = used - 100 * 86400 WHERE key LIKE 'audio/%'")
        assert invoke("cache", "prune", "--older-than", "101d").stdout.startswith("0 entries removed")
        result = invoke("cache", "prune", "--older-than", "99d")
        assert result.exit_code == 0
        left = facts(invoke)["tiers"]["disk"]["entries"]
        assert result.stdout.startswith(f"{before - left} entries removed from {cache_file()}; {left} left, ")
        assert 0 < left < before
        with database() as connection:
            assert not connection.execute("SELECT key FROM entries WHERE key LIKE 'audio/%'").fetchall()

    def test_no_more_is_kept_than_was_said(self, invoke: Invoke) -> None:
        fill(cache_file(), {f"other/{number}": bytes(10_000) for number in range(100)})
        before = facts(invoke)["tiers"]["disk"]
        invoke("cache", "prune", "--max-size", str(before["bytes"]))
        assert facts(invoke)["tiers"]["disk"]["entries"] == before["entries"]
        result = invoke("cache", "prune", "--max-size", "0.5MB")
        after = facts(invoke)["tiers"]["disk"]
        assert 400_000 < after["bytes"] <= 500_000
        assert 30 <= after["entries"] <= 50
        removed = 100 - after["entries"]
        assert result.stdout.startswith(f"{removed} entries removed from {cache_file()}; {after['entries']} left, ")

    def test_redis(self, invoke: Invoke, redis_url: str, tone: Path) -> None:
        invoke("analyze", tone)
        own = facts(invoke)["tiers"]["disk"]["entries"]
        result = invoke("cache", "prune", "--max-size", "0", "--tier", "redis")
        assert re.fullmatch(rf"[1-9]\d* entries removed from {re.escape(redis_url)}; 0 left, 0 bytes\n", result.stdout)
        assert facts(invoke)["tiers"]["disk"]["entries"] == own

    @pytest.mark.parametrize(
        "options",
        [
            [],
            ["--max-size", "5X"],
            ["--max-size", "-5"],
            ["--max-size", ""],
            ["--older-than", "5 years"],
            ["--older-than", "5"],
            ["--older-than", "nand"],
            ["--older-than", "1e999d"],
        ],
    )
    def test_questions_that_make_no_sense(self, invoke: Invoke, options: list[str]) -> None:
        result = invoke("cache", "prune", *options)
        assert (result.exit_code, result.stdout) == (2, "")
        assert (options or ["--max-size"])[0] in result.stderr


class TestClear:
    def test_everything_is_forgotten_and_counted(self, invoke: Invoke, tone: Path) -> None:
        assert invoke("cache", "clear").stdout == f"0 entries removed from {cache_file()}\n"
        invoke("analyze", tone)
        entries = facts(invoke)["tiers"]["disk"]["entries"]
        assert invoke("cache", "clear").stdout == f"{entries} entries removed from {cache_file()}\n"
        assert facts(invoke)["tiers"]["disk"]["entries"] == 0

    def test_what_others_share_only_when_it_is_named(self, invoke: Invoke, redis_url: str, tone: Path) -> None:
        def entries() -> tuple[int, int]:
            tiers = facts(invoke)["tiers"]
            return tiers["disk"]["entries"], tiers["redis"]["entries"]

        invoke("analyze", tone)
        own, shared = entries()
        assert own > 0
        assert shared > 0
        invoke("cache", "clear")
        assert entries() == (0, shared)
        assert invoke("cache", "clear", "--tier", "redis").stdout == f"{shared} entries removed from {redis_url}\n"
        assert entries() == (0, 0)
        invoke("analyze", tone)
        assert invoke("cache", "clear", "--tier", "all").stdout.count("removed from") == 2
        assert entries() == (0, 0)

    def test_all_is_the_file_alone_where_no_redis_is_set(self, invoke: Invoke) -> None:
        assert invoke("cache", "clear", "--tier", "all").stdout == f"0 entries removed from {cache_file()}\n"


class TestExportAndImport:
    def test_another_machine_computes_nothing_again(
        self, invoke: Invoke, sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other machine has another cache folder, and the same sounds at other paths."""
        target = tmp_path / "answers.jsonl"
        invoke("analyze", sounds)
        exported = invoke("cache", "export", target)
        assert exported.exit_code == 0
        count = len(target.read_bytes().splitlines()) - 2
        assert exported.stdout == f"{count} entries written to {target}\n"
        assert str(sounds).encode() not in target.read_bytes()

        monkeypatch.setenv("SAMPLEMIND_CACHE_DIR", str(tmp_path / "elsewhere"))
        there = shutil.copytree(sounds, tmp_path / "copies")
        imported = invoke("cache", "import", target)
        assert imported.exit_code == 0
        assert imported.stdout == f"{count} entries added to {cache_file()}; 0 were there already\n"
        invoke("analyze", there)
        found = facts(invoke)
        assert found["computed"] == 0
        assert found["saved_s"] > 0
        again = invoke("cache", "import", target)
        assert again.stdout == f"0 entries added to {cache_file()}; {count} were there already\n"

    def test_an_earlier_export_is_replaced_and_nothing_else(self, invoke: Invoke, tone: Path, tmp_path: Path) -> None:
        target = tmp_path / "answers.jsonl"
        assert invoke("cache", "export", target).stdout == f"0 entries written to {target}\n"
        invoke("analyze", tone)
        assert not invoke("cache", "export", target).stdout.startswith("0 ")
        for precious in (tone, cache_file()):
            before = precious.read_bytes()
            result = invoke("cache", "export", precious)
            assert (result.exit_code, result.stdout) == (2, "")
            assert "is there already, and not an export" in re.sub(r"\s+", " ", result.stderr)
            assert precious.read_bytes() == before
        assert invoke("cache", "export", tmp_path).exit_code == 2
        assert invoke("cache", "export", tmp_path / "missing" / "file").exit_code == 2

    def test_damaged_entries_stay_behind(self, invoke: Invoke, tone: Path, tmp_path: Path) -> None:
        invoke("analyze", tone)
        with database() as connection:
            connection.execute("UPDATE entries SET value = x'00' WHERE key LIKE 'file/%'")
        result = invoke("cache", "export", tmp_path / "answers.jsonl")
        assert result.exit_code == 1
        assert result.stdout.endswith("; 1 damaged and left out\n")

    def test_files_that_are_no_exports(self, invoke: Invoke, tone: Path, tmp_path: Path) -> None:
        for file, reason in (
            (tone, "not a file that samplemind cache export wrote"),
            (tmp_path / "missing", "No such file or directory"),
            (tmp_path, "Is a directory"),
        ):
            result = invoke("cache", "import", file)
            assert (result.exit_code, result.stdout) == (1, "")
            assert result.stderr == f"samplemind: {file}: {reason}\n"
        newer = tmp_path / "newer.jsonl"
        newer.write_text('{"format": "samplemind cache", "version": 99}\n')
        assert "newer samplemind (format 99" in invoke("cache", "import", newer).stderr
        assert not cache_file().exists()

    def test_a_damaged_file_gives_what_is_whole(self, invoke: Invoke, tone: Path, tmp_path: Path) -> None:
        target = tmp_path / "answers.jsonl"
        invoke("analyze", tone)
        invoke("cache", "export", target)
        lines = target.read_bytes().splitlines(keepends=True)
        invoke("cache", "clear")

        target.write_bytes(b"".join([lines[0], b"{}\n", *lines[2:]]))
        result = invoke("cache", "import", target)
        assert (result.exit_code, result.stderr) == (1, "")
        assert result.stdout.startswith(f"{len(lines) - 3} entries added")
        assert result.stdout.endswith("1 entry damaged and left out\n")

        target.write_bytes(b"".join(lines[:-1]))
        result = invoke("cache", "import", target)
        assert result.exit_code == 1
        assert result.stdout == f"1 entry added to {cache_file()}; {len(lines) - 3} were there already\n"
        assert result.stderr == f"samplemind: {target}: cut off or damaged: it does not hold what was exported\n"

    def test_what_the_limit_drops_is_told(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(tmp_path / "large.sqlite", {f"other/{number}": bytes(10_000) for number in range(200)}, tmp_path / "large")
        monkeypatch.setenv("SAMPLEMIND_CACHE_MAX_BYTES", "500000")
        result = invoke("cache", "import", tmp_path / "large")
        assert result.exit_code == 0
        assert re.search(r"^[1-9]\d+ entries dropped meanwhile: the cache is full", result.stdout, re.MULTILINE)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
    def test_an_import_that_is_killed_leaves_a_whole_cache(self, invoke: Invoke, tmp_path: Path) -> None:
        """The file is a pipe, so that the test knows how far the import can have come."""
        whole = tmp_path / "whole.jsonl"
        count = 3000
        fill(tmp_path / "large.sqlite", {f"like/{number}/44100/2": b"" for number in range(count)}, whole)
        lines = whole.read_bytes().splitlines(keepends=True)
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with subprocess.Popen(command_line("cache", "import", pipe)) as importing, pipe.open("wb") as writing:
            writing.write(b"".join(lines[: count // 2]))
            writing.flush()
            deadline = time.monotonic() + 60
            while not (cache_file().exists() and facts(invoke)["tiers"]["disk"]["entries"]):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            importing.send_signal(signal.SIGKILL)
            importing.wait()
        begun = facts(invoke)["tiers"]["disk"]["entries"]
        assert 0 < begun < count
        assert invoke("cache", "verify").stdout.startswith(f"{begun:,} entries read")
        assert invoke("cache", "verify").exit_code == 0
        done = invoke("cache", "import", whole)
        assert done.stdout == f"{count - begun:,} entries added to {cache_file()}; {begun:,} were there already\n"


@pytest.mark.parametrize("command", ["info", "verify", "prune", "export", "import", "clear"])
def test_asking_for_help_imports_nothing_heavy(command: str) -> None:
    assert loaded(["numpy", "redis", "prometheus_client", "psutil", "sqlite3"], "cache", command, "--help") == []


def test_only_who_asks_for_redis_or_prometheus_waits_for_it(invoke: Invoke, tone: Path) -> None:
    invoke("analyze", tone)
    assert loaded(["redis", "prometheus_client", "numba", "scipy"], "cache", "info") == []
    assert loaded(["prometheus_client"], "cache", "info", "--format", "prometheus") == ["prometheus_client"]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("12 b", 12),
        ("1k", 1000),
        ("20kB", 20_000),
        ("1KiB", 1024),
        ("500M", 500_000_000),
        ("1.5 GiB", 1_610_612_736),
        ("2gb", 2 * 10**9),
        ("1TiB", 2**40),
    ],
)
def test_sizes_are_read_as_they_are_written(text: str, size: int) -> None:
    assert parsed_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90d", 7_776_000), ("1.5h", 5400), ("2w", 1_209_600), ("30m", 1800), ("5 D", 432_000)],
)
def test_spans_are_read_as_they_are_written(text: str, seconds: float) -> None:
    assert parsed_span(text) == seconds


@pytest.mark.parametrize("text", ["", "M", "1.2.3M", "-1M", "+1M", "1 000", "1Mi", "0x10", "inf", "٣M", "1M\n2M"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no size"):
        parsed_size(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 s"),
        (0.123, "0.12 s"),
        (9.996, "10.00 s"),
        (12.4, "12 s"),
        (59.7, "1.0 minutes"),
        (150.0, "2.5 minutes"),
        (3540.0, "59 minutes"),
        (5400.1, "1.5 hours"),
        (86_400.0, "1.0 days"),
        (10**8, "1,157 days"),
    ],
)
def test_spans_are_shown_in_their_largest_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text
