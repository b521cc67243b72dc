"""An interrupted attempt is given back, a limited number of times, and never retried."""

import time

import pytest
from tenacity import retry_if_exception_type

from localqueue.core import RetryRecord
from localqueue.retry import PersistentRetryExhausted

KEY = "report:7"


class Unplugged(BaseException):
    pass


INTERRUPTIONS = [KeyboardInterrupt, SystemExit, Unplugged]


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
def test_an_interruption_is_raised_again_and_never_retried(store, style, script, interruption):
    job = script(interruption("stop"), "never")
    retryer = style.retryer(
        key=KEY, max_tries=3, store=store, retry=retry_if_exception_type(BaseException)
    )
    with pytest.raises(interruption):
        style.call(retryer, job)

    assert job.calls == 1
    record = store.load(KEY)
    assert (record.attempts, record.interruptions, record.exhausted) == (0, 1, False)


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
def test_five_interruptions_are_given_back_and_the_sixth_counts(store, style, script, interruption):
    retryer = style.retryer(key=KEY, max_tries=1, store=store)
    for number in range(1, 6):
        with pytest.raises(interruption):
            style.call(retryer, script(interruption))
        assert (store.load(KEY).attempts, store.load(KEY).interruptions) == (0, number)

    with pytest.raises(interruption):
        style.call(retryer, script(interruption))
    record = store.load(KEY)
    assert (record.attempts, record.interruptions) == (1, 5)
    assert record.last_error_type.endswith(interruption.__name__)
    assert [failure.attempt for failure in store.history(KEY)] == [1]

    job = script()
    with pytest.raises(PersistentRetryExhausted):
        style.call(retryer, job)
    assert job.calls == 0


def test_max_interruptions_zero_counts_the_first(store, style, script):
    retryer = style.retryer(key=KEY, max_tries=2, store=store, max_interruptions=0)
    with pytest.raises(KeyboardInterrupt):
        style.call(retryer, script(KeyboardInterrupt))

    assert (store.load(KEY).attempts, store.load(KEY).interruptions) == (1, 0)


def test_an_interruption_gives_back_only_its_own_attempt(store, style, script):
    retryer = style.retryer(key=KEY, max_tries=3, store=store)
    with pytest.raises(KeyboardInterrupt):
        style.call(retryer, script(OSError("busy"), KeyboardInterrupt))

    record = store.load(KEY)
    assert (record.attempts, record.interruptions) == (1, 1)
    assert record.last_error_message == "busy"


def test_an_interrupted_sleep_costs_nothing_more(store, style, script):
    def sleep(seconds):
        raise KeyboardInterrupt

    retryer = style.retryer(key=KEY, max_tries=3, store=store, sleep=sleep)
    with pytest.raises(KeyboardInterrupt):
        style.call(retryer, script(OSError("busy")))

    record = store.load(KEY)
    assert (record.attempts, record.interruptions) == (1, 0)
    assert record.next_attempt_at > time.time()


def test_an_interrupted_before_callback_is_given_back(store, style, script):
    def before(state):
        raise KeyboardInterrupt

    job = script()
    retryer = style.retryer(key=KEY, max_tries=3, store=store, before=before)
    with pytest.raises(KeyboardInterrupt):
        style.call(retryer, job)

    assert job.calls == 0
    assert (store.load(KEY).attempts, store.load(KEY).interruptions) == (0, 1)


def test_a_success_forgets_the_interruptions(store, style, script):
    retryer = style.retryer(key=KEY, max_tries=1, store=store)
    with pytest.raises(SystemExit):
        style.call(retryer, script(SystemExit))
    assert style.call(retryer, script("sent")) == "sent"

    assert store.load(KEY) is None


def test_an_exhausted_budget_is_not_opened_by_an_interruption(store, style, script):
    def exhausted_by_others():
        current = store.load(KEY)
        store.save(
            KEY,
            RetryRecord(
                attempts=current.attempts,
                first_attempt_at=current.first_attempt_at,
                exhausted=True,
                budget=current.budget,
            ),
        )
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        style.call(style.retryer(key=KEY, max_tries=3, store=store), exhausted_by_others)
    with pytest.raises(PersistentRetryExhausted):
        style.call(style.retryer(key=KEY, max_tries=9, store=store), script())
