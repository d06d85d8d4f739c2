"""Which file system a path is in, by tables of mounts as Linux, macOS and Windows give them."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import psutil
import pytest

from samplemind.storage.filesystem import Mount, network_kind, read_mountinfo, refuse_network

TABLE = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
24 22 0:40 / /home rw,relatime shared:2 master:1 - nfs4 server:/export/home rw,vers=4.2
25 24 254:0 /srv/anna /home/anna/local rw,relatime - ext4 /dev/vda rw
26 22 0:41 / /mnt/two\040words rw - fuse.sshfs anna@server:/ rw,user_id=1000
27 22 0:42 / /mnt/c rw,noatime - 9p C:\134 rw,dirsync,aname=drvfs
28 22 0:43 / /mnt/web rw - fuse https://server/files rw
29 22 0:44 / /mnt/ntfs rw - fuseblk /dev/sdb1 rw
30 22 0:45 / /mnt/both rw - cifs //server/share rw
31 30 0:46 / /mnt/both rw - tmpfs tmpfs rw
32 22 0:40 /anna/music /bound rw - nfs4 server:/export/home rw
33 22 0:47 / /mnt/appimage ro - fuse.appimage app ro
34 22 0:48 / /mnt/ceph rw,relatime - ceph 10.0.0.1:/ rw
a line of another kind
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths")
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", None),
        ("/var/cache", None),
        ("/home", "nfs4"),
        ("/home/anna/.cache/samplemind", "nfs4"),
        ("/home/anna/local/cache", None),
        ("/homework", None),
        ("/mnt/two words/cache", "fuse.sshfs"),
        ("/mnt/two", None),
        ("/mnt/c/Users", "9p"),
        ("/mnt/web", "fuse.davfs2"),
        ("/mnt/ntfs/cache", None),
        ("/mnt/both/cache", None),
        ("/bound", "nfs4"),
        ("/mnt/appimage", None),
        ("/mnt/ceph/a/b/c", "ceph"),
    ],
)
def test_linux(path: str, kind: str | None) -> None:
    assert network_kind(PurePosixPath(path), read_mountinfo(TABLE)) == kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (r"C:\Users\Anna\AppData", None),
        (r"Z:\cache", "windows share"),
        (r"\\server\share\cache", "windows share"),
        (r"\\?\UNC\server\share\cache", "windows share"),
        (r"\\?\C:\cache", None),
    ],
)
def test_windows(path: str, kind: str | None) -> None:
    mounts = [Mount(PureWindowsPath("C:\\"), "NTFS"), Mount(PureWindowsPath("Z:\\"), "windows share")]
    assert network_kind(PureWindowsPath(path), mounts) == kind


def test_macos() -> None:
    mounts = [Mount(PurePosixPath("/"), "apfs"), Mount(PurePosixPath("/Volumes/Music"), "smbfs")]
    assert network_kind(PurePosixPath("/Users/anna/Library/Caches"), mounts) is None
    assert network_kind(PurePosixPath("/Volumes/Music/cache"), mounts) == "smbfs"


@pytest.mark.skipif(sys.platform != "linux", reason="two sources for one table")
def test_this_machine_s_table_is_read_as_psutil_reads_it() -> None:
    mounts = {(str(mount.folder), mount.kind) for mount in read_mountinfo(Path("/proc/self/mountinfo").read_text())}
    others = {(partition.mountpoint, partition.fstype) for partition in psutil.disk_partitions(all=True)}
    assert mounts == others


def test_a_temporary_folder_is_no_network(tmp_path: Path) -> None:
    refuse_network(tmp_path / "not" / "there", "what to do")
