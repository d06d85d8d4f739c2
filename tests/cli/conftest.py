"""Running the command, within this process and as one of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner, Result

from samplemind.cli import app
from tests.signals import SAMPLE_RATE, clicks, sine

Invoke = Callable[..., Result]
Process = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let children be interrupted, also where the tests run in the background, where interrupts are ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def invoke() -> Invoke:
    """Run a command line in this process; standard output and error come apart."""

    def run(*arguments: object, stdin: bytes = b"") -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def command_line(*arguments: object) -> list[str]:
    """The command as a process of its own."""
    return [sys.executable, "-m", "samplemind", *map(str, arguments)]


@pytest.fixture
def process() -> Process:
    """Run a command line as a process of its own, in bytes."""

    def run(*arguments: object, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command_line(*arguments),
            input=stdin,
            capture_output=True,
            env={**os.environ, **environment},
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """A folder of five sounds and one file that is none."""
    folder = tmp_path / "sounds"
    (folder / "more").mkdir(parents=True)
    soundfile.write(folder / "a tone.wav", sine(440, 1.0), SAMPLE_RATE)
    soundfile.write(folder / "b clicks.flac", clicks(120, 4.0), SAMPLE_RATE)
    soundfile.write(folder / "c short.wav", sine(220, 0.3), SAMPLE_RATE)
    soundfile.write(folder / "more" / "d loud.WAV", sine(330, 0.5, amplitude=0.9), SAMPLE_RATE)
    soundfile.write(folder / "more" / "e noise.aiff", sine(1000, 0.4, amplitude=0.1), SAMPLE_RATE)
    (folder / "broken.wav").write_text("this is no audio")
    (folder / "notes.txt").write_text("this is not even named like audio")
    return folder


@pytest.fixture
def tone(sounds: Path) -> Path:
    """One sound: 440 Hz for a second."""
    return sounds / "a tone.wav"
