"""Forks after a store was opened: nothing is lost, and no child waits for a lock of its parent."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localqueue.sqlite import SQLiteAttemptStore

LAPS = 20
WRITES = 50
FORKS = 100  # a child hung within twenty when connections stayed open


def count(path: Path, prefix: str = "") -> int:
    with contextlib.closing(sqlite3.connect(path)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with SQLiteAttemptStore(path) as store:
        return len(store.records(prefix=prefix, limit=100_000))


@pytest.mark.parametrize("ending", ["os._exit", "sys.exit", "close"])
@pytest.mark.parametrize("order", ["child first", "parent first", "together"])
def test_parent_and_child_keep_all_that_they_wrote(
    order: str, ending: str, ask: Callable[..., Any], path: Path
) -> None:
    endings = ask("sqlite_forks.py", "both", path, order, ending, LAPS)
    assert endings == [0] * LAPS
    assert count(path) == LAPS * (2 * WRITES + 1)


def test_a_connection_that_stays_open_over_a_fork_would_lose_rows(
    ask: Callable[..., Any], path: Path
) -> None:
    assert ask("sqlite_forks.py", "naive", path) < WRITES


def test_a_fork_beside_a_thread_inside_the_store_hangs_neither_side(
    ask: Callable[..., Any], path: Path
) -> None:
    told = ask("sqlite_forks.py", "threads", path, FORKS)
    assert told["endings"] == [0] * FORKS
    assert told["calls"] > 100
    assert count(path, "child:") == 2 * FORKS


def test_a_daemon_keeps_the_store_of_the_process_that_started_it(
    ask: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "data" / "retries.sqlite3"
    assert ask("sqlite_forks.py", "daemon", "data/retries.sqlite3", cwd=tmp_path) == str(path)
    assert count(path, "before:") == count(path, "daemon:") == WRITES


def test_a_spawned_process_shares_the_file(ask: Callable[..., Any], path: Path) -> None:
    assert ask("sqlite_forks.py", "spawn", path) == 0
    assert count(path) == 2 * WRITES + 1
