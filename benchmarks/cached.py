"""What the cache and its keys cost: a second pass against a first, BLAKE3 against SHA-256.

python benchmarks/cached.py [--seconds 180] [--pairs 5]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.against_librosa import write_track
from benchmarks.paired import compare, heading
from samplemind import AudioEngine, FeatureCache
from samplemind.audio import array_digest, file_digest


def main() -> None:
    """Compare hits with misses, and digests with the predecessor's way to hash everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    heading("A", "B", "blake3")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        track = folder / "track.wav"
        write_track(track, arguments.seconds)
        settled = time.time() - 10
        os.utime(track, (settled, settled))
        time.sleep(2.1)  # a change time can't be set
        cached = AudioEngine(cache=FeatureCache.at(folder / "cache"))
        uncached = AudioEngine(cache=None)
        pairs = arguments.pairs

        def from_disk() -> object:
            with AudioEngine(cache=FeatureCache.at(folder / "cache")) as engine:
                return engine.analyze_audio(track)

        compare(
            "hit in memory / miss",
            lambda: cached.analyze_audio(track),
            lambda: uncached.analyze_audio(track),
            pairs=pairs,
        )
        compare("hit on disk / miss", from_disk, lambda: uncached.analyze_audio(track), pairs=pairs)
        samples = np.random.default_rng(0).standard_normal(8_000_000).astype(np.float32)

        def digest() -> str:
            return hashlib.sha256(samples.tobytes()).hexdigest()

        compare(
            "digest of a 32 MB array / SHA-256 of a copy", lambda: array_digest(samples, 44_100), digest, pairs=pairs
        )
        whole = folder / "samples"
        whole.write_bytes(samples.tobytes())
        compare("digest of a 32 MB file / SHA-256 of a copy", lambda: file_digest(whole), digest, pairs=pairs)
        cached.close()


if __name__ == "__main__":
    main()
