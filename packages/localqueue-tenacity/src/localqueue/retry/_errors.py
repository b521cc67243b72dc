"""What the retry layer raises and warns of, beside the errors of the job itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localqueue.core import RetryRecord


class PersistentRetryExhausted(Exception):
    """The retry budget of a key is spent; the function was not called.

    ``key``, ``attempts`` and the whole ``record`` say what happened, ``store`` where.

    >>> from localqueue.core import RetryRecord
    >>> PersistentRetryExhausted("payment:123", RetryRecord(attempts=4)).attempts
    4
    """

    def __init__(self, key: str, record: RetryRecord, store: str = "") -> None:
        super().__init__(key, record, store)
        self.key = key
        self.record = record
        self.attempts = record.attempts
        self.store = store

    def __str__(self) -> str:
        where = f" in {self.store}" if self.store else ""
        return (
            f"the retry budget of {self.key!r}{where} is exhausted after {self.attempts} attempts"
            f"{_last_error(self.record)}; to let it run again, call reset({self.key!r}) "
            "on the retryer, or use 'localqueue retry reset'"
        )


class RetryDeferred(Exception):
    """The next attempt of a key is due later than this process is willing to wait.

    ``next_attempt_at`` is in Unix seconds; ``record`` is what the store holds. Raised instead of a call, or from the error of the
    attempt that failed.

    >>> RetryDeferred("report", next_attempt_at=1_700_000_000.0, attempts=2).attempts
    2
    """

    def __init__(
        self,
        key: str,
        next_attempt_at: float,
        attempts: int,
        record: RetryRecord | None = None,
    ) -> None:
        super().__init__(key, next_attempt_at, attempts, record)
        self.key = key
        self.next_attempt_at = next_attempt_at
        self.attempts = attempts
        self.record = record

    def __str__(self) -> str:
        reason = "" if self.record is None else _last_error(self.record)
        return (
            f"the next attempt of {self.key!r} is not due before {_utc(self.next_attempt_at)}; "
            f"attempts so far: {self.attempts}{reason}"
        )


class RecordedFailure(Exception):
    """A failure of an earlier process, of which only the type's name and the message are known.

    ``stop`` strategies find it as the outcome when they are asked about a stored record. Both are
    None when the earlier process died; the type is None where the retried outcome was a result.

    >>> str(RecordedFailure("ConnectionError", "refused"))
    'ConnectionError: refused'
    """

    def __init__(self, error_type: str | None, error_message: str | None) -> None:
        super().__init__(error_type, error_message)
        self.error_type = error_type
        self.error_message = error_message

    def __str__(self) -> str:
        return ": ".join(part for part in self.args if part) or "no error was recorded"


class SharedKeyWarning(UserWarning):
    """Two functions use the same key in the same store, and so one budget.

    >>> issubclass(SharedKeyWarning, UserWarning)
    True
    """


def _last_error(record: RetryRecord) -> str:
    if record.last_error_at is None:
        return (
            " (no error was recorded: the attempts still run, died with their processes, "
            "or their outcomes could not be written)"
        )
    error = RecordedFailure(record.last_error_type, record.last_error_message)
    newest = record.last_attempt_at
    if newest is not None and record.owner is not None and newest > record.last_error_at:
        return f" (last error: {error}; the newest attempt died with its process, or still runs)"
    return f" (last error: {error})"


def _utc(at: float) -> str:
    from datetime import UTC, datetime  # only needed to print the message

    try:
        return datetime.fromtimestamp(at, UTC).isoformat(sep=" ", timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return "the end of time"
