"""The length of a data file, compared with what its header says.

LMDB maps the file into memory and reads from there; what lies beyond the end of a file that was
cut off ends the interpreter with SIGBUS. So the two meta pages are read here before it is mapped.
"""

from __future__ import annotations

import os
import struct
import sys
import time

_MAGIC = 0xBEEFC0DE
_WORD = struct.calcsize("N")
# The page header before the meta data: LMDB 0.9, and 1.0 with a transaction number more.
_PAGE_HEADERS = (_WORD + 8, 2 * _WORD + 8)
# magic, version, address, map size, two tables (the page size stands in the first one's pad; then
# flags, depth and five counters), last page, transaction: in the byte order of this machine, the
# only one that LMDB itself reads.
_META = struct.Struct("@IIPN" + 2 * "IHH5N" + "NN")
_PAGE_SIZES = tuple(2**power for power in range(8, 17))
# Where LMDB 0.9 for Linux keeps the number of the last transaction in its lock file.
_LAST_TRANSACTION = struct.Struct("@IIN")

# A commit may be half visible to a read beside it.
_LOOKS = 5
_PAUSE_SECONDS = 0.01


def problem_of(data_file: str) -> str | None:
    """What is wrong with the data file at ``data_file``; None where it may be mapped.

    Raises OSError where it cannot be read.
    """
    for _ in range(_LOOKS - 1):
        if _look_at(data_file) is None:
            return None
        time.sleep(_PAUSE_SECONDS)
    return _look_at(data_file)


def emptied(lock_file: str) -> bool:
    """Whether the lock file beside an empty data file knows of transactions in it."""
    try:
        with open(lock_file, "rb") as file:
            start = file.read(_LAST_TRANSACTION.size)
    except FileNotFoundError:
        return False
    if len(start) < _LAST_TRANSACTION.size:
        return False
    magic, _, last = _LAST_TRANSACTION.unpack(start)
    return bool(magic == _MAGIC and last > 0)


def forget_unfinished(data_file: str) -> None:
    """Empty a data file of whose first header the disk took only a part.

    It cannot have held a record: the second transaction writes a number into its first page.
    """
    if sys.platform == "win32":
        return
    import fcntl  # not on Windows

    with open(data_file, "r+b") as file:
        # Another process may do the same, and LMDB's new header must not go with it.
        fcntl.flock(file, fcntl.LOCK_EX)
        first = file.read(_PAGE_SIZES[-1])
        header = _page_header(first)
        if header is None:
            return
        meta = _META.unpack_from(first, header)
        if meta[-1] == 0 and os.fstat(file.fileno()).st_size < 2 * meta[4]:
            file.truncate(0)


def _look_at(data_file: str) -> str | None:
    with open(data_file, "rb") as file:
        first = file.read(_PAGE_SIZES[-1])
        header = _page_header(first)
        if header is None:
            return "is no LMDB database, or one of another kind of machine"
        page_size = _META.unpack_from(first, header)[4]
        if page_size not in _PAGE_SIZES:
            return f"has a damaged header (pages of {page_size} bytes)"
        file.seek(page_size + header)
        second = file.read(_META.size)
        if len(second) < _META.size:
            return "is cut off within its header"
        metas = [_META.unpack_from(first, header), _META.unpack(second)]
        if metas[1][0] != _MAGIC:
            return "has a damaged header (the second page is none)"
        # The size comes after the header: the file only grows while others write.
        size = os.fstat(file.fileno()).st_size
    last_page, _ = max((meta[-2:] for meta in metas), key=lambda pair: pair[1])
    if size < (last_page + 1) * page_size:
        return f"is cut off: {size} bytes are left of {(last_page + 1) * page_size}"
    return None


def _page_header(page: bytes) -> int | None:
    for header in _PAGE_HEADERS:
        if len(page) >= header + _META.size:
            (magic,) = struct.unpack_from("@I", page, header)
            if magic == _MAGIC:
                return header
    return None
