"""The decisions of the ledger, as tables and as properties."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localqueue.core import RetryRecord, transitions
from localqueue.retry import _ledger

NOW = 1_800_000_000.0

# Half-seconds, so that sums and differences are exact.
times = st.integers(0, 2**33).map(lambda halves: halves / 2)
lengths = st.integers(0, 2**20).map(lambda halves: halves / 2)


def record(attempts: int = 2, **fields: object) -> RetryRecord:
    return replace(RetryRecord(attempts, NOW - 100, revision="r", budget="b"), **fields)


def waiting(seconds: float, *, length: float = 60.0) -> RetryRecord:
    """A record whose backoff of ``length`` seconds has ``seconds`` left."""
    due = NOW + seconds
    return record(next_attempt_at=due, last_error_at=due - length)


@st.composite
def records(draw: st.DrawFn) -> RetryRecord:
    failed_at = draw(st.none() | times)
    due = None if failed_at is None else failed_at + draw(lengths)
    return RetryRecord(
        attempts=draw(st.integers(0, 9)),
        first_attempt_at=draw(times),
        exhausted=draw(st.booleans()),
        last_error_at=failed_at,
        next_attempt_at=draw(st.sampled_from([None, due])),
        succeeded_at=draw(st.none() | times),
        interruptions=draw(st.integers(0, 5)),
    )


def decide(
    seen: RetryRecord | None,
    *,
    now: float = NOW,
    spent: bool = False,
    served: float | None = None,
    max_wait: float | None = None,
) -> _ledger.Admission:
    return _ledger.admission(seen, now=now, spent=spent, served=served, max_wait=max_wait)


@pytest.mark.parametrize(
    ("seen", "attempt"),
    [
        (None, 1),
        (record(attempts=2), 3),
        (record(attempts=0, interruptions=5), 1),
        (record(attempts=2, succeeded_at=NOW), 1),
        (record(attempts=2, succeeded_at=NOW, exhausted=True), 1),
        (waiting(0.0), 3),
        (waiting(-5.0), 3),
    ],
)
def test_an_attempt_that_is_due_starts_with_the_next_number(
    seen: RetryRecord | None, attempt: int
) -> None:
    assert decide(seen) == _ledger.Start(attempt)


def test_an_exhausted_record_refuses_whatever_the_strategy_says() -> None:
    seen = record(exhausted=True, exhausted_at=NOW - 9)

    assert decide(seen) == decide(seen, spent=True) == _ledger.Refuse(seen, None)


def test_a_spent_record_refuses_and_is_marked_without_losing_anything() -> None:
    seen = waiting(30.0)

    refusal = decide(seen, spent=True)

    assert isinstance(refusal, _ledger.Refuse)
    assert refusal.seen == seen
    assert refusal.mark == replace(seen, exhausted=True, exhausted_at=NOW, next_attempt_at=None)
    assert refusal.mark is not None
    assert refusal.mark.revision != seen.revision
    assert refusal.mark.budget == seen.budget


@pytest.mark.parametrize("max_wait", [None, 30.0, 31.0])
def test_a_backoff_is_waited_for(max_wait: float | None) -> None:
    seen = waiting(30.0)

    assert decide(seen, max_wait=max_wait) == _ledger.Wait(seen, 30.0)


@pytest.mark.parametrize("max_wait", [0.0, 29.5])
def test_a_backoff_longer_than_the_process_may_wait_is_deferred(max_wait: float) -> None:
    seen = waiting(30.0)

    assert decide(seen, max_wait=max_wait) == _ledger.Defer(seen, NOW + 30)


def test_a_backoff_that_was_slept_already_is_over_whatever_the_clock_says() -> None:
    seen = waiting(30.0)

    assert decide(seen, served=seen.next_attempt_at) == _ledger.Start(3)
    assert decide(seen, served=NOW) == _ledger.Wait(seen, 30.0)


@given(records() | st.none(), times, st.booleans(), st.none() | lengths)
def test_only_a_record_that_allows_it_is_started(
    seen: RetryRecord | None, now: float, spent: bool, max_wait: float | None
) -> None:
    decision = decide(seen, now=now, spent=spent, max_wait=max_wait)

    may_start = seen is None or seen.succeeded_at is not None or not (seen.exhausted or spent)
    assert isinstance(decision, _ledger.Refuse) == (not may_start)
    if isinstance(decision, _ledger.Start):
        begins_anew = seen is None or seen.succeeded_at is not None
        assert decision.attempt == (1 if begins_anew or seen is None else seen.attempts + 1)


@given(records(), times, st.none() | lengths)
def test_no_wait_is_longer_than_the_backoff_or_than_what_is_allowed(
    seen: RetryRecord, now: float, max_wait: float | None
) -> None:
    decision = decide(seen, now=now, max_wait=max_wait)

    if isinstance(decision, _ledger.Wait | _ledger.Defer):
        assert seen.next_attempt_at is not None
        assert seen.last_error_at is not None
        length = seen.next_attempt_at - seen.last_error_at
        if isinstance(decision, _ledger.Wait):
            assert 0 < decision.seconds <= length
            assert max_wait is None or decision.seconds <= max_wait
        else:
            assert now < decision.due <= now + length
            assert max_wait is not None
            assert decision.due - now > max_wait


@given(times, lengths, times)
def test_a_backoff_ends_at_its_time_or_sooner_where_the_clock_was_set_back(
    failed_at: float, length: float, now: float
) -> None:
    seen = record(last_error_at=failed_at, next_attempt_at=failed_at + length)

    ends = transitions.due_at(seen, now)

    assert ends == max(now, failed_at + length if now >= failed_at else now + length)


def test_a_backoff_without_a_known_failure_ends_at_its_time() -> None:
    assert transitions.due_at(record(next_attempt_at=NOW + 7), NOW) == NOW + 7
    assert transitions.due_at(record(), NOW) == NOW


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (None, False),
        (record(attempts=0, interruptions=1), False),
        (record(attempts=1), True),
        (record(attempts=1, exhausted=True), False),
        (record(attempts=1, succeeded_at=NOW), False),
    ],
)
def test_the_strategy_is_asked_only_about_attempts_that_count(
    seen: RetryRecord | None, expected: bool
) -> None:
    assert _ledger.holds_attempts(seen) is expected


@pytest.mark.parametrize(
    ("seconds", "max_wait", "expected"),
    [
        (1.0, None, False),
        (math.inf, None, False),
        (1.0, 1.0, False),
        (1.5, 1.0, True),
        (0.0, 0.0, False),
    ],
)
def test_a_wait_is_too_long_only_beyond_the_limit(
    seconds: float, max_wait: float | None, expected: bool
) -> None:
    assert _ledger.too_long(seconds, max_wait) is expected


def test_a_failure_is_kept_with_its_type_and_message() -> None:
    kept = _ledger.failure(OSError("full"), attempt=3, now=NOW, with_message=True)

    assert (kept.attempt, kept.failed_at) == (3, NOW)
    assert (kept.error_type, kept.error_message) == (_ledger.error_type(OSError()), "full")


def test_a_message_is_left_out_where_it_is_not_wanted() -> None:
    kept = _ledger.failure(OSError("secret"), attempt=1, now=NOW, with_message=False)

    assert kept.error_type == _ledger.error_type(OSError())
    assert kept.error_message is None


@pytest.mark.parametrize("with_message", [False, True])
def test_a_retried_result_is_a_failure_without_a_type(with_message: bool) -> None:
    kept = _ledger.failure(None, attempt=1, now=NOW, with_message=with_message)

    assert kept.error_type is None
    assert kept.error_message == "the retry predicate did not accept the result"


@pytest.mark.parametrize(
    ("stored", "own", "other"),
    [
        (None, "jobs.send", None),
        ("jobs.send", None, None),
        ("jobs.send", "jobs.send", None),
        ("jobs.send", "jobs.fetch", "jobs.fetch"),
        ("__main__.send", "jobs.send", None),
        ("jobs.send", "__main__.send", None),
        ("jobs.mail.send", "__main__.send", None),
        ("__main__.send", "jobs.fetch", "jobs.fetch"),
        ("__main__.send", "__main__.fetch", "__main__.fetch"),
        ("jobs.resend", "__main__.send", "__main__.send"),
    ],
)
def test_another_function_on_the_key_is_named(
    stored: str | None, own: str | None, other: str | None
) -> None:
    assert _ledger.shared_with(record(function=stored), own) == (other and stored)
    assert _ledger.shared_with(record(function=own), stored) == (other and own)
