"""The tables of a store inside one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from heapq import nsmallest
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from localqueue.core import extend_history, parse_history, transitions
from localqueue.lmdb._values import (
    SHORT,
    Damaged,
    dump_record,
    load_record,
    sortable,
    stored_key,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from lmdb import Transaction, _Database

    from localqueue.core import Failure, RecordState, RetryRecord

_TIME_BYTES = 8


class Tables(NamedTuple):
    """The named databases of the environment."""

    records: _Database
    failures: _Database
    #: Time of exhaustion and key, so that pruning and counting look at nothing else.
    exhausted_by_time: _Database
    #: The same records by key, so that a page of them is not looked for among all.
    exhausted_by_key: _Database


class Rows:
    """What the operations of an attempt store read and write, in one transaction."""

    def __init__(self, transaction: Transaction[bytes], tables: Tables) -> None:
        self._transaction = transaction
        self._tables = tables

    def find(self, key: str) -> RetryRecord | None:
        """The record of ``key``, or None."""
        stored = stored_key(key)
        value = self._transaction.get(stored, db=self._tables.records)
        return None if value is None else load_record(stored, value)[1]

    def write(self, key: str, record: RetryRecord, *, before: RetryRecord | None) -> None:
        """Write the record of ``key``, which was ``before``."""
        stored = stored_key(key)
        self._transaction.put(stored, dump_record(key, stored, record), db=self._tables.records)
        self._index(stored, before, record)

    def remove(self, key: str, *, before: RetryRecord) -> None:
        """Remove the record of ``key``, which was ``before``, and its history."""
        stored = stored_key(key)
        self._transaction.delete(stored, db=self._tables.records)
        self._transaction.delete(stored, db=self._tables.failures)
        self._index(stored, before, None)

    def history(self, key: str) -> list[Failure]:
        """The failures of ``key``, oldest first."""
        stored = stored_key(key)
        with _whole(stored):
            return parse_history(self._transaction.get(stored, db=self._tables.failures))

    def add_failure(self, key: str, failure: Failure) -> None:
        """Add to the history of ``key``, and drop what is too old."""
        stored = stored_key(key)
        with _whole(stored):
            history = extend_history(
                self._transaction.get(stored, db=self._tables.failures), failure
            )
        self._transaction.put(stored, history.encode(), db=self._tables.failures)

    def page(
        self, prefix: str, state: RecordState | None, after: str | None, limit: int
    ) -> list[tuple[str, RetryRecord]]:
        """At most ``limit`` records in the order of their keys' code points."""
        spent = state == "exhausted"
        table = self._tables.exhausted_by_key if spent else self._tables.records
        # Bytes of UTF-8 sort like code points. A text that is no valid UTF-8 is compared, not kept.
        first, last_seen = _raw(prefix), _raw(after or "")
        found: list[tuple[str, RetryRecord]] = []
        entries = self._entries(table, first[:SHORT], max(first, last_seen)[:SHORT])
        # Only long keys share such a beginning, and their digests do not sort as they do.
        for _, alike in groupby(entries, key=lambda entry: entry[0][:SHORT]):
            matching = (
                (raw, (key, record))
                for raw, key, record in self._loaded(alike, indirect=spent)
                if raw.startswith(first) and raw > last_seen and state in (None, record.state)
            )
            best = nsmallest(limit - len(found), matching, key=itemgetter(0))
            found.extend(item for _, item in best)
            if len(found) >= limit:
                break
        return found

    def prune(self, horizon: float, limit: int) -> int:
        """Remove at most ``limit`` records exhausted at ``horizon`` or before, oldest first."""
        doomed = list(islice(self._spent(horizon), limit))
        for entry in doomed:
            stored = entry[_TIME_BYTES:]
            self._transaction.delete(entry, db=self._tables.exhausted_by_time)
            self._transaction.delete(stored, db=self._tables.exhausted_by_key)
            self._transaction.delete(stored, db=self._tables.failures)
            self._transaction.delete(stored, db=self._tables.records)
        return len(doomed)

    def count_spent(self, horizon: float) -> int:
        """How many records were exhausted at ``horizon`` or before."""
        return sum(1 for _ in self._spent(horizon))

    def _index(self, stored: bytes, before: RetryRecord | None, after: RetryRecord | None) -> None:
        old, new = _index_entry(stored, before), _index_entry(stored, after)
        if old == new:
            return
        if old is not None:
            self._transaction.delete(old, db=self._tables.exhausted_by_time)
            self._transaction.delete(stored, db=self._tables.exhausted_by_key)
        if new is not None:
            self._transaction.put(new, b"", db=self._tables.exhausted_by_time)
            self._transaction.put(stored, b"", db=self._tables.exhausted_by_key)

    def _entries(
        self, table: _Database, beginning: bytes, start: bytes
    ) -> Iterator[tuple[bytes, bytes]]:
        with self._transaction.cursor(table) as cursor:
            if start and not cursor.set_range(start):
                return
            for stored, value in cursor.iternext():
                if not stored.startswith(beginning):
                    return
                yield stored, value

    def _loaded(
        self, entries: Iterable[tuple[bytes, bytes]], *, indirect: bool
    ) -> Iterator[tuple[bytes, str, RetryRecord]]:
        for stored, own in entries:
            value = self._transaction.get(stored, own, db=self._tables.records) if indirect else own
            key, record = load_record(stored, value)
            yield _raw(key), key, record

    def _spent(self, horizon: float) -> Iterator[bytes]:
        last = sortable(horizon)
        with self._transaction.cursor(self._tables.exhausted_by_time) as cursor:
            for entry in cursor.iternext(keys=True, values=False):
                if entry[:_TIME_BYTES] > last:
                    return
                yield entry


def _index_entry(stored: bytes, record: RetryRecord | None) -> bytes | None:
    if record is None or record.state != "exhausted":
        return None
    return sortable(transitions.exhaustion_time(record)) + stored


@contextmanager
def _whole(stored: bytes) -> Generator[None, None, None]:
    try:
        yield
    except ValueError as error:
        raise Damaged(f"a history under {stored[:80]!r}") from error


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
