"""A page of records costs what it holds, wherever in the store it begins."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

RECORDS = 5000
PAGE = 50


class Steps:
    """Counts the steps of SQLite's machine, in tens."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        connect = sqlite3.connect

        def counted(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(*arguments, **options)
            connection.set_progress_handler(self._step, 10)
            return connection

        monkeypatch.setattr(sqlite3, "connect", counted)

    def _step(self) -> int:
        self.count += 1
        return 0

    def of(self, store: SQLiteAttemptStore, **where: Any) -> int:
        before = self.count
        assert len(store.records(limit=PAGE, **where)) == PAGE
        return self.count - before


@pytest.mark.parametrize("state", [None, "active", "exhausted"])
@pytest.mark.parametrize("prefix", ["", "k"])
def test_the_last_page_costs_no_more_than_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str | None, prefix: str
) -> None:
    steps = Steps(monkeypatch)
    with SQLiteAttemptStore(tmp_path / "retries.sqlite3") as store:
        for number in range(RECORDS):
            store.save(f"k{number:05}", RetryRecord(1, 1.0, exhausted=number % 2 == 0))
        first = steps.of(store, state=state, prefix=prefix)
        last = steps.of(store, state=state, prefix=prefix, after=f"k{RECORDS - 3 * PAGE:05}")
        assert 0 < last <= 1.5 * first
        # The control: without an index to go by, a late page does cost more.
        rare = steps.count
        assert len(store.records(state="succeeded", limit=PAGE)) == 0
        assert steps.count - rare > 10 * first
