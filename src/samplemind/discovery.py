"""Which files are meant: arguments and lists become paths, folders the audio files in them."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from samplemind.errors import FileAccessError, OutsideRootsError
from samplemind.workers.remote import is_folder, is_url, urls_below

AUDIO_SUFFIXES: Final = (
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".caf", ".au", ".snd", ".voc"),
    *(".flac", ".alac", ".ape", ".wv", ".tta", ".tak", ".dsf", ".dff"),
    *(".mp3", ".mp2", ".mp1", ".m4a", ".m4b", ".aac", ".ogg", ".oga", ".opus", ".spx", ".wma", ".asf", ".mpc", ".amr"),
    *(".ac3", ".eac3", ".dts", ".mka"),
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".3gp", ".ts"),
)
"""Names of audio files, and of films with sound, end like this, in capitals or not. Only folders are filtered by it."""


def audio_files(
    arguments: Iterable[str], *, follow: Callable[[str], bool] = lambda link: True
) -> Iterator[str | FileAccessError]:
    """Walk through files and folders, lazily and in order.

    A path that is not a folder is given as it stands, whatever its name and whether it exists or not. A folder gives
    its audio files (told by `AUDIO_SUFFIXES`) and those of the folders in it, sorted by name. Names that start with a
    dot are skipped. Links are followed, but no folder is entered twice. A URL is a folder if it ends with a slash, or
    the file system behind it says so; a page is none.

    Args:
        arguments: paths and URLs.
        follow: whether a folder may be entered, or a link to a file followed, that was met in a folder.

    Yields:
        Paths; and an error for each folder that can't be read, and each link to audio or a folder that may not be
        followed.
    """
    entered: set[tuple[int, int]] = set()
    for argument in arguments:
        if is_url(argument):
            yield from _remote(argument)
        elif os.path.isdir(argument):
            yield from _walk(argument, entered, follow)
        else:
            yield argument


def _remote(url: str) -> Iterator[str | FileAccessError]:
    try:
        folder = is_folder(url, AUDIO_SUFFIXES)
    except FileAccessError as error:
        yield error
        return
    yield from urls_below(url, AUDIO_SUFFIXES) if folder else [url]


def _walk(folder: str, entered: set[tuple[int, int]], follow: Callable[[str], bool]) -> Iterator[str | FileAccessError]:
    waiting = _entries(folder, entered)  # the next one last; folders may be nested deeper than calls can be
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, FileAccessError):
            yield entry
            continue
        is_folder = _is_folder(entry)
        if not is_folder and not entry.name.lower().endswith(AUDIO_SUFFIXES):
            continue
        if (is_folder or entry.is_symlink()) and not follow(entry.path):
            yield OutsideRootsError(entry.path, "it is a link that leads out of the folders that may be scanned")
        elif is_folder:
            waiting += _entries(entry.path, entered)
        else:
            yield entry.path


def _entries(folder: str, entered: set[tuple[int, int]]) -> list[os.DirEntry[str] | FileAccessError]:
    """What is in a folder that was not entered before, sorted backwards by name; an error if it can't be read."""
    try:
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in entered:
            return []
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as scan:
            shown = (entry for entry in scan if not entry.name.startswith("."))
            return [*sorted(shown, key=lambda entry: entry.name, reverse=True)]
    except OSError as error:
        return [FileAccessError(folder, f"the folder can't be read: {error.strerror}")]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle
        return False


def listed(pieces: Iterable[bytes]) -> Iterator[str]:
    """The paths in a list, as it comes in: one a line, or ended by NUL bytes as ``find -print0`` writes them.

    Windows puts a byte order mark before UTF-8, which belongs to no name. What ends the first path ends all, but for a
    name with a line feed in it that comes in one piece with its NUL.

    Args:
        pieces: the list's bytes.
    """
    separator, rest = b"", b""
    for piece in pieces:
        rest += piece
        if not separator:
            rest = rest.removeprefix(codecs.BOM_UTF8)
            separator = next((each for each in (b"\0", b"\n") if each in rest), b"")
        if separator:
            *whole, rest = rest.split(separator)
            yield from _paths(whole, separator)
    yield from _paths([rest], separator)


def _paths(names: Iterable[bytes], separator: bytes) -> Iterator[str]:
    for name in names:
        path = name if separator == b"\0" else name.removesuffix(b"\r")
        if path:
            yield os.fsdecode(path)
