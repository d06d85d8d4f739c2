"""Files that are elsewhere: what fsspec opens by a URL, be it an object of a store or a page.

    url/<URL, size, version>  ─▶ file digest      true on all machines: it names the content, not a file of one of them

The version is what the server gives to tell contents apart: an entity tag, a generation, a checksum, or else a time of
change that lies back far enough. Without any of them an object is fetched each time, and then known by its content.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from samplemind.errors import AnalysisError, FileAccessError

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""Two letters or more: one alone is a drive of Windows."""
_TAGS: Final = ("VersionId", "ETag", "etag", "generation", "md5Hash", "content_md5", "Content-MD5", "checksum")
"""What file systems call what differs whenever the content does."""
_TIMES: Final = ("LastModified", "last_modified", "Last-Modified", "mtime", "updated", "modified")
_SETTLED_S: Final = 60.0
"""Servers tell times in seconds, and their clocks are not ours: content may change again within the same time."""
_SECRET: Final = re.compile(r"(?i)(sig|token|key|secret|credential|password|passwd|pwd|auth)")
"""What parameters of a URL are called that open doors."""

FAILED: Final = "can't be fetched"
"""What reasons begin with that may be gone at the next try."""
_PAUSES_S: Final = (0.5, 2.0, None)
"""How long to wait until the next try where the network failed; after the last one there is none."""

T = TypeVar("T")


@dataclass(frozen=True)
class Remote:
    """What is behind a URL.

    Attributes:
        name: the URL without its secrets.
        fs: the file system of fsspec.
        path: what the file system calls it.
        size: bytes, if the server says so.
        key: under which the cache keeps the digest of its content; None if nothing tells its content from another.
    """

    name: str
    fs: Any
    path: str
    size: int | None
    key: str | None


def is_url(path: str) -> bool:
    """Whether a path is meant for fsspec."""
    return _URL.match(path) is not None


def scheme(url: str) -> str:
    """What a URL begins with, in lower case."""
    return url.partition("://")[0].lower()


def shown(path: str) -> str:
    """A path as it may be printed and kept: a URL without passwords, signatures and the like."""
    return "::".join(map(_shown, path.split("::"))) if is_url(path) else path


def _shown(url: str) -> str:
    """One of the URLs that fsspec takes in a chain."""
    if not is_url(url):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{scheme(url)}://***"
    secret, _, place = parts.netloc.rpartition("@")
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    query = "&".join(f"{name}=***" if equals and _SECRET.search(name) else name + equals + value
                     for name, equals, value in pairs)  # fmt: skip
    return (
        f"{parts.scheme}://{'***@' if secret else ''}{place}{parts.path}"
        + (f"?{query}" if query else "")
        + (f"#{parts.fragment}" if parts.fragment else "")
    )


def look_up(url: str) -> Remote:
    """Ask for what is behind a URL; what was heard before is not believed.

    Raises:
        FileAccessError: there is nothing, or it can't be asked for.
    """
    return persistently(url, lambda: _looked_up(url))


def _looked_up(url: str) -> Remote:
    name = shown(url)
    fs, path = opened(url)
    fs.invalidate_cache()
    info: Mapping[str, Any] = fs.info(path)
    if info.get("type") == "directory":
        raise FileAccessError(name, "is a directory")
    size = info.get("size")
    version = _version(info)
    key = None
    if version is not None:
        parts = urlsplit(url)
        place = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        digest = hashlib.blake2b(repr((place, size, version)).encode("utf-8", "surrogatepass"), digest_size=16)
        key = f"url/{digest.hexdigest()}"
    return Remote(name, fs, path, size, key)


def url_entry(url: str) -> str:
    """The key under which the cache keeps the digest of what is behind a URL.

    Raises:
        FileAccessError: there is nothing, it can't be asked for, or nothing tells its content from another.
    """
    if is_local(url):
        from samplemind.audio import stat_key
        from samplemind.pipeline import stat_entry

        return stat_entry(stat_key(opened(url)[1]))
    remote = look_up(url)
    if remote.key is None:
        raise FileAccessError(remote.name, "the server does not tell its content from another")
    return remote.key


def is_local(url: str) -> bool:
    """Whether it is a file of this machine after all."""
    return scheme(url) in ("file", "local")


def opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and what it calls what is there. Nothing is asked of a server yet.

    Raises:
        FileAccessError: a package is missing, there is no such kind of URL, or what its package is told by its own
            settings makes no sense.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise FileAccessError(shown(url), "URLs need the package fsspec: pip install 'samplemind[remote]'") from None
    try:
        urlsplit(url)  # some libraries take for missing what is no URL
        fs, path = url_to_fs(url)
    except ImportError as error:
        raise FileAccessError(shown(url), f"another package is needed: {line_of(error)}") from None
    except MemoryError:
        raise
    except Exception as error:  # each file system has its own library with its own errors
        raise FileAccessError(shown(url), line_of(error)) from None
    return fs, path


def is_folder(url: str, suffixes: tuple[str, ...]) -> bool:
    """Whether to look for files below a URL, rather than behind it.

    Args:
        url: one that ends with a slash is a folder. A page is no folder else, and what is named like a file is none.
        suffixes: of names of files.

    Raises:
        FileAccessError: the server can't be asked.
    """
    if url.endswith("/") or url.lower().endswith(suffixes):
        return url.endswith("/")
    if scheme(url) in ("http", "https"):
        return False
    fs, path = opened(url)
    try:
        return bool(fs.isdir(path))
    except Exception as error:
        raise trouble(url, error) from error


def urls_below(url: str, suffixes: tuple[str, ...]) -> Iterator[str | FileAccessError]:
    """Walk lazily through what is below a URL: one folder's names at a time are in memory.

    Args:
        url: a folder, or a prefix of a store.
        suffixes: of names, in lower case; others are left out, and names that start with a dot.

    Yields:
        URLs, folder by folder and sorted by name; an error for what can't be listed.
    """
    try:
        fs, root = opened(url)
    except FileAccessError as error:
        yield error
        return
    root = root.rstrip("/")
    waiting = [root]
    entered = {root}
    while waiting:
        folder = waiting.pop()
        here = url.rstrip("/") + folder[len(root) :]
        try:
            fs.invalidate_cache()  # what was heard before is not believed, and it would keep the names of all folders
            entries: list[Mapping[str, Any]] = fs.ls(folder, detail=True)
        except Exception as error:
            yield trouble(here, error)
            continue
        folders = []
        for entry in sorted(entries, key=lambda entry: str(entry["name"])):
            found = str(entry["name"]).rstrip("/")
            name = found.rpartition("/")[2]
            if not found.startswith(f"{root}/") or name.startswith("."):
                continue  # a link to elsewhere, or the folder itself
            if entry["type"] == "directory":
                folders += [found] if found not in entered else []
                entered.add(found)
            elif name.lower().endswith(suffixes):
                yield url.rstrip("/") + found[len(root) :]
        waiting += reversed(folders)


def trouble(url: str, error: Exception) -> FileAccessError:
    """Put in words what a file system's library says, without what must stay secret."""
    if isinstance(error, AnalysisError | MemoryError):
        raise error
    if isinstance(error, FileNotFoundError):
        # Pages that can't be asked for count as missing to fsspec, whatever the reason was.
        status = getattr(error.__cause__, "status", 404)
        gone = not isinstance(error.__cause__, OSError) or isinstance(error.__cause__, FileNotFoundError)
        if gone and status == 404:
            return FileAccessError(shown(url), "no such file or directory")
        error = error.__cause__ if isinstance(error.__cause__, Exception) else error
    if isinstance(error, PermissionError) or getattr(error, "status", None) in (401, 403):
        return FileAccessError(shown(url), "access denied")
    return FileAccessError(shown(url), f"{FAILED}: {line_of(error)}")


def persistently(url: str, action: Callable[[], T]) -> T:
    """Do what asks a server, and again after a pause where the network failed.

    Raises:
        FileAccessError: it can't be done.
    """
    for pause in _PAUSES_S:
        try:
            return action()
        except Exception as error:  # each file system has its own library with its own errors
            failure = trouble(url, error)
            if pause is None or not failure.reason.startswith(FAILED):
                raise failure from error
        time.sleep(pause)
    raise AssertionError("the last try neither gave nor failed")


def line_of(error: BaseException) -> str:
    """What went wrong, in one line, without the secrets of URLs that it quotes."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s'\"]+", lambda found: shown(found[0]), text)[:300]


def _version(info: Mapping[str, Any]) -> str | None:
    """What tells the content from another one under the same name."""
    for name in _TAGS:
        tag = info.get(name)
        if tag and not str(tag).startswith("W/"):  # a weak tag may stay as it is while bytes change
            return f"{name} {tag}"
    for name in _TIMES:
        changed = _seconds(info.get(name))
        if changed is not None:
            return f"{name} {changed!r}" if time.time() - changed > _SETTLED_S else None
    return None


def _seconds(when: object) -> float | None:
    """A time as seconds since 1970."""
    from email.utils import parsedate_to_datetime

    try:
        match when:
            case datetime.datetime():
                return when.timestamp()
            case int() | float():
                return float(when)
            case str():
                return (parsedate_to_datetime(when) if "," in when
                        else datetime.datetime.fromisoformat(when)).timestamp()  # fmt: skip
    except ValueError:
        pass
    return None
