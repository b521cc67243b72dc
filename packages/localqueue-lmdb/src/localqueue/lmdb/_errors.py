"""LMDB's errors in the words of the core errors."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import lmdb

from localqueue.core import (
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreVersionError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_FULL = (lmdb.MapFullError, lmdb.DiskError)
_BUSY = (lmdb.LockError, lmdb.ReadersFullError)
_DAMAGED = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError)
# A short write is reported as EIO: what did not fit may be the end of the disk or of a quota.
_NO_ROOM = (errno.EDQUOT, errno.EFBIG, errno.EIO)


def as_store_error(error: lmdb.Error, path: str) -> StoreError:
    """The core error that says what ``error`` means for the store at ``path``."""
    if isinstance(error, _FULL):
        return StoreFullError(path)
    if isinstance(error, lmdb.MemoryError):
        return StoreFullError(
            path, f"cannot map its data file ({error})", "give the process more address space"
        )
    if isinstance(error, _BUSY):
        return StoreLockedError(path, "has no free place for one more reader", "try again")
    if isinstance(error, _DAMAGED):
        return StoreCorruptError(path, f"is damaged ({error})")
    if isinstance(error, lmdb.VersionMismatchError):
        return StoreVersionError(
            path, "has a data format that this lmdb does not know", "upgrade the lmdb package"
        )
    if isinstance(error, lmdb.ReadonlyError):
        return StoreError(
            path, f"cannot be opened for writing ({error})", "check its owner and permissions"
        )
    if "already open in this process" in str(error):
        return StoreError(
            path,
            "is open in this process by other means, or was in use while the process was forked",
            "open it by this library only, and fork while no operation is running",
        )
    # Releases of lmdb before 3.0 have no error numbers, only the text.
    if _says(error, _NO_ROOM):
        return StoreFullError(
            path,
            f"cannot be written ({error})",
            "the disk, a quota or a file size limit may leave no room, or the disk is failing",
        )
    return StoreError(path, f"LMDB reports: {error}")


def _says(error: lmdb.Error, numbers: Iterable[int]) -> bool:
    return any(os.strerror(number) in str(error) for number in numbers)
