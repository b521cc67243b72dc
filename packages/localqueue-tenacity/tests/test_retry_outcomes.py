"""What each outcome of an attempt does to the budget of its key."""

import time

import pytest
from tenacity import (
    RetryError,
    TryAgain,
    retry_if_exception_type,
    retry_if_not_exception_type,
    retry_if_result,
    stop_after_attempt,
)

from localqueue.core import RetryRecord

KEY = "invoice:1001"


def test_a_first_try_success_leaves_no_record(store, style, script):
    job = script("sent")
    retryer = style.retryer(key=KEY, max_tries=3, store=store)

    assert style.call(retryer, job) == "sent"
    assert job.calls == 1
    assert store.load(KEY) is None


def test_an_attempt_is_in_the_store_before_the_function_runs(store, style):
    seen = []
    retryer = style.retryer(key=KEY, max_tries=3, store=store)

    style.call(retryer, lambda: seen.append(store.load(KEY)))

    assert [record.attempts for record in seen] == [1]
    assert seen[0].owner is not None


def test_a_success_after_failures_clears_record_and_history(store, style, script):
    job = script(OSError("busy"), OSError("busy"), "sent")
    retryer = style.retryer(key=KEY, max_tries=3, store=store)

    assert style.call(retryer, job) == "sent"
    assert job.calls == 3
    assert store.load(KEY) is None
    assert store.history(KEY) == []


def test_a_kept_success_says_how_many_attempts_failed(store, style, script):
    before = time.time()
    retryer = style.retryer(key=KEY, max_tries=3, store=store, clear_on_success=False)
    style.call(retryer, script(OSError("busy"), OSError("busy"), "sent"))

    record = store.load(KEY)
    assert (record.attempts, record.state) == (2, "succeeded")
    assert before <= record.succeeded_at <= time.time()
    assert record.next_attempt_at is None
    assert [failure.error_message for failure in store.history(KEY)] == ["busy", "busy"]


def test_a_kept_first_try_success_has_no_failed_attempts(store, style, script):
    retryer = style.retryer(key=KEY, max_tries=3, store=store, clear_on_success=False)
    style.call(retryer, script())

    assert (store.load(KEY).attempts, store.load(KEY).state) == (0, "succeeded")


def test_a_call_after_a_kept_success_has_a_whole_new_budget(store, style, script):
    retryer = style.retryer(key=KEY, max_tries=2, store=store, clear_on_success=False)
    style.call(retryer, script(OSError("busy"), "sent"))

    again = script(OSError("first"), OSError("second"), "never")
    with pytest.raises(OSError, match="second"):
        style.call(retryer, again)

    assert again.calls == 2
    record = store.load(KEY)
    assert (record.attempts, record.exhausted, record.succeeded_at) == (2, True, None)


def test_a_retried_failure_counts(store, style, script):
    retryer = style.retryer(key=KEY, max_tries=2, store=store)
    with pytest.raises(ConnectionError):
        style.call(retryer, script(ConnectionError("one"), ConnectionError("two")))

    record = store.load(KEY)
    assert (record.attempts, record.exhausted) == (2, True)
    assert (record.last_error_type, record.last_error_message) == ("ConnectionError", "two")
    assert [(f.attempt, f.error_message) for f in store.history(KEY)] == [(1, "one"), (2, "two")]


def test_a_retried_result_counts(store, style, script):
    retryer = style.retryer(
        key=KEY, max_tries=2, store=store, retry=retry_if_result(lambda value: value is None)
    )
    job = script(None, None)
    with pytest.raises(RetryError) as raised:
        style.call(retryer, job)

    assert raised.value.last_attempt.result() is None
    record = store.load(KEY)
    assert (record.attempts, record.exhausted, record.last_error_type) == (2, True, None)
    assert [failure.error_type for failure in store.history(KEY)] == [None, None]


def test_a_result_that_the_predicate_accepts_at_last_clears(store, style, script):
    retryer = style.retryer(
        key=KEY, max_tries=3, store=store, retry=retry_if_result(lambda value: value is None)
    )
    assert style.call(retryer, script(None, 0)) == 0
    assert store.load(KEY) is None


def test_try_again_counts_whatever_the_predicate_says(store, style, script):
    retryer = style.retryer(
        key=KEY, max_tries=2, store=store, retry=retry_if_exception_type(ConnectionError)
    )
    job = script(TryAgain, TryAgain, "never")
    with pytest.raises(TryAgain):
        style.call(retryer, job)

    assert job.calls == 2
    assert (store.load(KEY).attempts, store.load(KEY).exhausted) == (2, True)


def test_a_permanent_failure_removes_an_empty_record(store, style, script):
    retryer = style.retryer(
        key=KEY, max_tries=3, store=store, retry=retry_if_exception_type(ConnectionError)
    )
    job = script(ValueError("amount must be positive"))
    with pytest.raises(ValueError, match="amount must be positive"):
        style.call(retryer, job)

    assert job.calls == 1
    assert store.load(KEY) is None


def test_a_permanent_failure_gives_only_its_own_attempt_back(store, style, script):
    retryer = style.retryer(
        key=KEY, max_tries=5, store=store, retry=retry_if_not_exception_type(ValueError)
    )
    with pytest.raises(ValueError, match="bad"):
        style.call(retryer, script(OSError("one"), OSError("two"), ValueError("bad")))

    record = store.load(KEY)
    assert (record.attempts, record.exhausted) == (2, False)
    # The history stays about failures that count.
    assert record.last_error_message == "two"
    assert [failure.error_message for failure in store.history(KEY)] == ["one", "two"]


def test_a_permanent_failure_is_no_interruption(store, style, script):
    retryer = style.retryer(
        key=KEY, max_tries=2, store=store, retry=retry_if_exception_type(ConnectionError)
    )
    for _ in range(8):  # more often than interruptions are given back
        with pytest.raises(ValueError, match="bad"):
            style.call(retryer, script(ValueError("bad")))

    assert store.load(KEY) is None


def test_a_last_attempt_that_fails_permanently_leaves_the_budget_open(store, style, script):
    store.save(KEY, RetryRecord(attempts=1, first_attempt_at=time.time()))
    retryer = style.retryer(
        key=KEY, max_tries=2, store=store, retry=retry_if_exception_type(OSError)
    )
    with pytest.raises(ValueError, match="bad"):
        style.call(retryer, script(ValueError("bad")))

    assert (store.load(KEY).attempts, store.load(KEY).exhausted) == (1, False)
    assert style.call(retryer, script("sent")) == "sent"


def test_a_crashed_attempt_counts(store, style, script):
    """A process that died left its reservation behind, as this record does."""
    store.save(KEY, RetryRecord(attempts=1, first_attempt_at=time.time(), owner="host:1"))
    job = script(OSError("again"), "never")

    with pytest.raises(OSError, match="again"):
        style.call(style.retryer(key=KEY, stop=stop_after_attempt(2), store=store), job)
    assert job.calls == 1


def test_failures_add_up_over_calls_of_many_retryers(store, style, script):
    def call(outcome):
        retryer = style.retryer(
            key=KEY, max_tries=3, store=store, max_in_process_wait=0, wait=lambda _: 0
        )
        return style.call(retryer, outcome)

    interrupted = script(OSError("one"), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        call(interrupted)
    assert store.load(KEY).attempts == 1

    with pytest.raises(OSError, match="three"):
        call(script(OSError("two"), OSError("three")))
    assert (store.load(KEY).attempts, store.load(KEY).exhausted) == (3, True)


def test_a_raising_callback_or_strategy_counts_the_failed_attempt(store, style, script):
    def broken(state):
        raise RuntimeError("broken")

    for option in ("stop", "wait", "retry", "after", "before_sleep"):
        store.delete(KEY)
        options = {"max_tries": 3} if option != "stop" else {}
        retryer = style.retryer(key=KEY, store=store, **options, **{option: broken})
        with pytest.raises(RuntimeError, match="broken"):
            style.call(retryer, script(OSError("busy")))
        assert store.load(KEY).attempts == 1, option
        assert store.load(KEY).last_error_message == "busy", option


def test_a_raising_before_callback_gives_the_attempt_back(store, style, script):
    def broken(state):
        raise RuntimeError("broken")

    job = script()
    retryer = style.retryer(key=KEY, store=store, max_tries=3, before=broken)
    with pytest.raises(RuntimeError, match="broken"):
        style.call(retryer, job)

    assert job.calls == 0
    assert store.load(KEY) is None
