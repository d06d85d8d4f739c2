"""Memory that analysing a long file takes, above that of the same process when it has nothing to do.

    python -m benchmarks.memory [--minutes 60] [--level detailed] [--format wav]

A process has imported the engine and analysed a second of sound; then it is idle. What it holds at its peak while it
analyses the long file, and one a sixth as long, is the kernel's own figure. Beside it is what the series take that are
kept as a whole. WAV of more than 4 GiB is RF64: ten hours are 6.4 GB; FLAC takes half of it. Linux and macOS.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from benchmarks.paired import against, machine, row, table
from samplemind.demo import drum_loop
from samplemind.execution import run_graph
from samplemind.features import feature_graph
from samplemind.features.computation import block_frames
from samplemind.features.levels import named_level, outputs_of

ABOVE_IDLE_MB: Final = 300.0
_FRAME_BYTES: Final = 4
_LONGEST_RIFF: Final = 2**32 - 2**16
_MEASURED: Final = """
import gc, resource, sys
from pathlib import Path
import psutil
from samplemind import AudioEngine

short, long, level = sys.argv[1:]
with AudioEngine(cache=None) as engine:
    engine.analyze_audio(short, level=level)
    gc.collect()
    idle = psutil.Process().memory_info().rss
    duration_s = engine.analyze_audio(long, level=level).duration_s
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss begins with what the parent had
    (peak,) = (1024 * int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(idle, peak, duration_s)
"""


def write_long(path: Path, minutes: float) -> None:
    """A stereo file of drums under noise, 16 bits, written a minute at a time."""
    generator = np.random.default_rng(0)
    minute = 60 * 44_100
    left = round(minutes * minute)
    drums = np.resize(drum_loop(), (min(left, minute), 2)).astype(np.float32) * 0.5
    size = left * _FRAME_BYTES
    if shutil.disk_usage(path.parent).free < 1.1 * size:
        raise SystemExit(f"{size / 1e9:.1f} GB of disk are needed")
    form = "RF64" if path.suffix == ".wav" and size > _LONGEST_RIFF else None
    with soundfile.SoundFile(path, "w", 44_100, 2, "PCM_16", format=form) as file:
        while left:
            frames = min(left, minute)
            file.write(drums[:frames] + generator.standard_normal((frames, 2), np.float32) * np.float32(0.01))
            left -= frames


def measured(short: Path, long: Path, level: str) -> tuple[float, float]:
    """Megabytes of a process when it is idle, and at its peak."""
    command = [sys.executable, "-c", _MEASURED, str(short), str(long), level]
    idle, peak, _ = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return int(idle) / 2**20, int(peak) / 2**20


def kept_series(level: str) -> dict[str, float]:
    """Megabytes an hour of the series of a level that are kept as a whole, by name, the largest first."""
    blocks = [np.zeros((block_frames(44_100), 2), np.float32)] * 8
    wanted = [node for nodes in outputs_of(named_level(level)).values() for node in nodes]
    kept = feature_graph().plan(wanted).kept
    inputs = {"sample_rate": 44_100, "mono_channel": None}
    series = run_graph(feature_graph(), kept, blocks=blocks, inputs=inputs).values
    per_hour = 3600 * 44_100 / sum(map(len, blocks)) / 2**20
    return dict(sorted(((name, series[name].nbytes * per_hour) for name in kept), key=lambda item: -item[1]))


def main() -> None:
    """Print a row for each length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--level", default="detailed")
    parser.add_argument("--format", choices=("wav", "flac"), default="wav")
    arguments = parser.parse_args()
    machine("numpy", "scipy", "numba")
    table("work", "idle", "peak", "above idle", "at most", "met")
    above = []
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / "short.wav"
        write_long(short, 1 / 60)
        for minutes in (arguments.minutes / 6, arguments.minutes):
            path = Path(folder) / f"long.{arguments.format}"
            write_long(path, minutes)
            idle, peak = measured(short, path, arguments.level)
            above.append(peak - idle)
            cells = (f"{megabytes:.0f} MB" for megabytes in (idle, peak, peak - idle))
            work = f"{arguments.level.upper()}, {minutes:.3g} min, stereo {arguments.format.upper()}"
            row(work, *cells, *against(ABOVE_IDLE_MB, peak - idle, shown="{:.0f} MB".format))
    more = (above[1] - above[0]) / (arguments.minutes * 5 / 6 / 60)
    kept = kept_series(arguments.level)
    whole = sum(kept.values())
    print(f"\nAn hour more takes {more:.1f} MB more. Series that are kept as a whole are {whole:.1f} MB of it:")
    print(", ".join(f"`{name}` {megabytes:.1f}" for name, megabytes in kept.items()))


if __name__ == "__main__":
    main()
