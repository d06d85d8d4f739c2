"""How long analyses and separation take, beside every peer that is installed.

    python -m benchmarks.speed [--rows detailed,one-shots] [--seconds 180] [--one-shots 1000] [--pairs 5]

One process, one thread each, decoding included, no cache; the two take turns. The rows are Markdown.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import benchmarks.one_thread  # noqa: F401 (before NumPy)
from benchmarks.paired import against, as_ratio, as_time, machine, row, table, timing
from benchmarks.peers import (
    AUBIO,
    ESSENTIA,
    LIBROSA_DETAILED,
    LIBROSA_STANDARD,
    PACKAGES,
    SONARA_COMPACT,
    SONARA_FULL,
    SONARA_PLAYLIST,
    Peer,
    separated_by_librosa,
)
from benchmarks.sounds import write_mixed, write_one_shots, write_track
from samplemind import AudioEngine, separate_to

Goals = Iterable[tuple[Peer, float | None]]

DETAILED: Final = ((SONARA_FULL, 0.30), (LIBROSA_DETAILED, 1 / 60), (ESSENTIA, None))
STANDARD: Final = ((SONARA_PLAYLIST, 0.40), (LIBROSA_STANDARD, None))
STANDARD_ENCODED: Final = ((SONARA_PLAYLIST, 0.60), (LIBROSA_STANDARD, None))
"""Decoding, which is much of it, takes everybody the same."""
BASIC: Final = ((SONARA_COMPACT, 0.60), (AUBIO, None))
ONE_SHOTS: Final = ((SONARA_PLAYLIST, 1.0),)
SEPARATION: Final = 1 / 40
SHORTEST_S, LONGEST_S = 0.2, 0.8
"""Of one-shots."""


@dataclass(frozen=True)
class Comparison:
    """One row: two ways to do some work, and the most that ours / theirs should be."""

    work: str
    ours: Callable[[], object]
    peer: str
    theirs: Callable[[], object]
    goal: float | None


@dataclass(frozen=True)
class Bench:
    """What the rows are made with."""

    folder: Path
    engine: AudioEngine
    seconds: float
    one_shots: int

    def track(self, suffix: str, share: float = 1.0) -> Path:
        """A track of a share of the seconds."""
        path = self.folder / f"{share * self.seconds:g}.{suffix}"
        if not path.exists():
            write_track(path, share * self.seconds)
        return path

    def analyses(self, work: str, level: str, paths: Sequence[Path], goals: Goals) -> Iterator[Comparison]:
        """Analyses of files, one after the other, beside the installed ones of some peers."""
        for peer, goal in goals:
            if not peer.installed:
                continue
            some = [path for path in paths if path.suffix not in peer.unreadable]
            title = work if len(some) == len(paths) else f"{work}, the {len(some)} that it reads"
            ours = functools.partial(self.engine.analyze_audio, level=level)
            yield Comparison(
                title,
                functools.partial(_each, ours, some),
                peer.name,
                functools.partial(_each, peer.analyze, some),
                goal,
            )


def _each(action: Callable[[Path], object], paths: Iterable[Path]) -> None:
    for path in paths:
        action(path)


def detailed(bench: Bench) -> Iterator[Comparison]:
    """DETAILED of a track, of a third and of an eighteenth of it."""
    for share in (1, 1 / 3, 1 / 18):
        work = f"DETAILED, {share * bench.seconds:.3g} s, stereo WAV"
        yield from bench.analyses(work, "detailed", [bench.track("wav", share)], DETAILED)


def mixed(bench: Bench) -> Iterator[Comparison]:
    """DETAILED of files of many lengths and formats."""
    paths = write_mixed(bench.folder, bench.seconds)
    yield from bench.analyses("DETAILED, ten files of five formats", "detailed", paths, DETAILED)


def standard(bench: Bench) -> Iterator[Comparison]:
    """STANDARD of a track in three formats."""
    for suffix, goals in (("wav", STANDARD), ("flac", STANDARD_ENCODED), ("mp3", STANDARD_ENCODED)):
        work = f"STANDARD, {bench.seconds:g} s, stereo {suffix.upper()}"
        yield from bench.analyses(work, "standard", [bench.track(suffix)], goals)


def basic(bench: Bench) -> Iterator[Comparison]:
    """BASIC of a track."""
    yield from bench.analyses(f"BASIC, {bench.seconds:g} s, stereo WAV", "basic", [bench.track("wav")], BASIC)


def one_shots(bench: Bench) -> Iterator[Comparison]:
    """STANDARD of many short files."""
    folder = bench.folder / "one-shots"
    folder.mkdir()
    paths = list(map(Path, write_one_shots(folder, bench.one_shots, SHORTEST_S, LONGEST_S)))
    work = f"STANDARD, {bench.one_shots:,} one-shots of {SHORTEST_S} to {LONGEST_S} s"
    yield from bench.analyses(work, "standard", paths, ONE_SHOTS)


def separate(bench: Bench) -> Iterator[Comparison]:
    """Separation of a track into two files."""
    if LIBROSA_STANDARD.installed:
        path = bench.track("wav")
        yield Comparison(
            f"separate {bench.seconds:g} s, stereo WAV, to two files",
            functools.partial(separate_to, path, bench.folder),
            "librosa",
            functools.partial(separated_by_librosa, path, bench.folder),
            SEPARATION,
        )


ROWS: Final[Mapping[str, Callable[[Bench], Iterator[Comparison]]]] = {
    "detailed": detailed,
    "mixed": mixed,
    "standard": standard,
    "basic": basic,
    "one-shots": one_shots,
    "separate": separate,
}


def main() -> None:
    """Print the rows that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="some of these, with commas between: %(default)s")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--one-shots", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    names = arguments.rows.split(",")
    if not ROWS.keys() >= set(names):
        parser.error(f"rows are {', '.join(ROWS)}")
    machine("numpy", "scipy", "numba", *PACKAGES)
    table("work", "samplemind", "peer", "takes", "ratio", "at most", "met")
    with tempfile.TemporaryDirectory() as name, AudioEngine(cache=None) as engine:
        bench = Bench(Path(name), engine, arguments.seconds, arguments.one_shots)
        for each in names:
            for comparison in ROWS[each](bench):
                found = timing(comparison.ours, comparison.theirs, pairs=arguments.pairs)
                row(
                    comparison.work,
                    as_time(found.ours_s),
                    comparison.peer,
                    as_time(found.theirs_s),
                    as_ratio(found.ratio),
                    *against(comparison.goal, found.ratio, shown=as_ratio),
                )


if __name__ == "__main__":
    main()
