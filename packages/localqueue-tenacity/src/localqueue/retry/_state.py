"""Tenacity's call state with durable numbers in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import tenacity

from localqueue.retry._errors import RecordedFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.core import RetryRecord


class PersistentRetryCallState(tenacity.RetryCallState):
    """What callbacks and strategies see of a call.

    As Tenacity's, but ``attempt_number`` counts the attempts of every process, and ``start_time``
    and ``seconds_since_start`` go back to the first of them. ``key`` and ``record`` are ours.

    >>> from localqueue.retry import PersistentRetrying
    >>> retryer = PersistentRetrying(key="job:1", store="memory:")
    >>> PersistentRetryCallState(retryer, None, (), {}, key="job:1").record is None
    True
    """

    def __init__(
        self,
        retry_object: tenacity.BaseRetrying,
        fn: Callable[..., Any] | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        key: str,
    ) -> None:
        super().__init__(retry_object, fn, args, kwargs)
        #: The retry key of the call.
        self.key = key
        #: The stored record as this call last saw or wrote it.
        self.record: RetryRecord | None = None

    def follow(self, record: RetryRecord | None, *, attempt: int, now: float) -> None:
        """Take over a record in which ``attempt`` is the number of the attempt that runs."""
        before = self.record
        self.record = record
        self.attempt_number = attempt
        # Within one budget the start stays where it is, whatever the wall clock does meanwhile.
        if record is not None and (before is None or before.budget != record.budget):
            since = max(0.0, now - record.first_attempt_at) if record.attempts else 0.0
            self.start_time = time.monotonic() - since
            if self.outcome_timestamp is not None:  # the attempt is over already
                self.start_time = min(self.start_time, self.outcome_timestamp)

    def looking_back(self, record: RetryRecord, *, now: float) -> PersistentRetryCallState:
        """The state that a stop strategy is asked about before an attempt: the stored past."""
        past = PersistentRetryCallState(
            self.retry_object, self.fn, self.args, self.kwargs, key=self.key
        )
        past.follow(record, attempt=record.attempts, now=now)
        error = RecordedFailure(record.last_error_type, record.last_error_message)
        past.set_exception((RecordedFailure, error, None))
        return past
