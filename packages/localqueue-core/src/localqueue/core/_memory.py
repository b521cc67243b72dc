"""A store in this process's memory: for tests, and for budgets that need not survive."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from localqueue.core import transitions
from localqueue.core._errors import StoreError
from localqueue.core._forking import renew_after_fork
from localqueue.core._record import HISTORY_LIMIT

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from localqueue.core._record import Failure, RecordState, RetryRecord


class MemoryAttemptStore:
    """An attempt store that ends with its process. Threads may share it.

    >>> store = MemoryAttemptStore()
    >>> store.load("job:1") is None
    True
    """

    def __init__(self) -> None:
        self._records: dict[str, RetryRecord] = {}
        self._history: dict[str, list[Failure]] = {}
        self._closed = False
        self.renew_after_fork()
        renew_after_fork(self)

    def __str__(self) -> str:
        return "memory:"

    def renew_after_fork(self) -> None:
        """Take a fresh lock: the parent's may be held by a thread that the child does not have."""
        # The garbage collector may run an operation in the middle of another one.
        self._lock = threading.RLock()

    def load(self, key: str) -> RetryRecord | None:
        """See :meth:`AttemptStore.load`."""
        self._check_open()
        return self._records.get(key)

    def reserve(self, key: str, record: RetryRecord, *, expected: RetryRecord | None) -> bool:
        """See :meth:`AttemptStore.reserve`."""
        self._check_open()
        with self._lock:
            stored = self._records.get(key)
            if (stored and stored.revision) != (expected and expected.revision):
                return False
            self._records[key] = record
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
        """See :meth:`AttemptStore.settle`."""
        self._check_open()
        with self._lock:
            record = self._records.get(key)
            if not transitions.is_running(record, budget):
                return None
            record = transitions.failed(
                record, failure, next_attempt_at=next_attempt_at, exhausted=exhausted
            )
            self._records[key] = record
            self._history[key] = [*self._history.get(key, ()), failure][-HISTORY_LIMIT:]
            return record

    def release(self, key: str, *, budget: str, interruptions_allowed: int | None = None) -> bool:
        """See :meth:`AttemptStore.release`."""
        self._check_open()
        with self._lock:
            record = self._records.get(key)
            if not transitions.is_releasable(record, budget, interruptions_allowed):
                return False
            left = transitions.released(record, interrupted=interruptions_allowed is not None)
            if left is None:
                self._remove(key)
            else:
                self._records[key] = left
            return True

    def complete(self, key: str, *, budget: str, succeeded_at: float | None = None) -> bool:
        """See :meth:`AttemptStore.complete`."""
        self._check_open()
        with self._lock:
            record = self._records.get(key)
            if not transitions.is_running(record, budget):
                return False
            if succeeded_at is None:
                self._remove(key)
            else:
                self._records[key] = transitions.succeeded(record, at=succeeded_at)
            return True

    def delete(self, key: str) -> bool:
        """See :meth:`AttemptStore.delete`."""
        self._check_open()
        with self._lock:
            return self._remove(key)

    def save(self, key: str, record: RetryRecord) -> None:
        """See :meth:`AttemptStore.save`."""
        self._check_open()
        with self._lock:
            self._records[key] = transitions.saved(record)

    def records(
        self,
        *,
        prefix: str = "",
        state: RecordState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[tuple[str, RetryRecord]]:
        """See :meth:`AttemptStore.records`."""
        self._check_open()
        with self._lock:
            found = [
                (key, record)
                for key, record in list(self._records.items())
                if key.startswith(prefix)
                and (after is None or key > after)
                and state in (None, record.state)
            ]
        return sorted(found, key=lambda item: item[0])[: max(0, limit)]

    def history(self, key: str) -> list[Failure]:
        """See :meth:`AttemptStore.history`."""
        self._check_open()
        return list(self._history.get(key, ()))

    def prune_exhausted(self, *, older_than: float, now: float, limit: int | None = None) -> int:
        """See :meth:`AttemptStore.prune_exhausted`."""
        self._check_open()
        with self._lock:
            doomed = self._exhausted_before(transitions.prune_horizon(older_than, now))
            if limit is not None:
                doomed = doomed[: max(0, limit)]
            for key in doomed:
                self._remove(key)
            return len(doomed)

    def count_exhausted_older_than(self, *, older_than: float, now: float) -> int:
        """See :meth:`AttemptStore.count_exhausted_older_than`."""
        self._check_open()
        with self._lock:
            return len(self._exhausted_before(transitions.prune_horizon(older_than, now)))

    def close(self) -> None:
        """See :meth:`AttemptStore.close`."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("memory store", "was closed", "open a new store")

    def _remove(self, key: str) -> bool:
        self._history.pop(key, None)
        return self._records.pop(key, None) is not None

    def _exhausted_before(self, horizon: float) -> list[str]:
        dated = [
            (transitions.exhaustion_time(record), key)
            for key, record in list(self._records.items())
            if record.state == "exhausted"
        ]
        return [key for at, key in sorted(dated) if at <= horizon]
