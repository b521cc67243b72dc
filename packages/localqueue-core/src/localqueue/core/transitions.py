"""How a record changes: the pure decisions that every store applies inside its transaction.

A store's ``settle`` reads the record, asks :func:`is_running`, writes what :func:`failed` returns
and adds the failure to the history, all in one transaction; the other operations go likewise.
:class:`localqueue.core.MemoryAttemptStore` is the shortest example.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from localqueue.core._record import RetryRecord, changed

if TYPE_CHECKING:
    from typing import TypeGuard

    from localqueue.core._record import Failure


def new_token() -> str:
    """A name that no other process has made: 64 random bits, in hexadecimal.

    >>> len(new_token())
    16
    """
    return os.urandom(8).hex()


def started(
    seen: RetryRecord | None, *, now: float, function: str | None = None, owner: str | None = None
) -> RetryRecord:
    """The record with one more attempt, started ``now`` (Unix seconds).

    Without a record, or after a success that was kept, the attempt is the first of a new budget.

    >>> started(None, now=10.0).attempts
    1
    >>> started(RetryRecord(attempts=2, first_attempt_at=1.0), now=10.0).attempts
    3
    """
    if seen is None or seen.succeeded_at is not None:
        token = new_token()
        return RetryRecord(
            attempts=1,
            first_attempt_at=now,
            last_attempt_at=now,
            function=function,
            owner=owner,
            budget=token,
            revision=token,
        )
    return changed(
        seen,
        attempts=seen.attempts + 1,
        # Attempts that were all given back say nothing about how long the job has been failing.
        first_attempt_at=seen.first_attempt_at if seen.attempts else now,
        last_attempt_at=now,
        next_attempt_at=None,
        function=seen.function or function,
        owner=owner,
        budget=seen.budget or new_token(),
        revision=new_token(),
    )


def is_running(record: RetryRecord | None, budget: str) -> TypeGuard[RetryRecord]:
    """Whether an attempt under ``budget`` may still change ``record``.

    >>> is_running(RetryRecord(attempts=1, budget="a"), "b")
    False
    """
    return record is not None and record.budget == budget and record.succeeded_at is None


def failed(
    record: RetryRecord, failure: Failure, *, next_attempt_at: float | None, exhausted: bool
) -> RetryRecord:
    """The record after a failed attempt. Exhaustion is never taken back.

    >>> from localqueue.core import Failure
    >>> failed(RetryRecord(1, 5.0), Failure(1, 9.0, "OSError"), next_attempt_at=12.0,
    ...        exhausted=False).next_attempt_at
    12.0
    """
    spent = record.exhausted or exhausted
    return changed(
        record,
        exhausted=spent,
        exhausted_at=failure.failed_at
        if exhausted and not record.exhausted
        else record.exhausted_at,
        next_attempt_at=None if spent else next_attempt_at,
        last_error_type=failure.error_type,
        last_error_message=failure.error_message,
        last_error_at=failure.failed_at,
        revision=new_token(),
    )


def is_releasable(
    record: RetryRecord | None, budget: str, interruptions_allowed: int | None
) -> TypeGuard[RetryRecord]:
    """Whether a running attempt can be given back.

    ``interruptions_allowed=None`` means that it was not interrupted: its failure is permanent.

    >>> is_releasable(RetryRecord(attempts=1, interruptions=5, budget="a"), "a", 5)
    False
    """
    return (
        is_running(record, budget)
        and record.attempts > 0
        and (interruptions_allowed is None or record.interruptions < interruptions_allowed)
    )


def released(record: RetryRecord, *, interrupted: bool) -> RetryRecord | None:
    """The record with one attempt given back; None where nothing worth keeping is left.

    >>> released(RetryRecord(attempts=1), interrupted=False) is None
    True
    """
    attempts = record.attempts - 1
    interruptions = record.interruptions + interrupted
    # Without a failure behind it, the mark comes from a call that was refused while this attempt
    # ran: what had spent the budget is there again.
    is_premature = record.exhausted_at is not None and (
        record.last_error_at is None or record.last_error_at < record.exhausted_at
    )
    exhausted = record.exhausted and not is_premature
    if attempts == 0 and interruptions == 0 and not exhausted:
        return None
    return changed(
        record,
        attempts=attempts,
        interruptions=interruptions,
        exhausted=exhausted,
        exhausted_at=record.exhausted_at if exhausted else None,
        owner=None,  # nobody's attempt is the newest any more
        revision=new_token(),
    )


def succeeded(record: RetryRecord, *, at: float) -> RetryRecord:
    """The record of a success that is kept: its attempts are the failed ones.

    >>> succeeded(RetryRecord(attempts=3, first_attempt_at=1.0), at=9.0).attempts
    2
    """
    return changed(
        record,
        attempts=max(0, record.attempts - 1),
        exhausted=False,
        exhausted_at=None,
        next_attempt_at=None,
        succeeded_at=at,
        revision=new_token(),
    )


def refused(record: RetryRecord, *, now: float) -> RetryRecord:
    """The record marked exhausted because its attempts already spend the budget.

    >>> refused(RetryRecord(attempts=3, first_attempt_at=1.0), now=9.0).exhausted_at
    9.0
    """
    return changed(
        record, exhausted=True, exhausted_at=now, next_attempt_at=None, revision=new_token()
    )


def saved(record: RetryRecord) -> RetryRecord:
    """The record as ``save`` writes it: always a new revision, and a budget where it has none.

    >>> saved(RetryRecord(attempts=1)).budget != ""
    True
    """
    return changed(record, budget=record.budget or new_token(), revision=new_token())


def due_at(record: RetryRecord, now: float) -> float:
    """When the next attempt may start, in Unix seconds; ``now`` where it may at once.

    Never later than the backoff was long: a clock that was set back by an hour would otherwise
    stretch a backoff of a minute.

    >>> due_at(RetryRecord(attempts=1, next_attempt_at=160.0, last_error_at=100.0), 40.0)
    100.0
    """
    if record.next_attempt_at is None:
        return now
    due = record.next_attempt_at
    if record.last_error_at is not None:
        due = min(due, now + (due - record.last_error_at))
    return max(due, now)


def exhaustion_time(record: RetryRecord) -> float:
    """When an exhausted record was spent; its first attempt where that is not known.

    >>> exhaustion_time(RetryRecord(attempts=3, first_attempt_at=1.0, exhausted=True))
    1.0
    """
    return record.first_attempt_at if record.exhausted_at is None else record.exhausted_at


def prune_horizon(older_than: float, now: float) -> float:
    """The newest time of exhaustion that is ``older_than`` seconds old at ``now``.

    Raises ValueError for an age that is negative or not a number.

    >>> prune_horizon(60.0, 100.0)
    40.0
    """
    if not older_than >= 0:
        raise ValueError(f"older_than must be 0 or more seconds, not {older_than!r}")
    return now - older_than
