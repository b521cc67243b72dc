"""The LMDB attempt store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from localqueue.core import path_from_url, transitions
from localqueue.lmdb._sharing import Handle

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from localqueue.core import Failure, RecordState, RetryRecord
    from localqueue.lmdb._rows import Rows

T = TypeVar("T")

Durability: TypeAlias = Literal["process", "power"]
_DURABILITIES = ("process", "power")

# Each batch is a commit with its sync; while it pauses, writers of other processes come in.
_PRUNE_BATCH = 500
_PRUNE_PAUSE_SECONDS = 0.002

# The page size of LMDB is at most this.
_MAP_STEP = 65536


class LMDBAttemptStore:
    """An attempt store in an LMDB folder, shared by any number of threads and processes.

    The folder is opened at the first use, and again in a forked child; a new one is created with
    mode 0700, its files with 0600. Folders of localqueue 0.1 to 0.5 are upgraded in place when
    they are opened. All stores of a process on one folder share one LMDB environment. A writer
    waits for as long as another process writes: LMDB knows no timeout.

    ``map_size``: the bytes that a process maps at first; None takes what the folder has, 1 MiB
    where it is new. It grows by itself, so the size matters to nobody but the curious.
    ``durability``: both values survive any kill of the process, and after a power cut the folder
    is sound. ``"process"`` syncs the records of each commit, but leaves the header that makes them
    valid to the system: the power cut may undo the newest commits. ``"power"`` syncs both before
    a write returns, for about twice the time. There is no faster value: without a sync LMDB may
    be damaged by a power cut.

    >>> import tempfile
    >>> with LMDBAttemptStore(f"{tempfile.mkdtemp()}/retries") as store:
    ...     print(store.load("job:1"))
    None
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        map_size: int | None = None,
        durability: Durability = "process",
    ) -> None:
        if durability not in _DURABILITIES:
            raise ValueError(f"durability must be 'process' or 'power', not {durability!r}")
        self._handle = Handle(
            path, map_size=_whole_pages(map_size), power_safe=durability == "power"
        )

    def __str__(self) -> str:
        return self._handle.path

    def __repr__(self) -> str:
        return f"LMDBAttemptStore({self._handle.path!r})"

    def load(self, key: str) -> RetryRecord | None:
        """See :meth:`localqueue.core.AttemptStore.load`."""
        return self._handle.read(lambda rows: rows.find(key))

    def reserve(self, key: str, record: RetryRecord, *, expected: RetryRecord | None) -> bool:
        """See :meth:`localqueue.core.AttemptStore.reserve`."""

        def work(rows: Rows) -> bool:
            stored = rows.find(key)
            if (stored and stored.revision) != (expected and expected.revision):
                return False
            rows.write(key, record, before=stored)
            return True

        return self._handle.write(work)

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

        def work(rows: Rows) -> RetryRecord | None:
            record = rows.find(key)
            if not transitions.is_running(record, budget):
                return None
            after = transitions.failed(
                record, failure, next_attempt_at=next_attempt_at, exhausted=exhausted
            )
            rows.write(key, after, before=record)
            rows.add_failure(key, failure)
            return after

        return self._handle.write(work)

    def release(self, key: str, *, budget: str, interruptions_allowed: int | None = None) -> bool:
        """See :meth:`localqueue.core.AttemptStore.release`."""

        def work(rows: Rows) -> bool:
            record = rows.find(key)
            if not transitions.is_releasable(record, budget, interruptions_allowed):
                return False
            left = transitions.released(record, interrupted=interruptions_allowed is not None)
            if left is None:
                rows.remove(key, before=record)
            else:
                rows.write(key, left, before=record)
            return True

        return self._handle.write(work)

    def complete(self, key: str, *, budget: str, succeeded_at: float | None = None) -> bool:
        """See :meth:`localqueue.core.AttemptStore.complete`."""

        def work(rows: Rows) -> bool:
            record = rows.find(key)
            if not transitions.is_running(record, budget):
                return False
            if succeeded_at is None:
                rows.remove(key, before=record)
            else:
                rows.write(key, transitions.succeeded(record, at=succeeded_at), before=record)
            return True

        return self._handle.write(work)

    def delete(self, key: str) -> bool:
        """See :meth:`localqueue.core.AttemptStore.delete`."""

        def work(rows: Rows) -> bool:
            record = rows.find(key)
            if record is None:
                return False
            rows.remove(key, before=record)
            return True

        return self._handle.write(work)

    def save(self, key: str, record: RetryRecord) -> None:
        """See :meth:`localqueue.core.AttemptStore.save`."""
        saved = transitions.saved(record)
        self._handle.write(lambda rows: rows.write(key, saved, before=rows.find(key)))

    def records(
        self,
        *,
        prefix: str = "",
        state: RecordState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[tuple[str, RetryRecord]]:
        """See :meth:`localqueue.core.AttemptStore.records`.

        A page costs the records it looks at. Among keys longer than 471 bytes that share their
        first 471, each page looks at all of them.
        """
        return self._handle.read(lambda rows: rows.page(prefix, state, after, max(0, limit)))

    def history(self, key: str) -> list[Failure]:
        """See :meth:`localqueue.core.AttemptStore.history`."""
        return self._handle.read(lambda rows: rows.history(key))

    def prune_exhausted(self, *, older_than: float, now: float, limit: int | None = None) -> int:
        """See :meth:`localqueue.core.AttemptStore.prune_exhausted`."""
        horizon = transitions.prune_horizon(older_than, now)
        removed = 0
        while True:
            batch = _PRUNE_BATCH if limit is None else max(0, min(_PRUNE_BATCH, limit - removed))
            count = self._prune_batch(horizon, batch)
            removed += count
            if count < _PRUNE_BATCH:
                return removed
            time.sleep(_PRUNE_PAUSE_SECONDS)

    def count_exhausted_older_than(self, *, older_than: float, now: float) -> int:
        """See :meth:`localqueue.core.AttemptStore.count_exhausted_older_than`."""
        horizon = transitions.prune_horizon(older_than, now)
        return self._handle.read(lambda rows: rows.count_spent(horizon))

    def together(self, work: Callable[[], T]) -> T:
        """See :meth:`localqueue.core.GroupCommit.together`."""
        return self._handle.together(work)

    def close(self) -> None:
        """See :meth:`localqueue.core.AttemptStore.close`."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _prune_batch(self, horizon: float, batch: int) -> int:
        return self._handle.write(lambda rows: rows.prune(horizon, batch))


def open_attempt_store(url: str) -> LMDBAttemptStore:
    """The store of a URL such as ``lmdb:///var/lib/retries``.

    >>> str(open_attempt_store("lmdb:///var/lib/retries"))
    '/var/lib/retries'
    """
    return LMDBAttemptStore(path_from_url(url))


def _whole_pages(map_size: object) -> int:
    if map_size is None:
        return 0  # LMDB takes what the folder's own header says
    if isinstance(map_size, bool) or not isinstance(map_size, int):
        raise TypeError(f"map_size must be a number of bytes, not {map_size!r}")
    if map_size < 1:
        raise ValueError(f"map_size must be 1 byte or more, not {map_size!r}")
    return -(-map_size // _MAP_STEP) * _MAP_STEP
