"""The SQLite attempt store."""

from __future__ import annotations

import time
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from localqueue.core import (
    RetryRecord,
    StoreCorruptError,
    extend_history,
    parse_history,
    path_from_url,
    transitions,
)
from localqueue.sqlite import _schema
from localqueue.sqlite import _statements as _sql
from localqueue.sqlite._database import Database

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from localqueue.core import Failure, RecordState
    from localqueue.sqlite._database import Durability

T = TypeVar("T")

_values: Callable[[RetryRecord], tuple[Any, ...]] = attrgetter(*_sql.NAMES)

_NOTHING: tuple[None, None] = None, None
# So many rows are remembered, with histories of so many characters: some megabytes at the most.
_REMEMBERED = 1000
_LONGEST_REMEMBERED = 4096

# More of them would keep a slow disk busy while others wait for it.
_PRUNE_BATCH = 100
# Long enough for a writer that asks every millisecond to come in between two batches.
_PRUNE_PAUSE_SECONDS = 0.002


class SQLiteAttemptStore:
    """An attempt store in one SQLite file, shared by any number of threads and processes.

    The file is opened at the first use, and again in a forked child; a new one is created with
    mode 0600. Files of localqueue 0.1 to 0.5 are upgraded in place when they are opened.

    ``timeout``: seconds to wait for another process's write before
    :class:`~localqueue.core.StoreLockedError`. ``durability="process"`` survives any kill of the
    process, and after a power cut the file is sound though the newest attempts may be missing;
    ``"power"`` syncs each write to the disk first.

    >>> import tempfile
    >>> with SQLiteAttemptStore(f"{tempfile.mkdtemp()}/retries.sqlite3") as store:
    ...     print(store.load("job:1"))
    None
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float = 15.0,
        durability: Durability = "process",
    ) -> None:
        self._timeout = timeout
        self._durability: Durability = durability
        self._database = Database(
            path,
            timeout=timeout,
            durability=durability,
            check_schema=_schema.check,
            prepare_schema=_schema.prepare,
        )
        # Rows as this store has written them, by key: the outcome of an attempt can be added to
        # one without reading it. Whether it still stands so, its revision says.
        self._newest: dict[str, tuple[RetryRecord | None, str | None]] = {}

    def __str__(self) -> str:
        return self._database.path

    def __reduce__(self) -> tuple[Any, ...]:
        again = partial(type(self), timeout=self._timeout, durability=self._durability)
        return again, (self._database.path,)

    def __repr__(self) -> str:
        return f"SQLiteAttemptStore({self._database.path!r})"

    def load(self, key: str) -> RetryRecord | None:
        """See :meth:`localqueue.core.AttemptStore.load`."""
        # Each call of a job begins here, and so goes on in the file that is there now.
        rows = self._database.read(_sql.SELECT, (key,), follow=True)
        return _record(rows[0]) if rows else None

    def reserve(self, key: str, record: RetryRecord, *, expected: RetryRecord | None) -> bool:
        """See :meth:`localqueue.core.AttemptStore.reserve`."""
        if expected is None:
            if self._database.write(_sql.INSERT_NEW, (*_values(record), key)) == 0:
                return False
            self._remember(key, record, None)
            return True
        seen, history = self._newest.pop(key, _NOTHING)
        if not self._replace(key, expected, record):
            return False
        if seen is not None and seen.revision == expected.revision:
            self._remember(key, record, history)
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
        """See :meth:`localqueue.core.AttemptStore.settle`."""
        record, history = self._newest.pop(key, _NOTHING)
        while True:
            # What this store wrote itself is tried first; what it does not know, it reads.
            if record is None or record.budget != budget:
                record, history = self._read_whole(key)
            if not transitions.is_running(record, budget):
                return None
            after = transitions.failed(
                record, failure, next_attempt_at=next_attempt_at, exhausted=exhausted
            )
            try:
                extended = extend_history(history, failure)
            except ValueError as error:
                raise self._damaged(key) from error
            values = (*_values(after), extended, key, record.revision)
            if self._database.write(_sql.UPDATE_SEEN_WITH_HISTORY, values):
                self._remember(key, after, extended)
                return after
            record = None

    def release(self, key: str, *, budget: str, interruptions_allowed: int | None = None) -> bool:
        """See :meth:`localqueue.core.AttemptStore.release`."""
        self._newest.pop(key, None)
        while True:
            record = self.load(key)
            if not transitions.is_releasable(record, budget, interruptions_allowed):
                return False
            left = transitions.released(record, interrupted=interruptions_allowed is not None)
            if self._replace(key, record, left):
                return True

    def complete(self, key: str, *, budget: str, succeeded_at: float | None = None) -> bool:
        """See :meth:`localqueue.core.AttemptStore.complete`."""
        self._newest.pop(key, None)
        if succeeded_at is None:
            return self._database.write(_sql.DELETE_RUNNING, (key, budget)) == 1
        while True:
            record = self.load(key)
            if not transitions.is_running(record, budget):
                return False
            if self._replace(key, record, transitions.succeeded(record, at=succeeded_at)):
                return True

    def delete(self, key: str) -> bool:
        """See :meth:`localqueue.core.AttemptStore.delete`."""
        self._newest.pop(key, None)
        return self._database.write(_sql.DELETE, (key,)) == 1

    def save(self, key: str, record: RetryRecord) -> None:
        """See :meth:`localqueue.core.AttemptStore.save`."""
        self._database.write(_sql.UPSERT, (*_values(transitions.saved(record)), key))

    def records(
        self,
        *,
        prefix: str = "",
        state: RecordState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[tuple[str, RetryRecord]]:
        """See :meth:`localqueue.core.AttemptStore.records`."""
        # With two lower bounds, SQLite would search by one of them and try each key by the other.
        # No text lies between a key and the same key with a NUL behind it.
        first = prefix if after is None else max(prefix, f"{after}\0")
        rows = self._database.read(
            f"{_sql.PAGE}{_sql.STATES[state]} ORDER BY key LIMIT :limit",
            {"first": first, "prefix": prefix, "limit": max(0, limit)},
            follow=True,
        )
        return [(row[0], _record(row[1:])) for row in rows]

    def history(self, key: str) -> list[Failure]:
        """See :meth:`localqueue.core.AttemptStore.history`."""
        rows = self._database.read(_sql.HISTORY, (key,), follow=True)
        try:
            return parse_history(rows[0][0] if rows else None)
        except ValueError as error:
            raise self._damaged(key) from error

    def prune_exhausted(self, *, older_than: float, now: float, limit: int | None = None) -> int:
        """See :meth:`localqueue.core.AttemptStore.prune_exhausted`."""
        horizon = transitions.prune_horizon(older_than, now)
        removed = 0
        while True:
            batch = _PRUNE_BATCH if limit is None else max(0, min(_PRUNE_BATCH, limit - removed))
            count = self._database.write(_sql.PRUNE, (horizon, batch))
            removed += count
            if count < _PRUNE_BATCH:
                return removed
            time.sleep(_PRUNE_PAUSE_SECONDS)

    def count_exhausted_older_than(self, *, older_than: float, now: float) -> int:
        """See :meth:`localqueue.core.AttemptStore.count_exhausted_older_than`."""
        horizon = transitions.prune_horizon(older_than, now)
        count: int = self._database.read(_sql.COUNT_EXHAUSTED, (horizon,), follow=True)[0][0]
        return count

    def together(self, work: Callable[[], T]) -> T:
        """See :meth:`localqueue.core.GroupCommit.together`."""
        return self._database.together(work)

    def close(self) -> None:
        """See :meth:`localqueue.core.AttemptStore.close`."""
        self._database.close()

    def _remember(self, key: str, record: RetryRecord, history: str | None) -> None:
        if record.exhausted or len(history or "") > _LONGEST_REMEMBERED:
            return
        if len(self._newest) >= _REMEMBERED:
            self._newest.clear()
        self._newest[key] = record, history

    def _read_whole(self, key: str) -> tuple[RetryRecord | None, str | None]:
        rows = self._database.read(_sql.SELECT_WITH_HISTORY, (key,))
        if not rows:
            return _NOTHING
        *row, history = rows[0]
        return _record(row), history

    def _damaged(self, key: str) -> StoreCorruptError:
        return StoreCorruptError(
            self._database.path, f"holds a history that cannot be read, under the key {key!r}"
        )

    def _replace(self, key: str, seen: RetryRecord, new: RetryRecord | None) -> bool:
        # One statement, which is a transaction of its own. What was read before it is still true
        # if the revision is; where it is not, the caller reads again.
        if new is None:
            return self._database.write(_sql.DELETE_SEEN, (key, seen.revision)) == 1
        values = (*_values(new), key, seen.revision)
        return self._database.write(_sql.UPDATE_SEEN, values) == 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_attempt_store(url: str) -> SQLiteAttemptStore:
    """The store of a URL such as ``sqlite:///var/lib/retries.sqlite3``.

    >>> str(open_attempt_store("sqlite:///var/lib/retries.sqlite3"))
    '/var/lib/retries.sqlite3'
    """
    return SQLiteAttemptStore(path_from_url(url))


def _record(row: Sequence[Any]) -> RetryRecord:
    attempts, first_attempt_at, exhausted, *rest = row
    return RetryRecord(attempts, first_attempt_at, exhausted == 1, *rest)
