"""The protocol of an attempt store: small operations, each of them one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from localqueue.core._record import Failure, RecordState, RetryRecord

T = TypeVar("T")


@runtime_checkable
class AttemptStore(Protocol):
    """Where attempt records live.

    Every operation is atomic and durable when it returns: no other process, thread or task sees
    half of it, and a process that is killed has either done it or not. Operations may be called
    from any thread. Each of them may raise :class:`localqueue.core.StoreError` or one of its
    subclasses and no other exception of the backend.

    How a record changes is decided by the functions of :mod:`localqueue.core.transitions`, so
    that a store only reads, applies one of them and writes, in one transaction.

    ``str(store)`` names the store in events and messages: a path or a URL, without credentials. A
    store can be referred to weakly: a class with ``__slots__`` lists ``__weakref__`` among them.

    >>> from localqueue.core import MemoryAttemptStore
    >>> isinstance(MemoryAttemptStore(), AttemptStore)
    True
    """

    def load(self, key: str) -> RetryRecord | None:
        """The record of ``key``, or None."""
        ...

    def reserve(self, key: str, record: RetryRecord, *, expected: RetryRecord | None) -> bool:
        """Write ``record`` if the stored one is still ``expected``, by its revision.

        ``expected=None`` means that there must be no record. Returns whether it was written.
        """
        ...

    def settle(
        self,
        key: str,
        failure: Failure,
        *,
        budget: str,
        next_attempt_at: float | None = None,
        exhausted: bool = False,
    ) -> RetryRecord | None:
        """Record the failure of a reserved attempt, in the record and in the history.

        Returns the new record; None, and nothing is changed, where ``budget`` is over.
        """
        ...

    def release(self, key: str, *, budget: str, interruptions_allowed: int | None = None) -> bool:
        """Give a reserved attempt back, and remove a record that holds nothing any more.

        With a number, the attempt was interrupted; it is given back only while the budget has
        seen fewer interruptions than that. Returns whether it was given back.
        """
        ...

    def complete(self, key: str, *, budget: str, succeeded_at: float | None = None) -> bool:
        """End the budget with a success: remove the record and its history.

        With ``succeeded_at`` the record is kept, and says so. Returns whether ``budget`` was
        still running.
        """
        ...

    def delete(self, key: str) -> bool:
        """Remove the record and the history of ``key``; returns whether there was one."""
        ...

    def save(self, key: str, record: RetryRecord) -> None:
        """Write a whole record, whatever is stored: for imports, repairs and tests."""
        ...

    def records(
        self,
        *,
        prefix: str = "",
        state: RecordState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[tuple[str, RetryRecord]]:
        """A page of at most ``limit`` records in the order of their keys' code points.

        ``after`` is the last key of the page before. Nothing stays open between pages.
        """
        ...

    def history(self, key: str) -> list[Failure]:
        """The last 20 failures of ``key``, oldest first."""
        ...

    def prune_exhausted(self, *, older_than: float, now: float, limit: int | None = None) -> int:
        """Remove records exhausted at least ``older_than`` seconds before ``now``, oldest first.

        At most ``limit`` of them; without a limit all, in batches that let other writers
        between. Where the time of exhaustion is unknown, the first attempt's counts. Returns how
        many were removed. A negative age is a ValueError.
        """
        ...

    def count_exhausted_older_than(self, *, older_than: float, now: float) -> int:
        """How many records ``prune_exhausted`` would remove."""
        ...

    def close(self) -> None:
        """Free what the store holds. Closing twice is harmless; using it afterwards is not."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class GroupCommit(Protocol):
    """What a store may have besides: many operations for the price of one commit.

    Async calls use it where the store has it: what tasks have asked for in the meantime is one
    transaction then.

    >>> from localqueue.core import MemoryAttemptStore
    >>> isinstance(MemoryAttemptStore(), GroupCommit)
    False
    """

    def together(self, work: Callable[[], T]) -> T:
        """Run ``work``, whose operations on this store are parts of one transaction.

        Returns what ``work`` returns. Where it raises, none of them has happened, and the
        exception goes on. It may be run more than once. Reads wait for the transaction, too.
        ``work`` neither forks nor closes the store.
        """
        ...
