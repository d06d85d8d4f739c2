"""Where the sound of a QuickTime or MP4 file lies: in the file itself, or in another one that it names."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

_MEDIA: Final = (b"moov", b"trak", b"mdia")
_REFERENCES: Final = (b"minf", b"dinf", b"dref")
_MOST_BOXES: Final = 10_000
"""Boxes that are looked through on each level; real files have a few dozen."""
_SELF_CONTAINED: Final = 1
"""The flag of a data reference that names no other file."""
_EMPTY_REFERENCE: Final = 4
"""Bytes of a data reference that has version and flags and names nothing, whatever its flag says."""


def sound_lies_elsewhere(file: BinaryIO, start: int) -> bool:
    """Tell whether a sound track refers to another file; the file stays where it is.

    FFmpeg opens no such file, but takes this one's bytes for its samples.
    ISO/IEC 14496-12, 8.7.2; Apple, QuickTime File Format Specification, data reference atoms.

    Args:
        file: a QuickTime or MP4 file.
        start: where it begins, behind any ID3v2 tags.
    """
    position = file.tell()
    end = file.seek(0, 2)
    found = any(_is_sound(file, media) and _has_reference(file, media) for media in _boxes(file, (start, end), _MEDIA))
    file.seek(position)
    return found


def _is_sound(file: BinaryIO, media: tuple[int, int]) -> bool:
    return any(_read(file, start + 8, 4) == b"soun" for start, _ in _boxes(file, media, (b"hdlr",)))


def _has_reference(file: BinaryIO, media: tuple[int, int]) -> bool:
    for start, end in _boxes(file, media, _REFERENCES):
        for entry, entry_end in _boxes(file, (start + 8, end), (None,)):
            flags = _read(file, entry, 4)[3:]
            if flags and not flags[0] & _SELF_CONTAINED and entry_end - entry > _EMPTY_REFERENCE:
                return True
    return False


def _boxes(file: BinaryIO, span: tuple[int, int], path: tuple[bytes | None, ...]) -> Iterator[tuple[int, int]]:
    """Yield where the bodies of all boxes at a path of names start and end; None is any name."""
    start, end = span
    for _ in range(_MOST_BOXES):
        head = _read(file, start, 16)
        if start + 8 > end or len(head) < 8:
            return
        size, name = struct.unpack_from(">I4s", head)
        body = start + 8
        if size == 1:
            size, body = int.from_bytes(head[8:], "big"), start + 16
        elif size == 0:  # to the end
            size = end - start
        if start + size < body:
            return
        inner = (body, min(start + size, end))
        if path[0] in (name, None):
            if path[1:]:
                yield from _boxes(file, inner, path[1:])
            else:
                yield inner
        start += size


def _read(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
