"""``count="failed"``: no write for a first-try success, and only recorded failures count."""

import sqlite3
import time
from contextlib import closing

import pytest
from tenacity import retry_if_exception_type, stop_after_delay

from localqueue.retry import PersistentRetryExhausted, RetryDeferred

KEY = "hot:1"


def writes_to(database, action):
    """How often another connection sees the file change while ``action`` runs."""
    with closing(sqlite3.connect(database)) as connection:

        def version():
            return connection.execute("PRAGMA data_version").fetchone()[0]

        before = version()
        action()
        return version() - before


def test_a_first_try_success_writes_nothing(sqlite_store, database, style, script):
    sqlite_store.load(KEY)  # makes the file
    retryer = style.retryer(key=KEY, max_tries=3, store=sqlite_store, count="failed")
    assert writes_to(database, lambda: style.call(retryer, script())) == 0


def test_a_counted_start_is_seen_by_the_same_measure(sqlite_store, database, style, script):
    """The positive control of the test above."""
    sqlite_store.load(KEY)
    retryer = style.retryer(key=KEY, max_tries=3, store=sqlite_store)
    assert writes_to(database, lambda: style.call(retryer, script())) == 1
    reader = style.retryer(key=KEY, max_tries=3, store=sqlite_store, count="failed")
    failure = script(OSError("busy"))
    assert writes_to(database, lambda: style.call(reader, failure)) == 1


def test_recorded_failures_count(store, style, script):
    retryer = style.retryer(key=KEY, max_tries=3, store=store, count="failed")
    job = script(*[OSError("busy")] * 9)
    with pytest.raises(OSError, match="busy"):
        style.call(retryer, job)

    assert job.calls == 3
    record = store.load(KEY)
    assert (record.attempts, record.exhausted) == (3, True)
    assert [failure.attempt for failure in store.history(KEY)] == [1, 2, 3]
    with pytest.raises(PersistentRetryExhausted):
        style.call(retryer, job)
    assert job.calls == 3


def test_failures_add_up_over_calls(store, style, script, clock):
    def call(outcome):
        retryer = style.retryer(
            key=KEY,
            max_tries=2,
            store=store,
            count="failed",
            wait=lambda _: 10,
            max_in_process_wait=0,
        )
        return style.call(retryer, outcome)

    with pytest.raises(RetryDeferred):
        call(script(OSError("one")))
    assert store.load(KEY).attempts == 1
    clock.move(11)
    with pytest.raises(OSError, match="two"):
        call(script(OSError("two")))
    assert store.load(KEY).exhausted


def test_a_running_attempt_is_not_in_the_store_and_a_crash_would_not_count(store, style):
    seen = []
    retryer = style.retryer(key=KEY, max_tries=1, store=store, count="failed")
    style.call(retryer, lambda: seen.append(store.load(KEY)))
    assert seen == [None]


def test_a_success_after_failures_clears(store, style, script):
    retryer = style.retryer(key=KEY, max_tries=3, store=store, count="failed")
    assert style.call(retryer, script(OSError("busy"))) == "done"
    assert store.load(KEY) is None


def test_a_kept_success_says_how_many_attempts_failed(store, style, script):
    retryer = style.retryer(
        key=KEY, max_tries=3, store=store, count="failed", clear_on_success=False
    )
    style.call(retryer, script(OSError("busy")))
    assert (store.load(KEY).attempts, store.load(KEY).state) == (1, "succeeded")
    style.call(retryer, script())
    assert (store.load(KEY).attempts, store.load(KEY).state) == (0, "succeeded")


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt])
def test_permanent_failures_and_interruptions_write_nothing(store, style, script, raised):
    retryer = style.retryer(
        key=KEY,
        max_tries=1,
        store=store,
        count="failed",
        retry=retry_if_exception_type(OSError),
    )
    for _ in range(7):
        with pytest.raises(raised):
            style.call(retryer, script(raised))
    assert store.load(KEY) is None


def test_attempt_numbers_go_on_from_the_store(store, style, script):
    numbers = []
    options = {
        "key": KEY,
        "store": store,
        "count": "failed",
        "before": lambda state: numbers.append(state.attempt_number),
    }
    with pytest.raises(KeyboardInterrupt):
        style.call(
            style.retryer(**options, max_tries=9), script(OSError("busy"), KeyboardInterrupt)
        )
    style.call(style.retryer(**options, max_tries=9), script(OSError("busy")))
    assert numbers == [1, 2, 2, 3]


def test_the_time_of_the_first_attempt_counts_for_stop_after_delay(store, style):
    """The record is only made when the attempt is over; its time is part of the budget."""
    seen = []

    def after(state):
        seen.append(state.seconds_since_start)

    def slow():
        time.sleep(0.05)
        raise OSError("busy")

    retryer = style.retryer(
        key=KEY, stop=stop_after_delay(0.04), store=store, count="failed", after=after
    )
    with pytest.raises(OSError, match="busy"):
        style.call(retryer, slow)

    assert len(seen) == 1
    assert seen[0] >= 0.05
    (failure,) = store.history(KEY)
    assert failure.failed_at - store.load(KEY).first_attempt_at >= 0.05


def test_the_time_since_the_start_is_never_negative(store, style, clock):
    seen = []

    def set_back_and_fail():
        clock.move(-3600)
        raise OSError("busy")

    def stop(state):
        seen.append(state.seconds_since_start)
        return len(seen) == 3

    retryer = style.retryer(key=KEY, stop=stop, store=store, count="failed")
    with pytest.raises(OSError, match="busy"):
        style.call(retryer, set_back_and_fail)
    assert len(seen) == 3
    assert min(seen) >= 0


def test_a_reset_during_the_attempt_starts_a_new_budget(store, style):
    retryer = style.retryer(key=KEY, max_tries=5, store=store, count="failed")
    runs = []

    def reset_then_fail():
        runs.append(store.load(KEY))
        if len(runs) == 2:
            retryer.reset()
        if len(runs) < 4:
            raise OSError("busy")

    style.call(retryer, reset_then_fail)
    assert [record and record.attempts for record in runs] == [None, 1, 1, 2]


def broken(state):
    raise LookupError("a callback")


@pytest.mark.parametrize("where", ["after", "wait", "retry"])
def test_a_failure_behind_which_a_callback_raises_is_counted(style, store, script, where):
    retryer = style.retryer(key=KEY, max_tries=3, store=store, count="failed")
    for number in (1, 2):
        setattr(retryer, where, broken)
        with pytest.raises(LookupError):
            style.call(retryer, script(OSError("busy")))
        assert store.load(KEY).attempts == number
        assert [failure.attempt for failure in store.history(KEY)] == list(range(1, number + 1))
        retryer = retryer.copy(**{where: getattr(style.retryer(key=KEY), where)})


def test_a_loop_that_is_left_after_a_failure_has_counted_it(style, store, script):
    for number in (1, 2):
        job = script(OSError("busy"))
        retryer = style.retryer(key=KEY, max_tries=3, store=store, count="failed")
        style.loop(retryer, lambda attempt, job=job: job(), lambda attempt: True)
        assert store.load(KEY).attempts == number
