"""The folder of a store: who may read it, and whether it may be opened at all."""

from __future__ import annotations

import errno
import os
import stat

from localqueue.core import (
    StoreCorruptError,
    StoreError,
    StoreFullError,
    make_folders,
    refuse_network_filesystem,
)
from localqueue.lmdb import _header

# What LMDB takes for its lock table with its own default of 126 readers.
_LOCK_BYTES = 8192


def data_file(path: str) -> str:
    """The file that holds the records of the store at ``path``."""
    return os.path.join(path, "data.mdb")


def lock_file(path: str) -> str:
    """The file by which the processes that use the store at ``path`` know of each other."""
    return os.path.join(path, "lock.mdb")


def identity(path: str) -> tuple[int, int] | None:
    """What tells the store from all others under whatever name; None where there is none yet."""
    try:
        found = os.stat(data_file(path))
    except OSError:  # what is in the way shows when it is opened
        return None
    return (found.st_dev, found.st_ino)


def prepare(path: str) -> None:
    """Create the folder (0700) and a lock file (0600), or check what is there.

    Only for a store that is not open in this process: closing any descriptor of its lock file
    would drop the locks that LMDB holds.
    """
    try:
        if os.path.exists(path) and not os.path.isdir(path):
            raise StoreError(path, "is a file", "name a folder")
        make_folders(path)
        refuse_network_filesystem(path, path)
        _check_data(path)
        _allocate_lock(lock_file(path))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreFullError(path) from error
        reason = error.strerror or str(error)
        raise StoreError(
            path, f"cannot be created ({reason})", "check the folder, its owner and permissions"
        ) from error


def _check_data(path: str) -> None:
    data = data_file(path)
    try:
        found = os.stat(data)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(path, "holds a data.mdb that is no file", "name a folder of its own")
    if found.st_size == 0:
        # LMDB starts anew in an empty file: what it has held would be lost without a word.
        if _header.emptied(lock_file(path)):
            raise StoreCorruptError(path, "has an empty data file although it had records")
        return
    _header.forget_unfinished(data)
    problem = _header.problem_of(data) if os.stat(data).st_size else None
    if problem is not None:
        raise StoreCorruptError(path, f"has a data file that {problem}")


def _allocate_lock(lock: str) -> None:
    """Give the lock file its blocks, which LMDB would only take when it writes to its map of it.

    On a full disk that write ends the interpreter with SIGBUS.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Not more than there is: other processes have mapped the length that they found.
        size = os.fstat(descriptor).st_size or _LOCK_BYTES
        if hasattr(os, "posix_fallocate"):  # not on macOS, not on Windows
            os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)
