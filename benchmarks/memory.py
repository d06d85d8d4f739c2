"""Peak memory of a process that analyses a long file, against one that analyses a file a sixth as long.

    python benchmarks/memory.py [--minutes 60] [--level detailed]

Linux and macOS: the figures are the kernel's peak resident set sizes of whole processes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.paired import heading
from samplemind.demo import drum_loop


def write_long(path: Path, minutes: float) -> None:
    """A stereo WAV of drums under noise, written a minute at a time."""
    generator = np.random.default_rng(0)
    frames = round(min(minutes, 1) * 60 * 44_100)
    drums = np.resize(drum_loop(), frames)[:, None] * 0.5
    with soundfile.SoundFile(path, "w", 44_100, 2, "PCM_16") as file:
        for _ in range(max(1, round(minutes))):
            file.write(drums + generator.standard_normal((frames, 2)) * 0.01)


def peak_megabytes(*arguments: str) -> float:
    """Peak resident set size of ``samplemind`` with these arguments."""
    process = subprocess.Popen([sys.executable, "-m", "samplemind", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"samplemind ended with {process.returncode}")
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Compare a file with one a sixth as long, and with none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--level", default="detailed")
    arguments = parser.parse_args()
    heading("longer", "shorter", "numpy", "scipy", "numba")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.wav"
        peaks = []
        for minutes in (arguments.minutes, arguments.minutes / 6):
            write_long(path, minutes)
            peaks.append(peak_megabytes("analyze", "--no-cache", "--level", arguments.level, str(path)))
        long, short = peaks
        name = f"peak memory, {arguments.level}, {arguments.minutes:g} against {arguments.minutes / 6:g} min"
        print(f"{name:<44} {long:10.1f} MB {short:10.1f} MB   {long / short:8.4f} = 1/{short / long:.1f}")


if __name__ == "__main__":
    main()
