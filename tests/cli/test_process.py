"""What only shows in a process of its own: imports, signals, pipes, terminals. Starts are slow: checks are bundled."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

import samplemind
from tests.cli.conftest import Process, command_line
from tests.signals import SAMPLE_RATE, music

LOADED = """
import sys
sys.argv = ["samplemind", *sys.argv[1:]]
from samplemind.cli import main
try:
    main()
finally:
    print("LOADED", *(name for name in {names!r} if name in sys.modules), file=sys.stderr)
"""
CODES = re.compile(r"\r|\x1b\[[?\d;]*[A-Za-z]")
"""What moves the cursor of a terminal or changes its colour."""
HEAVY = ["numba", "scipy", "pydantic", "soundfile", "av", "soxr", "rich"]


def loaded(names: list[str], *arguments: object) -> list[str]:
    """Which of these modules a command imports."""
    code = LOADED.format(names=names)
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=60
    )
    return result.stderr.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["analyze", "--help"], []])
def test_asking_for_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert loaded(["numpy", *HEAVY], *arguments) == []


def test_a_cached_answer_imports_nothing_heavy(tmp_path: Path, process: Process) -> None:
    path = tmp_path / "music.wav"
    soundfile.write(path, music(3.0), SAMPLE_RATE)
    past = time.time() - 60  # a file that has just been written may still change: its digest is not trusted
    os.utime(path, (past, past))
    first = process("analyze", path, "--format", "json")
    assert first.returncode == 0
    for form in ("json", "csv", "table"):
        assert loaded(HEAVY, "analyze", path, "--format", form) == []
    assert process("analyze", path, "--format", "json").stdout == first.stdout
    assert "numba" in loaded(HEAVY, "analyze", path, "--no-cache")


def test_version_help_and_usage(process: Process, tmp_path: Path) -> None:
    assert process("--version").stdout.decode().strip() == f"samplemind {samplemind.__version__}"
    bare = process()
    assert bare.returncode == 0
    assert bare.stdout == process("--help").stdout
    assert b"analyze" in bare.stdout
    wrong = process("analyse", "x.wav")
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert b"Traceback" not in wrong.stderr


@pytest.fixture
def long_list(tmp_path: Path) -> Path:
    """A list of more work than any test waits for."""
    path = tmp_path / "music.wav"
    soundfile.write(path, music(20.0), SAMPLE_RATE)
    (tmp_path / "list").write_text(f"{path}\n" * 5000)
    return tmp_path / "list"


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT from another process there")
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_keeps_what_is_printed_and_counts_it(long_list: Path, jobs: int) -> None:
    arguments = ["analyze", "--files-from", long_list, "--no-cache", "--format", "json", "-j", jobs]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen(command_line(*arguments), **pipes) as running:
        first = running.stdout.readline() + running.stdout.readline()
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    printed = json.loads(first + rest)
    assert printed
    counted = re.fullmatch(
        r"samplemind: interrupted: ([\d,]+) files? analysed, ([\d,]+) not done of those found so far\n", errors.decode()
    )
    assert counted is not None, errors
    assert int(counted[1].replace(",", "")) == len(printed)
    assert 0 < int(counted[2].replace(",", "")) < 5000


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT from another process there")
def test_an_interrupt_leaves_no_file_uncounted(long_list: Path) -> None:
    short = long_list.with_name("short")
    short.write_text("".join(long_list.read_text().splitlines(keepends=True)[:100]) + "missing.wav\n")
    arguments = ["analyze", "--files-from", short, "--no-cache", "--format", "jsonl", "-j", 1]
    with subprocess.Popen(command_line(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        first = [running.stdout.readline() for _ in range(4)]
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=30)
    counted = re.search(r"interrupted: (\d+) files analysed(?:, 1 failed)?, (\d+) not done\n", errors.decode())
    assert counted is not None, errors
    assert "error" not in json.loads(first[0]) or "1 failed" in counted[0]
    failed = counted[0].count("1 failed")
    assert int(counted[1]) + failed == len(first) + len(rest.splitlines())
    assert int(counted[1]) + failed + int(counted[2]) == 101


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT there")
def test_an_interrupt_while_it_is_imported_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run(command_line(), env=environment, capture_output=True, check=False, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


DEAF = """
import signal, time
from samplemind import __main__, cli

class Mayfly:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def work():
    Mayfly()
    time.sleep(60)

cli.app = work
__main__.main()
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT there")
def test_an_interrupt_in_a_destructor_is_not_lost() -> None:
    result = subprocess.run([sys.executable, "-c", DEAF], capture_output=True, check=False, timeout=30)
    assert (result.returncode, result.stderr) == (130, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="asks how full a pipe is")
@pytest.mark.parametrize(("unbuffered", "reads"), [("", True), ("1", True), ("", False)])
def test_an_interrupt_breaks_no_record_that_a_slow_reader_waits_for(
    long_list: Path, unbuffered: str, *, reads: bool
) -> None:
    """Nor does a reader that reads nothing at all keep the command from ending."""
    import fcntl
    import termios

    receiver, sender = os.pipe()
    arguments = command_line("analyze", "--files-from", long_list, "--format", "json")
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(arguments, stdout=sender, stderr=subprocess.PIPE, env=environment) as running:
        os.close(sender)
        deadline = time.monotonic() + 60
        before, waiting = b"", bytes(4)
        while before != waiting or not any(waiting):  # until it is stuck, most likely within a record
            assert time.monotonic() < deadline
            time.sleep(0.5)
            before, waiting = waiting, fcntl.ioctl(receiver, termios.FIONREAD, bytes(4))
        running.send_signal(signal.SIGINT)
        time.sleep(0.5)  # it hears that before there is room again
        with open(receiver, "rb") as pipe:
            printed = pipe.read() if reads else b""
            _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert re.fullmatch(r"samplemind: interrupted: \d+ files analysed, \d+ not done .*\n", errors.decode())
    if reads:
        assert errors.decode().startswith(f"samplemind: interrupted: {len(json.loads(printed))} files analysed, ")


@pytest.mark.skipif(os.name == "nt", reason="no signals from another process there")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_no_half_file(long_list: Path, tmp_path: Path, number: int, status: int) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    arguments = ["analyze", "--files-from", long_list, "--no-cache", "--format", "jsonl", "-o", target]
    with subprocess.Popen(command_line(*arguments), stderr=subprocess.PIPE) as running:
        deadline = time.monotonic() + 30
        while not (begun := [p for p in tmp_path.glob(".out.jsonl.*") if p.stat().st_size]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(number)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == status
    assert (b"out.jsonl was not written" in errors) == (number == signal.SIGINT)
    assert b"Traceback" not in errors
    assert target.read_text() == "old"
    assert not begun[0].exists()


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise there")
def test_a_reader_that_leaves_ends_it_quietly(long_list: Path) -> None:
    for arguments in (
        ["analyze", "--files-from", long_list, "--format", "jsonl"],
        ["analyze", "--files-from", long_list, "--format", "json", "-j", "2"],
        ["explain", "--format", "json"],
        ["explain", "--help"],
        ["--help"],
        ["--version"],
    ):
        with subprocess.Popen(command_line(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            if arguments[0] == "analyze":
                running.stdout.readline()
            running.stdout.close()
            errors = running.stderr.read()
        assert (running.returncode, errors) == (141, b""), arguments


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
@pytest.mark.parametrize("arguments", [["--version"], ["cache", "--help"], ["explain"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_can_not_be_written_is_an_error_in_one_line(arguments: list[str], unbuffered: str) -> None:
    with open("/dev/full", "wb") as full:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        result = subprocess.run(
            command_line(*arguments), stdout=full, stderr=subprocess.PIPE, env=environment, check=False, timeout=60
        )
    assert (result.returncode, result.stderr.count(b"\n")) == (1, 1), result.stderr
    assert result.stderr.startswith(b"samplemind: ")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
def test_what_is_full_is_named(sounds: Path, tmp_path: Path) -> None:
    for form in ("table", "json", "jsonl", "csv"):
        arguments = command_line("analyze", sounds, "--level", "basic", "--format", form)
        for target, name in (([], "standard output"), (["-o", "/dev/full"], "/dev/full")):
            with open("/dev/full", "wb") as full:
                command = [*arguments, *target]
                result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
            *others, last = result.stderr.decode().splitlines()
            assert last == f"samplemind: [Errno 28] No space left on device: '{name}'"
            assert all("broken.wav" in line for line in others)
            assert result.returncode == 1
    target = tmp_path / "out.json"
    command = [sys.executable, "-c", SMALL, "analyze", sounds, "--format", "json", "--no-cache", "-o", target]
    result = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert result.stderr.decode().splitlines()[-1] == f"samplemind: [Errno 27] File too large: '{target}'"
    assert [path.name for path in tmp_path.iterdir()] == ["sounds"]


SMALL = """
import resource
from samplemind.__main__ import main

resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
main()
"""
"""The command, where no file has room for more than one answer."""


@pytest.mark.skipif(os.name == "nt", reason="has no such shell")
def test_nothing_is_wrong_with_a_closed_output() -> None:
    closing = ["sh", "-c", '"$@" >&-', "sh", *command_line("--version")]
    result = subprocess.run(closing, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (0, b"")


def on_a_terminal(*arguments: object, stdout: bool = True, **environment: str) -> tuple[str, bytes]:
    """Run a command on a terminal of 80 columns: what appears there; and its standard output, if that is elsewhere."""
    import pty
    import termios

    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with subprocess.Popen(
        command_line(*arguments),
        stdin=terminal,
        stdout=terminal if stdout else subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environment},
    ) as running:
        os.close(terminal)
        shown = b""
        while select.select([master], [], [], 60)[0]:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # the last one closed it
                break
            if not chunk:
                break
            shown += chunk
        elsewhere = running.stdout.read() if running.stdout else b""
    os.close(master)
    return shown.decode().replace("\r\n", "\n"), elsewhere


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_colours_and_a_bar_only_where_they_belong(sounds: Path, tone: Path) -> None:
    shown, _ = on_a_terminal("analyze", tone)
    assert "\x1b[" in shown
    plain, _ = on_a_terminal("analyze", tone, NO_COLOR="1")
    assert "\x1b" not in plain
    assert CODES.sub("", shown) == plain
    assert max(map(len, plain.splitlines())) <= 80

    bar, data = on_a_terminal("analyze", sounds, "--format", "jsonl", stdout=False)
    assert len(data.splitlines()) == 6
    assert b"\x1b" not in data
    assert "6/6" in bar
    assert "samplemind: 5 files analysed, 1 failed\n" in bar
    assert f"samplemind: {sounds / 'broken.wav'}: " in CODES.sub("", bar).replace("\n", "")

    rows, _ = on_a_terminal("analyze", sounds)
    assert "6/6" in rows
    assert "samplemind: 5 files analysed, 1 failed\n" in rows
    whole = [CODES.sub("", line) for line in rows.splitlines()]
    table = [line for line in whole if line.startswith(("kind ", "one-shot ", "loop "))]
    assert len(table) == 6
    assert all(len(line) <= 80 for line in table)


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes like these")
def test_a_list_is_read_as_it_comes(sounds: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "list"
    os.mkfifo(pipe)
    tones = sorted(sounds.glob("*.wav")) + sorted(sounds.glob("more/*"))
    command = command_line("analyze", "--files-from", pipe, "--format", "jsonl", "--level", "basic")
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running,
        pipe.open("w") as written,
    ):
        assert running.stdout is not None
        answers = []
        for some in (tones[:1], tones[1:]):  # who is alone is not made to wait for others
            written.write("".join(f"{path}\n" for path in some))
            written.flush()
            answers += [json.loads(running.stdout.readline())["path"] for _ in some]
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
    assert sorted(answers) == sorted(map(str, tones))
    assert running.returncode == 130
    assert errors.decode().splitlines()[-1] == (
        "samplemind: interrupted: 4 files analysed, 1 failed, 0 not done of those found so far"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_a_bar_while_shards_are_written(sounds: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pip install 'samplemind[parquet]'")
    bar, data = on_a_terminal("analyze", sounds, "-o", f"{tmp_path}/out/", "-j", "2", stdout=False)
    assert "6/6" in bar
    assert "1 failed" in bar
    assert data == b"6 files: 5 analysed, 1 failed\n"
