"""What callbacks and strategies see of a call."""

import time

import pytest
from tenacity import RetryCallState, stop_after_delay, stop_any, stop_before_delay, wait_fixed
from tenacity.stop import stop_after_attempt

from localqueue.core import RetryRecord
from localqueue.retry import (
    PersistentRetryCallState,
    PersistentRetryExhausted,
    RecordedFailure,
)

KEY = "job:1"


def stored(store, **fields):
    store.save(KEY, RetryRecord(**{"attempts": 2, "first_attempt_at": time.time() - 100} | fields))


def test_attempt_numbers_include_those_of_the_store(store, style, script):
    stored(store)
    seen = []
    retryer = style.retryer(
        key=KEY,
        max_tries=9,
        store=store,
        before=lambda state: seen.append(("before", state.attempt_number)),
        after=lambda state: seen.append(("after", state.attempt_number)),
        before_sleep=lambda state: seen.append(("before_sleep", state.attempt_number)),
    )
    style.call(retryer, script(OSError("busy")))
    assert seen == [("before", 3), ("after", 3), ("before_sleep", 3), ("before", 4)]


def test_the_state_is_tenacity_s_with_key_and_record(store, style, script):
    seen = []
    retryer = style.retryer(key=KEY, max_tries=3, store=store, before_sleep=seen.append)
    job = script(OSError("busy"))
    style.call(retryer, job, "a", b=1)

    (state,) = seen
    assert isinstance(state, RetryCallState)
    assert isinstance(state, PersistentRetryCallState)
    assert state.key == KEY
    assert (state.args, state.kwargs) == (("a",), {"b": 1})
    assert state.retry_object is retryer


def test_the_record_follows_the_store(store, style, script):
    seen = {}

    def look(name):
        def callback(state):
            seen[name] = (state.record, store.load(KEY))

        return callback

    retryer = style.retryer(
        key=KEY,
        max_tries=2,
        store=store,
        wait=wait_fixed(7),
        before=look("before"),
        before_sleep=look("before_sleep"),
    )
    style.call(retryer, script(OSError("busy")))
    for name, (mine, theirs) in seen.items():
        assert mine == theirs, name
    assert seen["before_sleep"][0].next_attempt_at is not None


def test_the_time_counts_from_the_first_persisted_attempt(store, style, script):
    stored(store)
    seen = []

    def before_sleep(state):
        seen.append((state.seconds_since_start, time.monotonic() - state.start_time))

    retryer = style.retryer(key=KEY, max_tries=9, store=store, before_sleep=before_sleep)
    style.call(retryer, script(OSError("busy")))
    assert seen == [(pytest.approx(100, abs=1), pytest.approx(100, abs=1))]


def test_a_first_attempt_in_the_future_never_gives_a_negative_time(store, style, script):
    """The clock was set back since."""
    stored(store, first_attempt_at=time.time() + 3600)
    seen = []
    retryer = style.retryer(
        key=KEY,
        stop=stop_any(stop_after_attempt(9), lambda s: seen.append(s.seconds_since_start)),
        store=store,
    )
    style.call(retryer, script(OSError("busy")))
    assert len(seen) == 2
    assert min(seen) >= 0
    assert max(seen) < 5


def test_a_clock_set_forward_during_a_call_does_not_move_the_start(store, style, script, clock):
    seen = []

    def before_sleep(state):
        clock.move(3600)
        seen.append(state.seconds_since_start)

    retryer = style.retryer(
        key=KEY, max_tries=4, store=store, wait=lambda _: 0, before_sleep=before_sleep
    )
    style.call(retryer, script(*[OSError("busy")] * 3))
    assert max(seen) < 5


@pytest.mark.parametrize(
    "stop",
    [
        stop_after_delay(60),
        stop_after_delay(60) | stop_after_attempt(50),
        stop_any(stop_after_attempt(50), stop_after_delay(60)),
        stop_before_delay(60),
    ],
    ids=["after delay", "either", "any", "before delay"],
)
def test_a_delay_is_measured_across_processes(store, style, script, stop):
    stored(store)
    job = script()
    with pytest.raises(PersistentRetryExhausted):
        style.call(style.retryer(key=KEY, stop=stop, store=store), job)
    assert job.calls == 0
    assert store.load(KEY).exhausted


def test_a_delay_that_is_not_over_lets_the_call_run(store, style, script):
    stored(store)
    retryer = style.retryer(key=KEY, stop=stop_after_delay(200), store=store)
    assert style.call(retryer, script()) == "done"


def test_stop_before_delay_looks_at_the_coming_sleep(store, style, script):
    stored(store)
    job = script(OSError("busy"), "never")
    retryer = style.retryer(key=KEY, stop=stop_before_delay(130), store=store, wait=wait_fixed(40))
    with pytest.raises(OSError, match="busy"):
        style.call(retryer, job)
    assert job.calls == 1


def test_a_stop_strategy_finds_the_recorded_failure(store, style, script):
    stored(store, last_error_type="ConnectionError", last_error_message="refused", last_error_at=1)
    seen = []

    def stop(state):
        seen.append(state.outcome.exception())
        return False

    style.call(style.retryer(key=KEY, stop=stop, store=store), script())
    (error,) = seen
    assert isinstance(error, RecordedFailure)
    assert (error.error_type, error.error_message) == ("ConnectionError", "refused")
    assert str(error) == "ConnectionError: refused"


def test_a_stop_strategy_can_give_up_for_a_recorded_failure(store, style, script):
    stored(store, last_error_type="PaymentRefused", last_error_message="no", last_error_at=1.0)

    def stop(state):
        error = state.outcome.exception()
        return getattr(error, "error_type", None) == "PaymentRefused"

    job = script()
    with pytest.raises(PersistentRetryExhausted, match="PaymentRefused: no"):
        style.call(style.retryer(key=KEY, stop=stop, store=store), job)
    assert job.calls == 0


def test_a_process_that_died_leaves_a_failure_without_a_name(store, style, script):
    stored(store)
    seen = []
    retryer = style.retryer(
        key=KEY, store=store, stop=lambda state: bool(seen.append(state.outcome.exception()))
    )
    style.call(retryer, script())
    assert (seen[0].error_type, seen[0].error_message) == (None, None)
    assert str(seen[0]) == "no error was recorded"


def test_the_past_is_not_asked_about_where_no_attempt_counts(store, style, script):
    store.save(KEY, RetryRecord(interruptions=2, first_attempt_at=1.0))

    def never(state):
        raise AssertionError("asked")

    assert style.call(style.retryer(key=KEY, stop=never, store=store), script()) == "done"


def test_attempts_that_were_all_given_back_say_nothing_about_the_time(store, style, script):
    store.save(KEY, RetryRecord(interruptions=2, first_attempt_at=1.0))
    job = script(OSError("busy"))
    assert style.call(style.retryer(key=KEY, stop=stop_after_delay(60), store=store), job) == "done"
