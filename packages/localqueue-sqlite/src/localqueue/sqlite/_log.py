"""The write-ahead log of a file, and how long it may grow."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from localqueue.core import StoreError
from localqueue.sqlite import _files

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_BYTES = 16 * 1024 * 1024

_WRITES_BETWEEN_LOOKS = 32
_PATIENCE_SECONDS = 0.05
_RETRY_SECONDS = 0.001


class Log:
    """Keeps the log short where SQLite alone would not.

    A commit that makes the log a thousand pages long moves it into the file, and the next one
    begins it anew, if by then nothing has been added. Where many processes write all the time and
    the disk is slow, something always has, and the log grows as long as they write.
    """

    def __init__(self, path: str) -> None:
        self._path = f"{path}-wal"
        self._writes = 0
        self._limit = LIMIT_BYTES

    def keep_short(self, cut: Callable[[], bool]) -> None:
        """To be called after each write.

        ``cut`` moves all of the log into the file, with everybody else standing still, and returns
        whether that could be.
        """
        self._writes += 1
        if self._writes % _WRITES_BETWEEN_LOOKS:
            return
        size = _files.size(self._path)
        if size <= self._limit:
            return
        end = time.monotonic() + _PATIENCE_SECONDS
        # The write itself is done. The next one says what is wrong with the disk.
        with contextlib.suppress(StoreError):
            while not cut():
                if time.monotonic() >= end:
                    self._limit = 2 * size  # somebody reads for long, and would let us wait again
                    return
                time.sleep(_RETRY_SECONDS)
            self._limit = LIMIT_BYTES
