"""Which file systems cannot hold a store: WAL needs memory shared by all its readers."""

from __future__ import annotations

import os

from localqueue.core import StoreError

# https://www.sqlite.org/wal.html: "WAL does not work over a network filesystem." The ones shared
# with a virtual machine's host behave like a network.
_REMOTE = frozenset(
    [
        "9p",
        "afs",
        "ceph",
        "cifs",
        "coda",
        "fuse.sshfs",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
        "virtiofs",
    ]
)


def refuse_network_filesystem(path: str, folder: str) -> None:
    """Raise StoreError where ``folder`` lies on a network file system (known on Linux only)."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            kind = filesystem_type(mounts.read(), os.stat(folder).st_dev)
    except OSError:
        return
    if kind in _REMOTE:
        raise StoreError(
            path,
            f"lies on a network file system ({kind}), where SQLite loses data",
            "put the store on a local disk",
        )


def filesystem_type(mountinfo: str, device: int) -> str | None:
    """The type of the mounted ``device`` in the text of ``/proc/self/mountinfo``, or None.

    >>> filesystem_type("36 25 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw", 0x801)
    'ext4'
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2:3] == [wanted] and rest:
            return rest.split()[0]
    return None
