"""What a terminal can show: its width, its colours, and names that must not command it."""

from __future__ import annotations

import functools
import io
import os
import shutil
import sys
import unicodedata
from pathlib import Path
from typing import Final, TextIO

FAILED: Final = 1
"""Some of what was asked for could not be done."""
USAGE: Final = 2
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
"""What a shell reports for programs whose reader went away."""
TERMINATED: Final = 143

_NARROWEST: Final = 60
_WIDEST: Final = 100
"""Reports are no wider than this: longer lines are hard to read."""
_JOINERS: Final = "\u200c\u200d"
"""Zero-width non-joiner and joiner: Persian and emoji are written with them."""
_EMOJI_SELECTOR: Final = "\ufe0f"


def prepare_streams() -> None:
    """Let standard output and error take any name: in UTF-8 off a terminal, and never failing on a character."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # whoever closed it wants to hear nothing
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 (open to the end)
    if isinstance(sys.stdout, io.TextIOWrapper) and isinstance(sys.stdout.buffer, io.RawIOBase):
        # Unbuffered (PYTHONUNBUFFERED), Python loses the rest of what a signal interrupts.
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(sys.stdout.detach()), line_buffering=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def width() -> int:
    """Columns to fill: the terminal's, within reason; 80 where there is none."""
    return min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)


def complain(message: str) -> None:
    """Print one line for a person on standard error."""
    print(f"samplemind: {printable(message)}", file=sys.stderr, flush=True)


def show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning like an error, without the line of code that gave it: in place of `warnings.showwarning`."""
    complain(f"warning: {message}")


def printable(text: str) -> str:
    """The text on one line, with what could command a terminal or hide in it written as an escape.

    Bytes of a file name that are no text (which Python holds as lone surrogates) are shown as ``\\xff``.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs" or character in _JOINERS:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that os.fsdecode could not decode
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def columns(text: str) -> int:
    """Columns that a printable text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if character == _EMOJI_SELECTOR:
        return 1  # the emoji, of which one column is counted, becomes two wide
    if _is_attached(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _is_attached(character: str) -> bool:
    """Whether it is shown as part of the character before it."""
    return (
        unicodedata.category(character) in ("Mn", "Me")
        or character in _JOINERS
        or "\u1160" <= character <= "\u11ff"  # vowels and final consonants of Korean syllables
        or "\ud7b0" <= character <= "\ud7ff"
    )


def fitted(text: str, room: int) -> str:
    """The text in at most `room` columns; of a longer one the end, which tells files apart."""
    if columns(text) <= room:
        return text
    start, left = len(text), room - 1
    while (left := left - _cells(text[start - 1])) >= 0:
        start -= 1
    while start < len(text) and _is_attached(text[start]):
        start += 1
    return f"…{text[start:]}"


class Style:
    """Colours and weights, or nothing at all.

    Args:
        enabled: whether the reader sees them.
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def _wrapped(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.enabled and text else text

    bold = functools.partialmethod(_wrapped, "1")
    dim = functools.partialmethod(_wrapped, "2")
    wave = functools.partialmethod(_wrapped, "36")
    mark = functools.partialmethod(_wrapped, "33")
    good = functools.partialmethod(_wrapped, "32")
    bad = functools.partialmethod(_wrapped, "31")


PLAIN: Final = Style(enabled=False)


def style_of(stream: TextIO) -> Style:
    """Colours if the stream is a terminal that has them and the user did not say no (https://no-color.org)."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if sys.platform == "win32":  # the old console shows escape codes as text
        wanted = wanted and "WT_SESSION" in os.environ
    return Style(enabled=wanted and stream.isatty())
