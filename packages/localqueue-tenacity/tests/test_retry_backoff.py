"""The backoff is stored, and a later call sleeps what is left of it."""

import time
from datetime import timedelta

import pytest
from tenacity import wait_fixed

from localqueue.core import RetryRecord
from localqueue.retry import RetryDeferred

KEY = "report:7"
HOUR = 3600.0


def failed_once(store, *, ago, wait, **fields):
    now = time.time()
    store.save(
        KEY,
        RetryRecord(
            attempts=1,
            first_attempt_at=now - ago,
            last_error_at=now - ago,
            next_attempt_at=now - ago + wait,
            **fields,
        ),
    )


def test_a_failure_stores_when_the_next_attempt_is_due(store, style, script):
    due = []

    def sleep(seconds):
        due.append(store.load(KEY).next_attempt_at - time.time())

    retryer = style.retryer(key=KEY, max_tries=2, store=store, wait=wait_fixed(30), sleep=sleep)
    assert style.call(retryer, script(OSError("busy"))) == "done"
    assert due == [pytest.approx(30, abs=1)]


def test_a_call_sleeps_its_own_backoff_once(store, style, script, naps):
    retryer = style.retryer(key=KEY, max_tries=4, store=store, wait=wait_fixed(30), sleep=naps)
    style.call(retryer, script(OSError("one"), OSError("two")))
    assert naps == [30.0, 30.0]


def test_a_later_call_sleeps_what_is_left(store, style, script, naps):
    failed_once(store, ago=10, wait=30)
    job = script()
    style.call(style.retryer(key=KEY, max_tries=3, store=store, sleep=naps), job)

    assert naps == [pytest.approx(20, abs=1)]
    assert job.calls == 1


def test_a_backoff_that_is_over_is_not_slept(store, style, script, naps):
    failed_once(store, ago=40, wait=30)
    style.call(style.retryer(key=KEY, max_tries=3, store=store, sleep=naps), script())
    assert naps == []


def test_no_wait_stores_no_time(store, style, script):
    retryer = style.retryer(key=KEY, max_tries=3, store=store, wait=lambda _: 0)
    seen = []
    style.call(retryer, script(OSError("busy"), lambda: seen.append(store.load(KEY))))
    assert seen[0].next_attempt_at is None


@pytest.mark.parametrize("hours", [1, 24 * 365])
def test_a_clock_set_back_does_not_stretch_the_backoff(store, style, script, naps, clock, hours):
    failed_once(store, ago=0, wait=30)
    clock.move(-hours * HOUR)
    style.call(style.retryer(key=KEY, max_tries=3, store=store, sleep=naps), script())
    assert naps == [pytest.approx(30, abs=0.01)]


def test_a_clock_set_forward_ends_the_backoff(store, style, script, naps, clock):
    failed_once(store, ago=0, wait=30)
    clock.move(HOUR)
    style.call(style.retryer(key=KEY, max_tries=3, store=store, sleep=naps), script())
    assert naps == []


def test_a_clock_set_back_while_a_call_sleeps_costs_no_second_sleep(
    store, style, script, naps, clock
):
    def sleep(seconds):
        naps(seconds)
        clock.move(-HOUR)

    retryer = style.retryer(key=KEY, max_tries=3, store=store, wait=wait_fixed(30), sleep=sleep)
    assert style.call(retryer, script(OSError("busy"))) == "done"
    assert naps == [30.0]


def test_a_backoff_that_others_move_during_the_sleep_is_slept_too(store, style, script, naps):
    def sleep(seconds):
        naps(seconds)
        if len(naps) == 1:
            failed_once(store, ago=0, wait=60)

    failed_once(store, ago=0, wait=30)
    style.call(style.retryer(key=KEY, max_tries=3, store=store, sleep=sleep), script())
    assert naps == [pytest.approx(30, abs=1), pytest.approx(60, abs=1)]


@pytest.mark.parametrize("limit", [5, 5.0, timedelta(seconds=5), 0, timedelta(0)])
def test_a_longer_wait_than_the_process_has_time_for_is_deferred(store, style, script, naps, limit):
    retryer = style.retryer(
        key=KEY,
        max_tries=3,
        store=store,
        wait=wait_fixed(30),
        max_in_process_wait=limit,
        sleep=naps,
    )
    error = OSError("busy")
    with pytest.raises(RetryDeferred) as raised:
        style.call(retryer, script(error))

    deferred = raised.value
    assert deferred.__cause__ is error
    assert (deferred.key, deferred.attempts) == (KEY, 1)
    record = store.load(KEY)
    assert deferred.next_attempt_at == record.next_attempt_at
    assert record.next_attempt_at == pytest.approx(time.time() + 30, abs=1)
    assert (record.attempts, record.exhausted) == (1, False)
    assert naps == []
    assert "'report:7'" in str(deferred)


def test_a_call_before_its_time_is_deferred_without_running(store, style, script, naps):
    failed_once(store, ago=10, wait=30)
    before = store.load(KEY)
    job = script()
    retryer = style.retryer(key=KEY, max_tries=3, store=store, max_in_process_wait=5, sleep=naps)
    with pytest.raises(RetryDeferred) as raised:
        style.call(retryer, job)

    assert (job.calls, naps) == (0, [])
    assert raised.value.attempts == 1
    assert raised.value.next_attempt_at == pytest.approx(before.next_attempt_at, abs=0.01)
    assert raised.value.__cause__ is None
    assert store.load(KEY).revision == before.revision


def test_a_deferred_call_goes_on_when_its_time_has_come(store, style, script, naps, clock):
    def retryer():
        return style.retryer(
            key=KEY,
            max_tries=2,
            store=store,
            wait=wait_fixed(30),
            max_in_process_wait=0,
            sleep=naps,
        )

    with pytest.raises(RetryDeferred):
        style.call(retryer(), script(OSError("one")))
    with pytest.raises(RetryDeferred):
        style.call(retryer(), script("too early"))
    clock.move(31)
    with pytest.raises(OSError, match="two"):
        style.call(retryer(), script(OSError("two")))

    assert store.load(KEY).exhausted
    assert naps == []


def test_a_wait_within_the_limit_is_slept(store, style, script, naps):
    retryer = style.retryer(
        key=KEY, max_tries=3, store=store, wait=wait_fixed(5), max_in_process_wait=5, sleep=naps
    )
    assert style.call(retryer, script(OSError("busy"))) == "done"
    assert naps == [5.0]


def test_without_a_wait_a_limit_of_zero_defers_nothing(store, style, script, naps):
    retryer = style.retryer(
        key=KEY, max_tries=3, store=store, wait=lambda _: 0, max_in_process_wait=0, sleep=naps
    )
    assert style.call(retryer, script(OSError("busy"))) == "done"


def test_before_sleep_is_not_called_for_a_deferred_attempt(store, style, script):
    called = []
    retryer = style.retryer(
        key=KEY,
        max_tries=3,
        store=store,
        wait=wait_fixed(30),
        max_in_process_wait=1,
        before_sleep=called.append,
    )
    with pytest.raises(RetryDeferred):
        style.call(retryer, script(OSError("busy")))
    assert called == []


def test_the_last_failure_is_not_deferred(store, style, script):
    retryer = style.retryer(
        key=KEY, max_tries=1, store=store, wait=wait_fixed(30), max_in_process_wait=0
    )
    with pytest.raises(OSError, match="busy"):
        style.call(retryer, script(OSError("busy")))
    assert store.load(KEY).exhausted


def test_a_reset_ends_the_backoff(store, style, script, naps):
    failed_once(store, ago=0, wait=30)
    retryer = style.retryer(key=KEY, max_tries=3, store=store, sleep=naps)
    retryer.reset()
    assert style.call(retryer, script()) == "done"
    assert naps == []


@pytest.mark.parametrize("at", [1e300, -1e300, float("inf")])
def test_a_deferral_to_an_impossible_time_can_be_printed(at):
    assert "'report:7'" in str(RetryDeferred(KEY, at, 1))
