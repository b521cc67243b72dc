"""What a store remembers about one key."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

RecordState: TypeAlias = Literal["active", "exhausted", "succeeded"]

HISTORY_LIMIT = 20
"""How many failures a store keeps for a key."""


@dataclass(frozen=True, slots=True)
class RetryRecord:
    """The durable attempt record of one key. Times are Unix seconds.

    ``budget`` names the budget that the attempts belong to; it changes when a key is reset or
    starts anew, so that the late outcome of an older attempt changes nothing. ``revision``
    changes at every write. Both are tokens of the store and take no part in comparisons.

    >>> RetryRecord(attempts=2, first_attempt_at=1_700_000_000.0).state
    'active'
    """

    #: Attempts that count against the budget, those that are running now among them.
    attempts: int = 0
    #: Start of the first attempt that counts.
    first_attempt_at: float = 0.0
    #: True once the budget is spent; it stays so until the key is reset.
    exhausted: bool = False
    #: Start of the newest attempt.
    last_attempt_at: float | None = None
    #: No attempt should start before this time: the backoff after the last failure.
    next_attempt_at: float | None = None
    exhausted_at: float | None = None
    #: Set when a success was kept for inspection; the next attempt starts a new budget.
    succeeded_at: float | None = None
    #: Qualified name of the function that opened the budget.
    function: str | None = None
    #: Attempts that were interrupted and given back.
    interruptions: int = 0
    #: ``host:pid`` of the process that started the newest attempt; None once that was given back.
    owner: str | None = None
    last_error_type: str | None = None
    last_error_message: str | None = None
    last_error_at: float | None = None
    budget: str = field(default="", compare=False)
    revision: str = field(default="", compare=False)

    @property
    def state(self) -> RecordState:
        """``"succeeded"``, ``"exhausted"`` or, for any other record, ``"active"``."""
        if self.succeeded_at is not None:
            return "succeeded"
        return "exhausted" if self.exhausted else "active"


_NAMES = tuple(field.name for field in fields(RetryRecord))


def changed(record: RetryRecord, **changes: Any) -> RetryRecord:
    """The record with other values in some fields.

    As ``dataclasses.replace``, which asks each field for its definition and takes twice as long:
    every failure waits for it.

    >>> changed(RetryRecord(attempts=2), exhausted=True).exhausted
    True
    """
    new = object.__new__(RetryRecord)
    for name in _NAMES:
        object.__setattr__(new, name, changes[name] if name in changes else getattr(record, name))
    return new


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt, as the history of a key keeps it.

    ``error_type`` is None where no exception was raised: the function returned a result that the
    retry predicate did not accept. ``error_message`` is None where messages are not recorded.

    >>> Failure(attempt=1, failed_at=1_700_000_000.0, error_type="OSError").error_message is None
    True
    """

    attempt: int
    #: Unix seconds.
    failed_at: float
    error_type: str | None = None
    error_message: str | None = None
