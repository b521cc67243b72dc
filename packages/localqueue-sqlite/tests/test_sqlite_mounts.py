"""Network file systems, as the kernel lists them, are told from local disks."""

import os
from pathlib import Path

import pytest

from localqueue.core import RetryRecord, StoreError
from localqueue.core._filesystem import filesystem_type, refuse_network_filesystem
from localqueue.sqlite import SQLiteAttemptStore

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
98 27 0:52 / /home rw,nosuid,relatime shared:37 - nfs4 files.example:/home rw,vers=4.2,rsize=1048576
99 27 0:53 / /mnt/nfs rw,relatime shared:38 master:2 - nfs 10.0.0.7:/srv rw,vers=3,addr=10.0.0.7
100 27 0:54 / /mnt/with\040space\040-\040dash rw - cifs //files/share rw,vers=3.1.1,username=u
101 27 0:55 / /mnt/host rw,relatime - 9p drvfs rw,dirsync,aname=drvfs;path=C:\;uid=1000,trans=fd
102 27 0:56 / /workspaces rw,relatime - virtiofs workspaces rw
103 27 0:57 / /mnt/ssh rw,nosuid,nodev,relatime - fuse.sshfs me@files:/srv rw,user_id=1000
612 511 0:48 / / rw,relatime - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/u,workdir=/w
613 612 0:60 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw,size=65536k
614 612 254:0 /var/lib/volumes/a/_data /data rw,relatime - ext4 /dev/vda rw,discard
cut off
615 612 0:99 / /none rw,relatime
"""


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        ((0, 21), "proc"),
        ((254, 0), "ext4"),
        ((0, 52), "nfs4"),
        ((0, 53), "nfs"),
        ((0, 55), "9p"),
        ((0, 56), "virtiofs"),
        ((0, 57), "fuse.sshfs"),
        ((0, 48), "overlay"),
        ((0, 60), "tmpfs"),
        ((0, 99), None),
        ((8, 1), None),
    ],
)
def test_the_kind_of_a_file_system_is_found(device: tuple[int, int], kind: str | None) -> None:
    assert filesystem_type(MOUNTS, os.makedev(*device)) == kind


def test_a_mount_point_with_a_space_and_a_dash_is_read() -> None:
    assert filesystem_type(MOUNTS, os.makedev(0, 54)) == "cifs"


def test_a_local_disk_is_not_refused(tmp_path: Path) -> None:
    refuse_network_filesystem(str(tmp_path / "x"), str(tmp_path))


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network file system is at hand here, so that one is only claimed."""
    name = "localqueue.core._filesystem.filesystem_type"
    monkeypatch.setattr(name, lambda text, device: "nfs4")
    path = tmp_path / "retries.sqlite3"
    with SQLiteAttemptStore(path) as store, pytest.raises(StoreError) as caught:
        store.save("job:1", RetryRecord(1, 1.0))
    assert str(caught.value) == (
        f"{path}: lies on a network file system (nfs4), where a store loses data;"
        " put the store on a local disk"
    )
    assert list(tmp_path.iterdir()) == []
