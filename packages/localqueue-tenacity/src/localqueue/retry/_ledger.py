"""The decisions of a retry budget, without any I/O: record + outcome + clock → what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from localqueue.core import Failure, describe_error, transitions

if TYPE_CHECKING:
    from typing import TypeGuard

    from localqueue.core import RetryRecord


class Start(NamedTuple):
    """Run attempt number ``attempt``, once it is reserved."""

    attempt: int


class Wait(NamedTuple):
    """Sleep, then look again: ``seen`` says that its next attempt is not due."""

    seen: RetryRecord
    seconds: float


class Defer(NamedTuple):
    """Give up for now: the next attempt is due later than this process may wait."""

    seen: RetryRecord
    due: float


class Refuse(NamedTuple):
    """The budget is spent. ``mark`` is the record to write where ``seen`` does not say so yet."""

    seen: RetryRecord
    mark: RetryRecord | None


Admission: TypeAlias = Start | Wait | Defer | Refuse


def holds_attempts(seen: RetryRecord | None) -> TypeGuard[RetryRecord]:
    """Whether the stop strategy has to be asked about ``seen`` before an attempt."""
    return seen is not None and seen.state == "active" and seen.attempts > 0


def admission(
    seen: RetryRecord | None,
    *,
    now: float,
    spent: bool,
    served: float | None,
    max_wait: float | None,
) -> Admission:
    """What a call may do about ``seen`` at the time ``now``.

    ``spent``: what the stop strategy said about its attempts. ``served``: the backoff that this
    call has slept already. ``max_wait``: the longest sleep in seconds, None for no limit.
    """
    if seen is None or seen.succeeded_at is not None:
        return Start(1)
    if seen.exhausted:
        return Refuse(seen, None)
    if spent:
        return Refuse(seen, transitions.refused(seen, now=now))
    due = transitions.due_at(seen, now)
    if due > now and seen.next_attempt_at != served:
        return Defer(seen, due) if too_long(due - now, max_wait) else Wait(seen, due - now)
    return Start(seen.attempts + 1)


def too_long(seconds: float, max_wait: float | None) -> bool:
    """Whether a sleep is longer than the process may wait."""
    return max_wait is not None and seconds > max_wait


def failure(
    error: BaseException | None, *, attempt: int, now: float, with_message: bool
) -> Failure:
    """What the history keeps of an attempt that ended in ``error``, or in a result (None)."""
    if error is None:
        return Failure(attempt, now, None, "the retry predicate did not accept the result")
    name, message = describe_error(error)
    return Failure(attempt, now, name, message if with_message else None)


def error_type(error: BaseException) -> str:
    """The name by which events and records know the type of an exception."""
    return describe_error(error)[0]


def shared_with(record: RetryRecord, function: str | None) -> str | None:
    """The other function that uses the record's key, or None.

    A module that is run as a script is called ``__main__``; its functions are still its own.
    """
    other = record.function
    if other is None or function is None or other == function:
        return None
    for one, two in ((other, function), (function, other)):
        if one.startswith("__main__.") and two.endswith(one.removeprefix("__main__")):
            return None
    return other
