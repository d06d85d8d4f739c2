"""Which file system a folder is in: SQLite's log is shared memory, which no network file system shares."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath, PureWindowsPath
from typing import Final, NamedTuple

_SHARE: Final = "windows share"
_NETWORK: Final = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "ceph", "afs", "auristorfs", "afpfs", "coda"),
        *("lustre", "gpfs", "beegfs", "glusterfs", "orangefs", "pvfs2", "ncpfs", "davfs", "davfs2", "webdav"),
        # Through FUSE, which names them fuse.sshfs, …
        *("sshfs", "ceph-fuse", "mfs", "juicefs", "s3fs", "gcsfuse", "goofys", "blobfuse", "blobfuse2"),
        *("rclone", "curlftpfs", "gvfsd-fuse", "mount-s3"),
        _SHARE,
    )
)
_SHARE_PATH: Final = re.compile(r"\\\\(?:[?.]\\UNC\\|(?![?.]\\))", re.IGNORECASE)
r"""What begins with \\server\share or \\?\UNC\server\share; \\?\C: is a drive of this machine."""
_MOUNT_POINT: Final = 4
"""Which field of a line of mountinfo it is, from 0."""


class Mount(NamedTuple):
    """A file system, and the folder where it begins."""

    folder: PurePath
    kind: str


def refuse_network(folder: Path, remedy: str) -> None:
    """Refuse a folder, whether it exists or not, that is in a network file system.

    Args:
        folder: where a file of SQLite is, or is to be.
        remedy: what to do about it, for the user.

    Raises:
        OSError: it is; the message names the file system and says what to do.
    """
    place = folder.resolve()
    kind = network_kind(place, _mounts())
    if kind is not None:
        raise OSError(f"{place} is in a network file system ({kind}), where SQLite is not safe: {remedy}")


def network_kind(place: PurePath, mounts: Iterable[Mount]) -> str | None:
    """The name of the network file system that a path without symbolic links is in, or None."""
    if isinstance(place, PureWindowsPath) and _SHARE_PATH.match(place.drive):
        return _SHARE
    kind, depth = "", 0
    for mount in mounts:
        if len(mount.folder.parts) >= depth and place.is_relative_to(mount.folder):  # the last of equals is on top
            kind, depth = mount.kind, len(mount.folder.parts)
    return kind if kind.lower().removeprefix("fuse.") in _NETWORK else None


def read_mountinfo(text: str) -> Iterator[Mount]:
    """The mounts in the text of Linux's ``/proc/self/mountinfo``, in its order."""
    for line in text.split("\n"):
        mounted, separator, system = line.partition(" - ")
        fields, (kind, source, *_) = mounted.split(" "), [*system.split(" "), "", ""]
        if separator and len(fields) > _MOUNT_POINT:
            folder = re.sub(r"\\([0-7]{3})", lambda escaped: chr(int(escaped[1], 8)), fields[_MOUNT_POINT])
            # davfs2 goes by the name of fuse alone, from an address.
            yield Mount(PurePath(folder), "fuse.davfs2" if kind == "fuse" and "://" in source else kind)


def _mounts() -> Iterable[Mount]:
    with contextlib.suppress(OSError):
        return read_mountinfo(os.fsdecode(Path("/proc/self/mountinfo").read_bytes()))
    import psutil

    with contextlib.suppress(OSError):
        return [
            Mount(Path(partition.mountpoint), _SHARE if "remote" in partition.opts.split(",") else partition.fstype)
            for partition in psutil.disk_partitions(all=True)
        ]
    return ()  # nothing is known, and nothing refused
