"""What the cache and its keys cost: a second pass against a first, BLAKE3 against SHA-256.

python -m benchmarks.cached [--seconds 180] [--pairs 5]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.paired import compare, heading
from benchmarks.sounds import write_track
from samplemind import AudioEngine, FeatureCache
from samplemind.audio import array_digest, file_digest, stat_key
from samplemind.pipeline import stat_entry

LENGTHS = (1.0, 0.5, 0.3, 0.3, 0.1, 0.1, 0.05, 0.02, 0.01, 0.005)
"""Of ten files, as shares of the longest: from a track to a one-shot."""


def known_digest(path: Path, engine: AudioEngine) -> bytes | None:
    """The digest of a file that was not touched: a stat and a lookup."""
    if engine.cache is None:
        raise ValueError("the engine has no cache")
    return engine.cache.get(stat_entry(stat_key(path)))


def main() -> None:
    """Compare hits with misses, and digests with the predecessor's way to hash everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    heading("A", "B", "blake3")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tracks = [folder / f"{number}.wav" for number in range(len(LENGTHS))]
        settled = time.time() - 10
        for track, share in zip(tracks, LENGTHS, strict=True):
            write_track(track, arguments.seconds * share)
            os.utime(track, (settled, settled))
        time.sleep(2.1)  # a change time can't be set
        cached = AudioEngine(cache=FeatureCache.at(folder / "cache"))
        uncached = AudioEngine(cache=None)
        pairs = arguments.pairs

        def passed(engine: AudioEngine) -> None:
            for track in tracks:
                engine.analyze_audio(track, level="detailed")

        def from_disk() -> None:
            with AudioEngine(cache=FeatureCache.at(folder / "cache")) as engine:
                passed(engine)

        compare(
            "ten files, detailed: in memory / computed", lambda: passed(cached), lambda: passed(uncached), pairs=pairs
        )
        compare("ten files, detailed: on disk / computed", from_disk, lambda: passed(uncached), pairs=pairs)
        longest = tracks[LENGTHS.index(max(LENGTHS))]

        def whole() -> bytes:
            return hashlib.sha256(np.fromfile(longest, np.uint8).tobytes()).digest()

        def looked_up() -> None:
            for _ in range(1000):
                known_digest(longest, cached)

        compare("1,000 keys of an unchanged file / one SHA-256", looked_up, whole, pairs=pairs)
        samples = np.random.default_rng(0).standard_normal(8_000_000).astype(np.float32)

        def digest() -> str:
            return hashlib.sha256(samples.tobytes()).hexdigest()

        compare(
            "digest of a 32 MB array / SHA-256 of a copy", lambda: array_digest(samples, 44_100), digest, pairs=pairs
        )
        written = folder / "samples"
        written.write_bytes(samples.tobytes())
        compare("digest of a 32 MB file / SHA-256 of a copy", lambda: file_digest(written), digest, pairs=pairs)
        cached.close()


if __name__ == "__main__":
    main()
