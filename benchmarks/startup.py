"""How long whole processes take: the command line beside Python with the same imports, and the first run of all.

    python -m benchmarks.startup [--pairs 11] [--no-first]

A cache hit is an answer that another process has put on disk. The first run compiles every kernel; its machine code
goes into a folder made for it, so that none is loaded which lies beside the package. The next process finds it there.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import benchmarks.one_thread  # noqa: F401 (before NumPy)
from benchmarks.paired import against, as_ratio, as_time, machine, row, seconds, table, timing
from benchmarks.sounds import write_track

OVER_PYTHON: Final = 1.3
FIRST_S, LOADED_S = 25.0, 1.0
_SETTLED_S: Final = 2.1
"""Until then nobody knows whether a file will change again, and its content is read."""
_LOADED: Final = """
import sys, time
from samplemind import AudioEngine
with AudioEngine(cache=None) as engine:
    times = []
    for _ in range(2):
        started = time.perf_counter()
        engine.analyze_audio(sys.argv[1], level="detailed")
        times.append(time.perf_counter() - started)
print(times[0] - times[1])
"""
"""What a process's first analysis takes more than its second: libraries and machine code are loaded."""


def command() -> list[str]:
    """``samplemind`` as users start it, where it is installed beside this Python."""
    script = shutil.which("samplemind", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "samplemind"]


def output_of(arguments: list[str], environment: Mapping[str, str]) -> str:
    """Run a process to its end; what it printed."""
    return subprocess.run(arguments, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def beside_python(path: Path, environment: Mapping[str, str], pairs: int) -> None:
    """Rows of the command line against imports alone."""
    output_of([*command(), "analyze", str(path)], environment)  # into the cache
    for work, ours, program in (
        ("`samplemind --version`", [*command(), "--version"], "import typer"),
        ("`samplemind analyze FILE`, in the cache", [*command(), "analyze", str(path)], "import typer, numpy"),
    ):
        bare = [sys.executable, "-c", program]
        found = timing(
            functools.partial(output_of, ours, environment),
            functools.partial(output_of, bare, environment),
            pairs=pairs,
        )
        goal = against(OVER_PYTHON, found.ratio, shown=as_ratio)
        peer = f"`python -c '{program}'`"
        row(work, as_time(found.ours_s), peer, as_time(found.theirs_s), as_ratio(found.ratio), *goal)


def first_run(path: Path, environment: Mapping[str, str]) -> None:
    """Rows of the first analysis after an installation, and of what the next process loads."""
    with tempfile.TemporaryDirectory() as kernels:
        apart = {**environment, "NUMBA_CACHE_DIR": kernels}
        arguments = [*command(), "analyze", "--no-cache", "--level", "detailed", str(path)]
        first, following = (seconds(functools.partial(output_of, arguments, apart)) for _ in range(2))
        if not any(Path(kernels).rglob("*.nbi")):
            raise SystemExit("no machine code was kept")
        loading = float(output_of([sys.executable, "-c", _LOADED, str(path)], apart))
    row("first DETAILED after an installation", as_time(first), *["–"] * 3, *against(FIRST_S, first, shown=as_time))
    row("the same in the next process", as_time(following), *["–"] * 5)
    row("of it, to load", as_time(loading), *["–"] * 3, *against(LOADED_S, loading, shown=as_time))


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--no-first", action="store_true", help="don't compile everything, which takes half a minute")
    arguments = parser.parse_args()
    machine("numpy", "numba", "typer")
    table("whole process", "samplemind", "peer", "takes", "ratio", "at most", "met")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sound.wav"
        write_track(path, 5)
        settled = time.time() - 10
        os.utime(path, (settled, settled))
        time.sleep(_SETTLED_S)  # a change time can't be set
        environment = {**os.environ, "SAMPLEMIND_CACHE_DIR": str(Path(name) / "cache")}
        # As after an installation: modules are not compiled at every start, whatever the user's shell says.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = str(Path(name) / "bytecode")
        beside_python(path, environment, arguments.pairs)
        if not arguments.no_first:
            first_run(path, environment)


if __name__ == "__main__":
    main()
