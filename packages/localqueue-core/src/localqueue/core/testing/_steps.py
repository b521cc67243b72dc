"""Small steps that the tests of attempt stores are made of."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from localqueue.core import Failure, RetryRecord, transitions

if TYPE_CHECKING:
    from localqueue.core import AttemptStore

KEY = "job:1"
NOW = 1_700_000_000.0

FULL = RetryRecord(
    attempts=7,
    first_attempt_at=1_700_000_000.123456,
    exhausted=True,
    last_attempt_at=1_700_000_001.5,
    next_attempt_at=1_700_000_002.25,
    exhausted_at=1_700_000_003.125,
    succeeded_at=1_700_000_004.0625,
    function="jobs.export",
    interruptions=3,
    owner="host-1:4711",
    last_error_type="ConnectionError",
    last_error_message="refused",
    last_error_at=1_700_000_005.0,
    budget="00112233aabbccdd",
    revision="ffeeddccbbaa9988",
)
"""A record that has a value of its own in each field."""


def everything(record: RetryRecord | None) -> dict[str, Any] | None:
    """All fields of a record: the tokens, too, which a comparison of records leaves out."""
    return None if record is None else asdict(record)


def stored(store: AttemptStore, key: str = KEY) -> RetryRecord:
    """The record of a key that must have one."""
    record = store.load(key)
    assert record is not None, f"{key!r} has no record"
    return record


def reserve(store: AttemptStore, key: str = KEY, *, now: float = NOW) -> RetryRecord:
    """Reserve the next attempt, which nothing stands against."""
    seen = store.load(key)
    record = transitions.started(seen, now=now, function="jobs.run", owner="host:1")
    assert store.reserve(key, record, expected=seen) is True
    return record


def failure(attempt: int, *, at: float = NOW) -> Failure:
    """The failure of one attempt."""
    return Failure(attempt, at, "ConnectionError", f"refused, attempt {attempt}")


def fail(
    store: AttemptStore, key: str = KEY, *, now: float = NOW, exhausted: bool = False
) -> RetryRecord:
    """Reserve the next attempt and let it fail."""
    reserved = reserve(store, key, now=now)
    record = store.settle(
        key, failure(reserved.attempts, at=now), budget=reserved.budget, exhausted=exhausted
    )
    assert record is not None, "the budget was running"
    return record


def fail_often(store: AttemptStore, times: int, key: str = KEY) -> None:
    """Let a number of attempts fail, one second apart."""
    for number in range(times):
        fail(store, key, now=NOW + number)


def save_exhausted(store: AttemptStore, key: str, *, at: float | None, first: float = NOW) -> None:
    """Write a record that was spent ``at`` a time, or at an unknown one."""
    store.save(
        key, RetryRecord(attempts=3, first_attempt_at=first, exhausted=True, exhausted_at=at)
    )
