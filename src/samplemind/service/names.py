"""Names of uploads: whatever a client calls a file becomes one harmless name, readable as text."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LONGEST_BYTES: Final = 120
"""In UTF-8; file systems take 255, and a temporary name needs some of them."""
_KEPT: Final = frozenset(" -_.,;#()[]{}+&=@!'~^%$")
"""Beside letters, their marks and digits. Nothing that separates folders, drives, streams or patterns."""
_DEVICE: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)")
"""Names that Windows takes for devices, whatever follows the dot."""


def safe_name(name: str | None) -> str:
    """A file's name from whatever a client sent: its last part, without what any system gives a meaning.

    Examples:
        >>> safe_name("../../etc/passwd"), safe_name("Kick 01.wav"), safe_name("NUL.wav"), safe_name("..")
        ('passwd', 'Kick 01.wav', '_NUL.wav', 'audio')
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name or ""))[-1]
    kept = "".join(each if _is_kept(each) else "_" for each in last).strip(" .").lstrip("-~")
    stem, dot, ending = kept.rpartition(".")
    if not dot or len(ending) > 10:
        stem, dot, ending = kept, "", ""
    room = LONGEST_BYTES - len(f"{dot}{ending}".encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .")
    whole = f"{stem}{dot}{ending}"
    if not any(map(str.isalnum, whole)):
        return "audio"
    return f"_{whole}" if _DEVICE.match(whole) else whole


def _is_kept(character: str) -> bool:
    return character in _KEPT or unicodedata.category(character)[0] in "LNM"
