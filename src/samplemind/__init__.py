"""samplemind understands sound files.

    file ─▶ identity ─▶ cache ──hit──────────────────────────────┐
                          │miss                                  ▼
                          └▶ decode (blocks) ─▶ feature graph ─▶ AudioFeatures

In three lines::

    import samplemind

    features = samplemind.analyze("loop.wav")
    print(features.tempo_bpm, features.key, features.mode)

Names are imported when they are first used, so that ``import samplemind`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from samplemind.version import __version__

if TYPE_CHECKING:
    from samplemind.cache import FeatureCache
    from samplemind.engine import AudioEngine, analyze
    from samplemind.errors import AnalysisError, SampleMindError
    from samplemind.features.levels import AnalysisLevel
    from samplemind.graph import Unknown
    from samplemind.library.library import Library
    from samplemind.result import AudioFeatures
    from samplemind.separation import separate, separate_to

__all__ = [
    "AnalysisError",
    "AnalysisLevel",
    "AudioEngine",
    "AudioFeatures",
    "FeatureCache",
    "Library",
    "SampleMindError",
    "Unknown",
    "__version__",
    "analyze",
    "separate",
    "separate_to",
]

_HOME = {
    "AnalysisError": "samplemind.errors",
    "AnalysisLevel": "samplemind.features.levels",
    "AudioEngine": "samplemind.engine",
    "AudioFeatures": "samplemind.result",
    "FeatureCache": "samplemind.cache",
    "Library": "samplemind.library.library",
    "SampleMindError": "samplemind.errors",
    "Unknown": "samplemind.graph",
    "analyze": "samplemind.engine",
    "separate": "samplemind.separation",
    "separate_to": "samplemind.separation",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
