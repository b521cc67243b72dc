"""The store that is tried, and two that must fail where it holds."""

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

from localqueue.core import AttemptStore, Failure, MemoryAttemptStore, RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

SLOW_DISK_SECONDS = 0.001


class LoadSaveStore(MemoryAttemptStore):
    """Loads, changes and saves one JSON file, as a careless program does, with nothing between."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def load(self, key: str) -> RetryRecord | None:
        self._pull()
        return super().load(key)

    def reserve(self, key: str, record: RetryRecord, *, expected: RetryRecord | None) -> bool:
        self._pull()
        time.sleep(SLOW_DISK_SECONDS)
        won = super().reserve(key, record, expected=expected)
        self._push()
        return won

    def settle(self, key: str, failure: Failure, **how: Any) -> RetryRecord | None:
        self._pull()
        time.sleep(SLOW_DISK_SECONDS)
        record = super().settle(key, failure, **how)
        self._push()
        return record

    def _pull(self) -> None:
        if self._path.exists():
            stored = json.loads(self._path.read_text())
            self._records = {key: RetryRecord(**fields) for key, fields in stored.items()}

    def _push(self) -> None:
        stored = {key: dataclasses.asdict(record) for key, record in self._records.items()}
        own = self._path.with_suffix(f".{os.getpid()}")
        own.write_text(json.dumps(stored))
        own.replace(self._path)


class SaveAfterFailureStore(SQLiteAttemptStore):
    """Writes an attempt down once it has failed, and not before it runs."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._running: dict[str, RetryRecord] = {}

    def reserve(self, key: str, record: RetryRecord, *, expected: RetryRecord | None) -> bool:
        self._running[key] = record
        return True

    def settle(self, key: str, failure: Failure, **how: Any) -> RetryRecord | None:
        self.save(key, self._running[key])
        return super().settle(key, failure, **how)


def open_store(kind: str, folder: Path) -> AttemptStore:
    """The store of a campaign, in its folder."""
    if kind == "sqlite":
        return SQLiteAttemptStore(folder / "retries.sqlite3")
    if kind == "load-save":
        return LoadSaveStore(folder / "retries.json")
    if kind == "save-after-failure":
        return SaveAfterFailureStore(folder / "retries.sqlite3")
    raise ValueError(f"there is no store {kind!r}")
