"""Where the files of a store may lie: on a local disk, in folders that are their owner's alone."""

from __future__ import annotations

import os

from localqueue.core._errors import StoreError

# SQLite's write-ahead log and LMDB's lock table are memory that all processes share, which no
# network can give: https://www.sqlite.org/wal.html, http://www.lmdb.tech/doc/ ("Caveats"). The file
# systems shared with a virtual machine's host behave like a network.
_REMOTE = frozenset(
    [
        "9p",
        "afs",
        "ceph",
        "cifs",
        "coda",
        "beegfs",
        "fuse.gcsfuse",
        "fuse.grpcfuse",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "fuse.vmhgfs-fuse",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
    ]
)


def make_folders(folder: str) -> None:
    """Create ``folder`` and its missing parents, each with mode 0700 (``os.makedirs`` does not).

    >>> import tempfile
    >>> base = tempfile.mkdtemp()
    >>> make_folders(f"{base}/jobs/retries")
    >>> oct(os.stat(f"{base}/jobs").st_mode & 0o777)
    '0o700'
    """
    if os.path.isdir(folder):
        return
    make_folders(os.path.dirname(folder))
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise


def refuse_network_filesystem(path: str, folder: str) -> None:
    """Raise StoreError where ``folder`` lies on a network file system (known on Linux only).

    ``path`` names the store in the error.

    >>> refuse_network_filesystem("/proc/jobs.sqlite3", "/proc")
    """
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            # A link may lead from a local folder to a file that is not.
            target = path if os.path.exists(path) else folder
            kind = filesystem_type(mounts.read(), os.stat(target).st_dev)
    except OSError:
        return
    if kind in _REMOTE:
        raise StoreError(
            path,
            f"lies on a network file system ({kind}), where a store loses data",
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
