"""SQLite's result codes in the words of the core errors."""

from __future__ import annotations

import sqlite3

from localqueue.core import (
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
)

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DENIED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN}
# A disk without room answers some writes with these and not with SQLITE_FULL.
_NO_ROOM = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection is in the way, so that waiting helps."""
    return _primary(error) in _LOCKED


def as_store_error(error: sqlite3.Error, path: str) -> StoreError:
    """The core error that says what ``error`` means for the store at ``path``."""
    primary = _primary(error)
    if primary in _LOCKED:
        return StoreLockedError(path)
    if primary == sqlite3.SQLITE_FULL:
        return StoreFullError(path)
    if getattr(error, "sqlite_errorcode", None) in _NO_ROOM:
        return StoreFullError(
            path,
            f"cannot be written ({error})",
            "the disk, a quota or a file size limit may leave no room, or the disk is failing",
        )
    if primary == sqlite3.SQLITE_NOTADB:
        return StoreCorruptError(path, "is not a SQLite database")
    if primary in _DAMAGED:
        return StoreCorruptError(path, f"is damaged ({error})")
    if primary in _DENIED:
        return StoreError(
            path, f"cannot be opened for writing ({error})", "check its owner and permissions"
        )
    return StoreError(
        path, f"SQLite reports: {error}", "check the disk and the file, or restore a backup"
    )


def _primary(error: sqlite3.Error) -> int:
    # Extended codes carry the primary one in their low byte. Errors that the Python module raises
    # by itself have no code.
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
