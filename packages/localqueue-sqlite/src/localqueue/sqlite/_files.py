"""The file of a store: who may read it, and whether it may be opened at all."""

from __future__ import annotations

import errno
import os
import stat
import threading

from localqueue.core import (
    StoreCorruptError,
    StoreError,
    StoreFullError,
    make_folders,
    refuse_network_filesystem,
    renew_after_fork,
)


class _CreationLock:
    """Keeps the threads of this process from creating and opening one file at the same time.

    The descriptor that created the file is closed at once; if another thread held the file open
    by then, its locks would go with it.
    """

    def __init__(self) -> None:
        self.renew_after_fork()
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        self.held = threading.Lock()


_creation = _CreationLock()
_SMALLEST_PAGE = 512


def prepare(path: str) -> None:
    """Create ``path`` (0600) and its missing folders (0700), or check what is there.

    The live file of a store is never opened here: closing any descriptor of it would drop the
    locks that SQLite holds in this process.
    """
    folder = os.path.dirname(path)
    try:
        make_folders(folder)
        refuse_network_filesystem(path, folder)
        with _creation.held:
            _create(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFullError(path) from error
        reason = error.strerror or str(error)
        raise StoreError(
            path, f"cannot be created ({reason})", "check the folder, its owner and permissions"
        ) from error


def _create(path: str) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        _check_existing(path)


def _check_existing(path: str) -> None:
    # The log first: whoever is making the file just now writes into that before.
    logged = size(f"{path}-wal") > 0
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise StoreError(path, f"is {kind}", "name a file")
    # SQLite deletes the log of an empty database: what the log holds would be lost without a word.
    if found.st_size == 0 and logged:
        raise StoreCorruptError(path, "is empty although its write-ahead log is not")
    # SQLite takes what is missing of the last page for zeros. With a log at hand the page is whole.
    if found.st_size % _SMALLEST_PAGE and not logged and not size(f"{path}-journal"):
        raise StoreCorruptError(path, "is cut off in the middle of a page, or is no database")


def identity(path: str) -> tuple[int, int] | None:
    """Which file ``path`` names now; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def size(path: str) -> int:
    """The bytes in the file at ``path``; 0 where there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
