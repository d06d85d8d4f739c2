"""``samplemind doctor``: whether all is in place, and what is missing costs."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from samplemind.cli.cache import opened, require_writable
from samplemind.cli.terminal import FAILED, complain, printable, style_of
from samplemind.errors import SettingsError
from samplemind.version import __version__

if TYPE_CHECKING:
    from samplemind.settings import Settings

State = Literal["good", "lacking", "broken", "fact"]

_OLDEST_PYTHON: Final = (3, 11)
_NEEDED: Final = ("numpy", "scipy", "numba", "soxr", "blake3", "safetensors", "platformdirs", "psutil")
_DECODERS: Final = {
    "soundfile": "FLAC, AIFF, CAF and Ogg are then decoded by av alone",
    "av": "M4A, AAC, ALAC, WMA, WavPack, APE, MPC, TTA, DSF, AC-3, coded WAV and the sound of films can't be read",
}
"""Libraries that decode, and what the absence of each costs. WAV needs none."""
_OPTIONAL: Final = {"rich": "no progress bar"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    text: str
    state: State = "good"


def doctor(
    *,
    warm: Annotated[
        bool, typer.Option("--warm", help="Also compile what the first analysis would wait for, once.")
    ] = False,
) -> None:
    """Check the installation: libraries, decoders, cache, settings.

    Exit status: 0 if files can be analysed, 1 if something needed is broken.
    """
    style = style_of(sys.stdout)
    marks = {"good": style.good("✓"), "lacking": style.mark("!"), "broken": style.bad("✗"), "fact": " "}
    broken = 0
    print(style.bold(f"samplemind {__version__}"))
    for title, findings in (
        ("", _system()),
        ("libraries", _libraries()),
        ("decoders", _decoders()),
        ("cache", _cache()),
        ("settings", _settings()),
        *([("machine code", _machine_code())] if warm else []),
    ):
        if title:
            print(f"\n{style.bold(title)}")
        for finding in findings:
            print(f"{marks[finding.state]} {finding.name:16} {printable(finding.text)}".rstrip())
            broken += finding.state == "broken"
    print(f"\n{style.bad(f'{broken} broken') if broken else style.good('All that is needed works.')}")
    if broken:
        raise typer.Exit(FAILED)


def _system() -> Iterator[Finding]:
    oldest = ".".join(map(str, _OLDEST_PYTHON))
    if sys.version_info < _OLDEST_PYTHON:
        yield Finding("python", f"{platform.python_version()} is too old: {oldest} or newer is needed", "broken")
    else:
        yield Finding("python", f"{platform.python_version()}, {sys.executable}")
    yield Finding("platform", f"{platform.platform()}, {os.cpu_count()} processors")


def _libraries() -> Iterator[Finding]:
    for name in _NEEDED:
        yield _library(name, "needed", "broken")
    for name, cost in _OPTIONAL.items():
        yield _library(name, cost, "lacking")


def _decoders() -> Iterator[Finding]:
    findings = [_library(name, cost, "lacking") for name, cost in _DECODERS.items()]
    if all(finding.state == "lacking" for finding in findings):
        findings = [dataclasses.replace(finding, state="broken") for finding in findings]
    yield from findings


def _library(name: str, cost: str, state: State) -> Finding:
    """Import it: an installed library may still be unable to load."""
    import importlib.metadata

    try:
        module = importlib.import_module(name)
        version = importlib.metadata.version(name)
    except (ImportError, OSError) as error:
        return Finding(name, f"{error}: {cost}", state)
    built_in = getattr(module, "__libsndfile_version__", None) or getattr(module, "ffmpeg_version_info", None)
    return Finding(name, f"{version} ({built_in})" if built_in else version)


def _cache() -> Iterator[Finding]:
    try:
        settings = _loaded()
    except SettingsError:
        return  # told below
    folder = settings.cache_folder
    try:
        require_writable(folder)
        with opened() as kept:
            kept.tier.state()
    except OSError as error:
        yield Finding("folder", f"{error}; nothing will be remembered", "lacking")
    else:
        yield Finding("folder", f"{folder}, writable" if folder.exists() else f"{folder}, not made yet")


def _machine_code() -> Iterator[Finding]:
    """Compile every kernel of every level, or load what is compiled already."""
    from samplemind.dsp.compiled import before_compiling, machine_code
    from samplemind.features.levels import ADDED

    before_compiling(lambda: complain("compiling for this machine, once: it takes some seconds"))
    started = time.perf_counter()
    try:
        from samplemind.warmup import warm_up

        warm_up(list(ADDED)[-1])  # it includes all levels below
    except ImportError as error:
        yield Finding("kernels", str(error), "broken")
        return
    took_s = time.perf_counter() - started
    code = machine_code()
    if code.compiled:
        yield Finding("kernels", f"{code.compiled} compiled in {took_s:.1f} s, {code.loaded} were there")
    else:
        yield Finding("kernels", f"all {code.loaded} were there, loaded in {took_s:.1f} s")
    for folder in code.folders:
        yield Finding("folder", folder, "fact")
    if not code.folders:
        yield Finding("folder", "none can be written: every process compiles anew; set NUMBA_CACHE_DIR", "lacking")


def _settings() -> Iterator[Finding]:
    try:
        settings = _loaded()
    except SettingsError as error:
        yield Finding("", str(error), "broken")
        return
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value is not None:
            text = f"{value:,}" if isinstance(value, int | float) else str(value)
            if field.name == "redis_url":
                from samplemind.cache.redis import shown

                text = shown(text)
            yield Finding(field.name, text + ("" if value != field.default else ", the default"), "fact")


def _loaded() -> Settings:
    from samplemind.settings import load_settings

    return load_settings()
