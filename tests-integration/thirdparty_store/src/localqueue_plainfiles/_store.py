"""The store: an operation reads an entry, lets the core decide what becomes of it, and writes."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from localqueue.core import (
    HISTORY_LIMIT,
    Failure,
    RecordState,
    RetryRecord,
    StoreError,
    path_from_url,
    transitions,
)
from localqueue_plainfiles._folder import Entry, Folder


class PlainFilesAttemptStore:
    """A folder of JSON files, one for each key. ``timeout`` is how many seconds a writer waits."""

    def __init__(self, folder: str | os.PathLike[str], *, timeout: float = 15.0) -> None:
        self._folder = Folder(Path(folder).absolute(), timeout)
        self._is_closed = False

    def __str__(self) -> str:
        return str(self._folder.path)

    def _opened(self) -> Folder:
        if self._is_closed:
            raise StoreError(str(self), "was closed", "open a new store")
        return self._folder

    def _find(self, key: str) -> Entry:
        folder = self._opened()
        return folder.read(folder.file_of(key)) or Entry(key)

    @contextmanager
    def _changing(self, key: str) -> Generator[Entry, None, None]:
        """The entry of a key, under the lock; it is written if it gets another record."""
        with self._opened().locked():
            entry = self._find(key)
            before = entry.record
            yield entry
            if entry.record is not before:
                self._folder.write(entry)

    def load(self, key: str) -> RetryRecord | None:
        return self._find(key).record

    def history(self, key: str) -> list[Failure]:
        return self._find(key).history

    def reserve(self, key: str, record: RetryRecord, *, expected: RetryRecord | None) -> bool:
        with self._changing(key) as entry:
            if (entry.record and entry.record.revision) != (expected and expected.revision):
                return False
            entry.record = record
            return True

    def settle(
        self,
        key: str,
        failure: Failure,
        *,
        budget: str,
        next_attempt_at: float | None = None,
        exhausted: bool = False,
    ) -> RetryRecord | None:
        with self._changing(key) as entry:
            if not transitions.is_running(entry.record, budget):
                return None
            entry.record = transitions.failed(
                entry.record, failure, next_attempt_at=next_attempt_at, exhausted=exhausted
            )
            entry.history = [*entry.history, failure][-HISTORY_LIMIT:]
            return entry.record

    def release(self, key: str, *, budget: str, interruptions_allowed: int | None = None) -> bool:
        with self._changing(key) as entry:
            if not transitions.is_releasable(entry.record, budget, interruptions_allowed):
                return False
            interrupted = interruptions_allowed is not None
            entry.record = transitions.released(entry.record, interrupted=interrupted)
            return True

    def complete(self, key: str, *, budget: str, succeeded_at: float | None = None) -> bool:
        with self._changing(key) as entry:
            if not transitions.is_running(entry.record, budget):
                return False
            if succeeded_at is None:
                entry.record = None
            else:
                entry.record = transitions.succeeded(entry.record, at=succeeded_at)
            return True

    def delete(self, key: str) -> bool:
        with self._changing(key) as entry:
            existed = entry.record is not None
            entry.record = None
            return existed

    def save(self, key: str, record: RetryRecord) -> None:
        with self._changing(key) as entry:
            entry.record = transitions.saved(record)

    def _all(self) -> dict[str, RetryRecord]:
        """Every record: O(n). One that changes meanwhile is as it was, or as it became."""
        folder = self._opened()
        with folder.locked():  # or else a file that is being replaced could be missed
            files = list(folder.path.glob("*.json"))
        entries = [entry for file in files if (entry := folder.read(file)) is not None]
        return {entry.key: entry.record for entry in entries if entry.record is not None}

    def records(
        self,
        *,
        prefix: str = "",
        state: RecordState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[tuple[str, RetryRecord]]:
        found = [
            (key, record)
            for key, record in self._all().items()
            if key.startswith(prefix)
            and (after is None or key > after)
            and state in (None, record.state)
        ]
        return sorted(found, key=lambda item: item[0])[: max(0, limit)]

    def _spent(self, horizon: float) -> list[str]:
        """The keys of the records that were exhausted by then, oldest first."""
        dated = [
            (transitions.exhaustion_time(record), key)
            for key, record in self._all().items()
            if _is_spent(record, horizon)
        ]
        return [key for _, key in sorted(dated)]

    def prune_exhausted(self, *, older_than: float, now: float, limit: int | None = None) -> int:
        horizon = transitions.prune_horizon(older_than, now)
        removed = 0
        for key in self._spent(horizon):
            if limit is not None and removed >= limit:
                break
            with self._changing(key) as entry:  # one at a time: other writers go between
                if _is_spent(entry.record, horizon):
                    entry.record = None
                    removed += 1
        return removed

    def count_exhausted_older_than(self, *, older_than: float, now: float) -> int:
        return len(self._spent(transitions.prune_horizon(older_than, now)))

    def close(self) -> None:
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _is_spent(record: RetryRecord | None, horizon: float) -> bool:
    return (
        record is not None
        and record.state == "exhausted"
        and transitions.exhaustion_time(record) <= horizon
    )


def open_attempt_store(url: str) -> PlainFilesAttemptStore:
    """The store of a URL such as ``plainfiles:///var/lib/my-worker/retries``."""
    return PlainFilesAttemptStore(path_from_url(url))
