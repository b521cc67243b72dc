"""What can go wrong with a store.

StoreError
├── StoreLockedError    another process holds the store; try again
├── StoreFullError      no room left on the disk, or in the store
├── StoreCorruptError   the file is damaged or is not a store at all
└── StoreVersionError   the file is newer than this library, or another program's (a ValueError)

The backend's own exception, when there was one, is the ``__cause__``.
"""

from __future__ import annotations

import os


class StoreError(Exception):
    """A store could not do what was asked.

    ``path`` names the store, ``problem`` says what happened and ``remedy`` what to do.

    >>> str(StoreError("/var/lib/jobs.sqlite3", "cannot be opened", "check who owns it"))
    '/var/lib/jobs.sqlite3: cannot be opened; check who owns it'
    """

    _problem = "the store failed"
    _remedy = ""

    def __init__(
        self, path: str | os.PathLike[str], problem: str | None = None, remedy: str | None = None
    ) -> None:
        self.path = os.fspath(path)
        self.problem = self._problem if problem is None else problem
        self.remedy = self._remedy if remedy is None else remedy
        super().__init__(self.path, self.problem, self.remedy)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")


class StoreLockedError(StoreError):
    """Another process held the store for longer than its timeout; nothing was changed.

    >>> str(StoreLockedError("/var/lib/jobs.sqlite3"))
    '/var/lib/jobs.sqlite3: is locked by another process; try again, or raise the timeout'
    """

    _problem = "is locked by another process"
    _remedy = "try again, or raise the timeout"


class StoreFullError(StoreError):
    """There is no room for the write; nothing was changed.

    >>> StoreFullError("/var/lib/jobs.sqlite3").problem
    'is full'
    """

    _problem = "is full"
    _remedy = "free some disk space, or prune exhausted records"


class StoreCorruptError(StoreError):
    """The file is damaged, or is not a store; it was left as it is.

    >>> StoreCorruptError("/var/lib/jobs.sqlite3").remedy
    'move it away or restore a backup'
    """

    _problem = "is damaged"
    _remedy = "move it away or restore a backup"


class StoreVersionError(StoreError, ValueError):
    """The file is newer than this library, or belongs to another program; it was left as it is.

    >>> isinstance(StoreVersionError("/var/lib/jobs.sqlite3"), ValueError)
    True
    """

    _problem = "was written by a newer localqueue"
    _remedy = "upgrade localqueue"
