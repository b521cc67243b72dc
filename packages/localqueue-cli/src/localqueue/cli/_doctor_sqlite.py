"""What a doctor sees in a SQLite attempt store, through a connection that may not write."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from localqueue.cli._doctor_places import TOLERANCE_SECONDS, Finding, future_records, megabytes
from localqueue.core import StoreError
from localqueue.sqlite import _files, _legacy, _schema
from localqueue.sqlite._database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

_WAIT_SECONDS = 3.0
_MOST_FAULTS = 5
_HEADING = "*** in database main ***\n"
_LONGEST_LOG_BYTES = 64 * 1024 * 1024

_FUTURE = """
    SELECT count(*), max(CAST(newest AS REAL)) FROM (
        SELECT max(
            first_attempt_at,
            coalesce(last_attempt_at, 0),
            coalesce(last_error_at, 0),
            coalesce(exhausted_at, 0),
            coalesce(succeeded_at, 0)
        ) AS newest FROM records
    ) WHERE newest > ?
"""


def look_at_library() -> Finding:
    """Whether this SQLite has the bug in resetting the write-ahead log."""
    version = sqlite3.sqlite_version
    if has_wal_reset_bug(sqlite3.sqlite_version_info):
        return Finding(
            "SQLite",
            "note",
            f"{version} has a rare bug: two processes that restart the log at once may damage it",
            "SQLite 3.51.3, 3.50.7 and 3.44.6 are free of it",
        )
    return Finding("SQLite", "ok", version)


def has_wal_reset_bug(version: tuple[int, int, int]) -> bool:
    """Whether a version lies in the range of the bug.

    >>> has_wal_reset_bug((3, 40, 1)), has_wal_reset_bug((3, 50, 7))
    (True, False)
    """
    is_repaired = (3, 44, 6) <= version < (3, 45, 0) or (3, 50, 7) <= version < (3, 51, 0)
    return (3, 7, 0) <= version <= (3, 51, 2) and not is_repaired


def look_into(path: str) -> Iterator[Finding]:
    """The findings about the file ``path``, which is not changed, not even upgraded."""
    database = Database(
        path,
        timeout=_WAIT_SECONDS,
        durability="process",
        check_schema=_schema.check,
        prepare_schema=_schema.prepare,
    )
    try:
        _files.prepare(path)  # the file is there, so that this only checks it
        with contextlib.closing(database.patiently(partial(_connect, path))) as connection:
            yield from _look(database, connection)
    except StoreError as error:
        yield Finding("file", "problem", error.problem, error.remedy)


def _connect(path: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file://{quote(os.fsencode(path))}?mode=ro", uri=True, timeout=0, isolation_level=None
    )


def _look(database: Database, connection: sqlite3.Connection) -> Iterator[Finding]:
    def rows(sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return database.patiently(lambda: connection.execute(sql, parameters).fetchall())

    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
        rows(f"PRAGMA {pragma}")
    current = _schema.check(database, connection)
    if current:
        yield Finding("format", "ok", f"{_schema.VERSION}")
    elif _legacy.is_attempt_store(connection):
        yield Finding("format", "note", "of localqueue 0.x", "its next use upgrades it in place")
    else:
        yield Finding("format", "ok", "empty; its first use makes the tables")
    yield _log(f"{database.path}-wal")
    faults = rows(f"PRAGMA quick_check({_MOST_FAULTS})")
    yield _integrity([text.removeprefix(_HEADING) for (text,) in faults])
    if current:
        now = time.time()
        ((count, newest),) = rows(_FUTURE, (now + TOLERANCE_SECONDS,))
        yield future_records(count, newest, now)


def _integrity(faults: list[str]) -> Finding:
    if faults == ["ok"]:
        return Finding("integrity", "ok", "the quick check found nothing")
    return Finding(
        "integrity",
        "problem",
        f"is damaged: {'; '.join(faults)}",
        "stop what uses the file, keep a copy, and restore a backup or remove the file",
    )


def _log(path: str) -> Finding:
    size = _files.size(path)
    if size <= _LONGEST_LOG_BYTES:
        return Finding("write-ahead log", "ok", megabytes(size))
    return Finding(
        "write-ahead log",
        "problem",
        f"has grown to {megabytes(size)}: a process has been reading for a long time",
        "find the process that holds the file open and end it",
    )
