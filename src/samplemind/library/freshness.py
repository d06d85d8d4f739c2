"""Whether what is recorded would come out the same today."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from samplemind.audio import Limits
from samplemind.errors import LevelUnavailableError
from samplemind.features import feature_graph
from samplemind.features.levels import AnalysisLevel, outputs_of
from samplemind.library.groups import groups
from samplemind.library.model import Analysis
from samplemind.version import __version__


def conditions(limits: Limits) -> str:
    """What it depends on, beside the file, that it has no answer: this version, its decoders and the user's limits."""
    return _hashed([__version__, *_decoders(), str(limits)])


def fingerprints(level: AnalysisLevel) -> dict[AnalysisLevel, str]:
    """For a level and those above it: what its answers depend on, but for the files."""
    found = {}
    for each in AnalysisLevel:
        if level in each.included:
            with contextlib.suppress(LevelUnavailableError):
                found[each] = _fingerprint(each)
    return found


def fresh(session: Session, audio_ids: Iterable[int], today: Mapping[AnalysisLevel, str]) -> Collection[int]:
    """Those of some entries that have an analysis of today's fingerprint, at a level that has one."""
    found: set[int] = set()
    same = or_(*((Analysis.level == level) & (Analysis.fingerprint == each) for level, each in today.items()))
    for some in groups(sorted(set(audio_ids))):
        found.update(session.scalars(select(Analysis.audio_id).where(Analysis.audio_id.in_(some), same)))
    return found


@functools.cache
def _fingerprint(level: AnalysisLevel) -> str:
    prints = feature_graph().fingerprints
    return _hashed([*(prints[node] for nodes in outputs_of(level).values() for node in nodes), *_decoders()])


def _decoders() -> list[str]:
    """The libraries that decode: another version may decode to other samples, or what this one can't."""
    found = []
    for package in ("av", "soundfile"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return found


def _hashed(parts: list[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
