"""A spent budget refuses calls until it is reset, whoever spent it."""

import pickle
import time

import pytest
from tenacity import RetryError, stop_after_attempt

from localqueue.core import RetryRecord
from localqueue.retry import PersistentRetryExhausted, RetryDeferred

KEY = "payment:123"


def spend(style, store, script, tries=2):
    retryer = style.retryer(key=KEY, max_tries=tries, store=store)
    with pytest.raises(ConnectionError, match="refused"):
        style.call(retryer, script(*[ConnectionError("refused")] * tries))


def test_a_later_call_is_refused_without_running(store, style, script):
    spend(style, store, script)
    job = script()

    with pytest.raises(PersistentRetryExhausted) as raised:
        style.call(style.retryer(key=KEY, max_tries=2, store=store), job)

    assert job.calls == 0
    assert (raised.value.key, raised.value.attempts) == (KEY, 2)
    assert raised.value.record == store.load(KEY)
    assert raised.value.record.exhausted
    assert raised.value.__cause__ is None


def test_the_message_names_the_last_error_and_the_way_out(store, style, script):
    spend(style, store, script)
    with pytest.raises(PersistentRetryExhausted) as raised:
        style.call(style.retryer(key=KEY, max_tries=2, store=store), script())

    message = str(raised.value)
    assert "'payment:123'" in message
    assert "2 attempts" in message
    assert "ConnectionError: refused" in message
    assert "reset('payment:123')" in message


def test_the_message_admits_that_no_error_is_known():
    error = PersistentRetryExhausted(KEY, RetryRecord(attempts=3, exhausted=True))
    assert "no error was recorded" in str(error)


def test_what_is_raised_survives_pickling():
    record = RetryRecord(
        attempts=3, first_attempt_at=1.0, exhausted=True, last_error_type="OSError"
    )
    refused = pickle.loads(pickle.dumps(PersistentRetryExhausted(KEY, record)))
    assert (refused.key, refused.attempts, refused.record) == (KEY, 3, record)
    assert str(refused) == str(PersistentRetryExhausted(KEY, record))

    deferred = pickle.loads(pickle.dumps(RetryDeferred(KEY, 1_700_000_000.0, 2)))
    assert (deferred.key, deferred.next_attempt_at, deferred.attempts) == (
        KEY,
        1_700_000_000.0,
        2,
    )


def test_a_larger_budget_does_not_reopen_an_exhausted_key(store, style, script):
    job = script(*[OSError("busy")] * 2)
    decorated = style.decorated(job, key=KEY, max_tries=2, store=store)
    with pytest.raises(OSError, match="busy"):
        style.run(decorated)

    with pytest.raises(PersistentRetryExhausted):
        style.run(decorated.retry_with(max_tries=50))
    assert job.calls == 2

    assert decorated.retry.reset(KEY) is True
    assert style.run(decorated) == "done"


def test_reset_gives_a_whole_new_budget(store, style, script):
    spend(style, store, script)
    retryer = style.retryer(key=KEY, max_tries=2, store=store)
    assert retryer.reset() is True
    assert retryer.reset() is False
    assert retryer.get_record() is None

    spend(style, store, script)
    assert store.load(KEY).attempts == 2


def test_a_budget_exhausted_by_another_process_is_refused(store, style, script):
    store.save(
        KEY,
        RetryRecord(attempts=1, first_attempt_at=1.0, exhausted=True, owner="elsewhere:1"),
    )
    job = script()
    with pytest.raises(PersistentRetryExhausted):
        style.call(style.retryer(key=KEY, max_tries=9, store=store), job)
    assert job.calls == 0


def test_a_record_that_already_satisfies_stop_is_marked_and_refused(store, style, script):
    """Three processes died, or an older program had a larger budget."""
    store.save(KEY, RetryRecord(attempts=3, first_attempt_at=time.time()))
    before = time.time()
    job = script()

    with pytest.raises(PersistentRetryExhausted) as raised:
        style.call(style.retryer(key=KEY, max_tries=3, store=store), job)

    assert job.calls == 0
    record = store.load(KEY)
    assert (record.attempts, record.exhausted) == (3, True)
    assert before <= record.exhausted_at <= time.time()
    assert raised.value.record == record


def test_refusals_are_not_counted(store, style, script):
    spend(style, store, script)
    before = store.load(KEY)
    for _ in range(3):
        with pytest.raises(PersistentRetryExhausted):
            style.call(style.retryer(key=KEY, max_tries=2, store=store), script())

    assert store.load(KEY) == before
    assert store.load(KEY).revision == before.revision


def test_a_refusal_does_not_ask_the_callbacks(store, style, script):
    spend(style, store, script)

    def never(state):
        raise AssertionError("asked")

    names = ("before", "after", "before_sleep", "wait", "retry", "stop", "retry_error_callback")
    retryer = style.retryer(key=KEY, store=store, **dict.fromkeys(names, never))
    with pytest.raises(PersistentRetryExhausted):
        style.call(retryer, script())


def used_up_while_sleeping(store, exhausted):
    """A sleep during which another process makes the last attempt."""

    def sleep(seconds):
        record = store.load(KEY)
        store.save(
            KEY,
            RetryRecord(
                attempts=3,
                first_attempt_at=record.first_attempt_at,
                exhausted=exhausted,
                budget=record.budget,
            ),
        )

    return sleep


@pytest.mark.parametrize("count", ["started", "failed"])
@pytest.mark.parametrize("exhausted", [True, False], ids=["marked", "not marked yet"])
class TestOthersUseTheBudgetUpWhileACallWaits:
    def test_the_call_ends_with_its_own_last_error(self, store, style, script, exhausted, count):
        sleep = used_up_while_sleeping(store, exhausted)
        error = OSError("mine")
        job = script(error, "never")
        retryer = style.retryer(key=KEY, max_tries=3, store=store, sleep=sleep, count=count)
        with pytest.raises(OSError, match="mine") as raised:
            style.call(retryer, job)

        assert raised.value is error
        assert job.calls == 1
        assert store.load(KEY).exhausted

    def test_or_with_a_retry_error(self, store, style, script, exhausted, count):
        sleep = used_up_while_sleeping(store, exhausted)
        retryer = style.retryer(
            key=KEY, max_tries=3, store=store, sleep=sleep, count=count, reraise=False
        )
        with pytest.raises(RetryError) as raised:
            style.call(retryer, script(OSError("mine")))

        assert str(raised.value.last_attempt.exception()) == "mine"
        assert raised.value.last_attempt.attempt_number == 1

    def test_or_with_the_value_of_the_callback(self, store, style, script, exhausted, count):
        seen = []

        def fallback(state):
            seen.append((state.attempt_number, str(state.outcome.exception())))
            return "fallback"

        retryer = style.retryer(
            key=KEY,
            max_tries=3,
            store=store,
            sleep=used_up_while_sleeping(store, exhausted),
            retry_error_callback=fallback,
            count=count,
        )
        assert style.call(retryer, script(OSError("mine"))) == "fallback"
        assert seen == [(1, "mine")]


def test_the_callback_s_value_ends_an_exhausted_call(store, style, script):
    retryer = style.retryer(
        key=KEY, stop=stop_after_attempt(1), store=store, retry_error_callback=lambda _: "fallback"
    )
    assert style.call(retryer, script(OSError("busy"))) == "fallback"
    assert store.load(KEY).exhausted
