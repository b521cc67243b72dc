"""The write-ahead log does not grow for ever, and gives the disk back what it took."""

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest

from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore, _log

LIMIT = 16 * 1024 * 1024
# A write is a page of 2 kB in the log.
WRITES = 3 * LIMIT // 2048


def log_bytes(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size


def write(store: SQLiteAttemptStore, times: int) -> None:
    for number in range(times):
        store.save(f"job:{number % 100}", RetryRecord(attempts=1))


def without_checkpoints(path: Path) -> SQLiteAttemptStore:
    """A store on which SQLite never comes to the end of its log, as under a load without a gap."""
    store = SQLiteAttemptStore(path)
    store.load("any")
    connection = store._database._connection
    assert connection is not None
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return store


def test_a_log_that_sqlite_does_not_begin_anew_is_cut(path: Path) -> None:
    longest = 0
    with without_checkpoints(path) as store:
        for _ in range(WRITES // 100):
            write(store, 100)
            longest = max(longest, log_bytes(path))
        assert LIMIT < longest < LIMIT + 1_000_000
        assert log_bytes(path) < LIMIT
        assert len(store.records(limit=1000)) == 100


def test_transactions_of_many_operations_count_as_well(path: Path) -> None:
    with without_checkpoints(path) as store:
        for _ in range(WRITES // 64):
            store.together(lambda: write(store, 64))
        assert log_bytes(path) < LIMIT + 1_000_000


def test_without_a_limit_it_grows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control."""
    monkeypatch.setattr(_log, "LIMIT_BYTES", 1 << 40)
    with without_checkpoints(path) as store:
        write(store, WRITES)
        assert log_bytes(path) > 2 * LIMIT


def test_writers_hardly_wait_for_a_reader_that_does_not_end(path: Path) -> None:
    with SQLiteAttemptStore(path) as store, contextlib.closing(sqlite3.connect(path)) as reader:
        write(store, 1)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchone()
        worst = 0.0
        begun = time.monotonic()
        for _ in range(WRITES // 100):
            before = time.monotonic()
            write(store, 100)
            worst = max(worst, time.monotonic() - before)
        duration = time.monotonic() - begun
        grown = log_bytes(path)
        assert grown > 2 * LIMIT
        assert worst < 1
        assert duration < 10  # to wait at every look would take 38 seconds

        reader.execute("ROLLBACK")
        write(store, 1000)
        assert log_bytes(path) <= LIMIT


def test_what_is_written_is_written_though_nobody_may_look_at_the_log(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> int:
        raise PermissionError(13, "Permission denied")

    with SQLiteAttemptStore(path) as store:
        write(store, 1)
        monkeypatch.setattr(_log._files, "size", refuse)
        write(store, 100)
        monkeypatch.undo()
        assert len(store.records(limit=1000)) == 100
