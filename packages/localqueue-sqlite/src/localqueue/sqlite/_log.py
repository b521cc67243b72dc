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
        # The write itself is done. The next one says what is wrong with the disk.
        with contextlib.suppress(StoreError, OSError):
            size = _files.size(self._path)
            if size > self._limit:
                is_cut = _in_time(cut)
                # Where it could not be, somebody reads for long, and would let us wait again.
                self._limit = LIMIT_BYTES if is_cut else 2 * size


def _in_time(cut: Callable[[], bool]) -> bool:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not (is_cut := cut()) and time.monotonic() < end:
        time.sleep(_RETRY_SECONDS)
    return is_cut
