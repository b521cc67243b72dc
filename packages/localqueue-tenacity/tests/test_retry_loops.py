"""Loops over the attempts of a block of code."""

import asyncio

import pytest
from tenacity import RetryError, retry_if_exception_type, retry_if_result

from localqueue.retry import (
    PersistentAsyncRetrying,
    PersistentRetryExhausted,
    PersistentRetrying,
    key_from_argument,
)

KEY = "job:1"


def on(_):
    return None


def test_a_block_is_run_until_it_succeeds(style, store, script):
    job = script(OSError("one"), OSError("two"))
    numbers = []

    def body(attempt):
        numbers.append(attempt.retry_state.attempt_number)
        job()

    style.loop(style.retryer(key=KEY, max_tries=3, store=store), body, on)
    assert numbers == [1, 2, 3]
    assert store.load(KEY) is None


def test_a_block_that_spends_the_budget_raises_its_error(style, store, script):
    error = OSError("two")
    job = script(OSError("one"), error)
    with pytest.raises(OSError, match="two") as raised:
        style.loop(style.retryer(key=KEY, max_tries=2, store=store), lambda _: job(), on)
    assert raised.value is error
    assert store.load(KEY).exhausted

    with pytest.raises(PersistentRetryExhausted):
        style.loop(style.retryer(key=KEY, max_tries=2, store=store), lambda _: job(), on)
    assert job.calls == 2


def test_a_permanent_error_ends_the_loop_and_gives_the_attempt_back(style, store, script):
    job = script(ValueError("bad"))
    retryer = style.retryer(
        key=KEY, max_tries=2, store=store, retry=retry_if_exception_type(OSError)
    )
    with pytest.raises(ValueError, match="bad"):
        style.loop(retryer, lambda _: job(), on)
    assert store.load(KEY) is None


def test_a_result_that_is_set_is_judged(style, store):
    """Tenacity's pattern for results of a block."""
    answers = iter([None, None, "sent"])
    got = []

    def after(attempt):
        if not attempt.retry_state.outcome.failed:
            got.append(next(answers))
            attempt.retry_state.set_result(got[-1])

    retryer = style.retryer(
        key=KEY, max_tries=5, store=store, retry=retry_if_result(lambda value: value is None)
    )
    style.loop(retryer, on, after)
    assert got == [None, None, "sent"]
    assert store.load(KEY) is None


def test_results_that_are_never_accepted_spend_the_budget(style, store):
    retryer = style.retryer(
        key=KEY, max_tries=2, store=store, retry=retry_if_result(lambda value: value is None)
    )
    with pytest.raises(RetryError):
        style.loop(retryer, on, lambda attempt: attempt.retry_state.set_result(None))
    assert store.load(KEY).exhausted


def test_a_loop_that_is_left_after_a_success_is_a_success(style, store):
    style.loop(style.retryer(key=KEY, max_tries=2, store=store), on, lambda _: True)
    assert store.load(KEY) is None


def test_a_loop_that_is_left_after_a_failure_counts_it(style, store, script):
    job = script(OSError("busy"))
    style.loop(style.retryer(key=KEY, max_tries=2, store=store), lambda _: job(), lambda _: True)
    record = store.load(KEY)
    assert (record.attempts, record.last_error_message, record.exhausted) == (1, "busy", False)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_block_gives_its_attempt_back(style, store, script, interruption):
    job = script(interruption)
    retryer = style.retryer(
        key=KEY, max_tries=2, store=store, retry=retry_if_exception_type(BaseException)
    )
    with pytest.raises(interruption):
        style.loop(retryer, lambda _: job(), on)
    assert (store.load(KEY).attempts, store.load(KEY).interruptions) == (0, 1)


def test_forgetting_the_with_is_told(store):
    retryer = PersistentRetrying(key=KEY, max_tries=3, store=store)
    with pytest.raises(RuntimeError, match="with attempt"):
        for _ in retryer:
            pass
    assert store.load(KEY) is None


def test_forgetting_the_async_with_is_told(store):
    retryer = PersistentAsyncRetrying(key=KEY, max_tries=3, store=store)

    async def main():
        async for _ in retryer:
            pass

    with pytest.raises(RuntimeError, match="with attempt"):
        asyncio.run(main())
    assert store.load(KEY) is None


def returns_from(retryer, job):
    for attempt in retryer:
        with attempt:
            return job()
    return None


def test_return_inside_the_with_is_a_success(store, script, naps):
    retryer = PersistentRetrying(key=KEY, max_tries=3, store=store, sleep=naps)
    assert returns_from(retryer, script(OSError("busy"), "sent")) == "sent"
    assert store.load(KEY) is None


def test_return_inside_the_async_with_is_a_success(store, script, naps):
    retryer = PersistentAsyncRetrying(key=KEY, max_tries=3, store=store, sleep=naps)
    job = script(OSError("busy"), "sent")

    async def send():
        async for attempt in retryer:
            async with attempt:
                return job()
        return None

    async def main():
        return await send(), await retryer.aget_record()

    assert asyncio.run(main()) == ("sent", None)


def test_break_inside_the_with_is_a_success(store):
    for attempt in PersistentRetrying(key=KEY, max_tries=3, store=store):
        with attempt:
            break
    assert store.load(KEY) is None


def test_break_before_the_with_gives_the_attempt_back(store):
    for _ in PersistentRetrying(key=KEY, max_tries=3, store=store):
        assert store.load(KEY).attempts == 1
        break
    assert (store.load(KEY).attempts, store.load(KEY).interruptions) == (0, 1)


def test_an_error_in_the_body_outside_the_with_goes_out(style, store):
    """The attempt itself succeeded."""

    def after(attempt):
        raise LookupError("outside")

    with pytest.raises(LookupError, match="outside"):
        style.loop(style.retryer(key=KEY, max_tries=3, store=store), on, after)
    if not style.is_async:
        assert store.load(KEY) is None


def test_a_plain_with_works_in_an_async_loop(store, script, naps):
    retryer = PersistentAsyncRetrying(key=KEY, max_tries=3, store=store, sleep=naps)
    job = script(OSError("busy"))

    async def main():
        async for attempt in retryer:
            with attempt:
                job()

    asyncio.run(main())
    assert job.calls == 2
    assert store.load(KEY) is None


def test_a_loop_needs_a_bound_key(style, store):
    for options in ({}, {"key_fn": key_from_argument("job_id")}):
        with pytest.raises(ValueError, match="key="):
            style.loop(style.retryer(store=store, **options), on, on)


def test_a_disabled_loop_runs_once_and_leaves_the_store_alone(style, store, script):
    retryer = style.retryer(key=KEY, max_tries=5, store=store, enabled=False)
    job = script(OSError("busy"))
    with pytest.raises(OSError, match="busy"):
        style.loop(retryer, lambda _: job(), on)
    assert job.calls == 1
    runs = []
    style.loop(retryer, runs.append, on)
    assert len(runs) == 1
    assert store.records() == []


def test_two_loops_over_one_retryer_do_not_mix(store, naps):
    retryer = PersistentAsyncRetrying(key=KEY, max_tries=50, store=store, sleep=naps)

    async def loop():
        numbers = []
        async for attempt in retryer:
            async with attempt:
                numbers.append(attempt.retry_state.attempt_number)
                await asyncio.sleep(0)
                if len(numbers) < 3:
                    raise OSError("busy")
        return len(numbers)

    async def main():
        return await asyncio.gather(*[loop() for _ in range(5)])

    assert asyncio.run(main()) == [3] * 5
    assert store.load(KEY) is None


def test_the_record_of_a_loop_bears_the_retryer_s_name(store):
    for attempt in PersistentRetrying(key=KEY, max_tries=3, store=store, name="nightly"):
        with attempt:
            assert store.load(KEY).function == "nightly"
