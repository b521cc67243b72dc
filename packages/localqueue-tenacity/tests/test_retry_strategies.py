"""Callbacks and strategies, blocking and async, alone and combined."""

import inspect

import pytest
import tenacity
from tenacity import (
    retry_all,
    retry_any,
    retry_if_exception,
    retry_if_exception_message,
    retry_if_exception_type,
    retry_if_result,
    stop_all,
    stop_when_event_set,
    wait_chain,
    wait_exponential,
    wait_fixed,
)
from tenacity.asyncio import retry as async_retry

KEY = "job:1"


@pytest.fixture(params=["plain", "async"])
def callback(request, style):
    """Makes a function of the state that remembers its calls: async where the style allows it."""
    if request.param == "async" and not style.is_async:
        return blocking
    return blocking if request.param == "plain" else with_await


def blocking(seen, value=None):
    def plain(state):
        seen.append(state.attempt_number)
        return value

    return plain


def with_await(seen, value=None):
    async def awaited(state):
        seen.append(state.attempt_number)
        return value

    return awaited


@pytest.mark.parametrize(
    ("option", "numbers"), [("before", [1, 2]), ("after", [1]), ("before_sleep", [1])]
)
def test_callbacks_are_called_and_awaited(style, store, script, callback, option, numbers):
    seen = []
    retryer = style.retryer(key=KEY, max_tries=3, store=store, **{option: callback(seen)})
    style.call(retryer, script(OSError("busy")))
    assert seen == numbers


def test_the_error_callback_gives_the_result(style, store, script, callback):
    seen = []
    retryer = style.retryer(
        key=KEY, max_tries=2, store=store, retry_error_callback=callback(seen, "fallback")
    )
    assert style.call(retryer, script(*[OSError("busy")] * 2)) == "fallback"
    assert seen == [2]
    assert store.load(KEY).exhausted


def test_an_error_callback_may_return_none(style, store, script):
    retryer = style.retryer(key=KEY, max_tries=1, store=store, retry_error_callback=lambda _: None)
    assert style.call(retryer, script(OSError("busy"))) is None


def test_an_error_callback_may_raise(style, store, script):
    def callback(state):
        raise LookupError("nothing left") from state.outcome.exception()

    retryer = style.retryer(key=KEY, max_tries=1, store=store, retry_error_callback=callback)
    with pytest.raises(LookupError, match="nothing left"):
        style.call(retryer, script(OSError("busy")))
    assert store.load(KEY).exhausted
    assert store.load(KEY).last_error_type == "OSError"


def test_a_stop_strategy_is_asked_after_each_failure(style, store, script, callback):
    seen = []
    retryer = style.retryer(key=KEY, store=store, stop=callback(seen, value=False))
    style.call(retryer, script(*[OSError("busy")] * 2))
    assert seen[:2] == [1, 2]


def test_a_stop_strategy_that_says_yes_ends_the_budget(style, store, script, callback):
    retryer = style.retryer(key=KEY, store=store, stop=callback([], value=True))
    job = script(OSError("busy"), "never")
    with pytest.raises(OSError, match="busy"):
        style.call(retryer, job)
    assert job.calls == 1
    assert store.load(KEY).exhausted


def test_a_wait_strategy_says_how_long_to_sleep(style, store, script, callback, naps):
    seen = []
    retryer = style.retryer(
        key=KEY, max_tries=3, store=store, wait=callback(seen, value=4), sleep=naps
    )
    style.call(retryer, script(OSError("busy")))
    assert (seen, naps) == ([1], [4.0])


def test_a_retry_strategy_decides(style, store, script, callback):
    def wanted(answer):
        return callback([], value=answer)

    retryer = style.retryer(key=KEY, max_tries=3, store=store, retry=wanted(answer=False))
    with pytest.raises(OSError, match="busy"):
        style.call(retryer, script(OSError("busy")))
    assert store.load(KEY) is None

    job = script("one", "two")
    retryer = style.retryer(key=KEY, max_tries=2, store=store, retry=wanted(answer=True))
    with pytest.raises(tenacity.RetryError):
        style.call(retryer, job)
    assert job.calls == 2


def test_an_async_sleep_is_awaited(style, store, script):
    slept = []

    async def nap(seconds):
        slept.append(seconds)

    if not style.is_async:
        return
    retryer = style.retryer(key=KEY, max_tries=3, store=store, wait=wait_fixed(4), sleep=nap)
    style.call(retryer, script(OSError("busy")))
    assert slept == [4.0]


def test_tenacity_s_async_predicates_work(style, store, script):
    if not style.is_async:
        return

    async def is_busy(error):
        return isinstance(error, OSError)

    async def is_none(value):
        return value is None

    retry = async_retry.retry_any(
        async_retry.retry_if_exception(is_busy), async_retry.retry_if_result(is_none)
    )
    retryer = style.retryer(key=KEY, max_tries=5, store=store, retry=retry)
    assert style.call(retryer, script(OSError("busy"), None, "sent")) == "sent"
    with pytest.raises(ValueError, match="bad"):
        style.call(retryer, script(OSError("busy"), ValueError("bad")))
    assert store.load(KEY).attempts == 1


@pytest.mark.parametrize(
    ("retry", "outcomes", "calls"),
    [
        (retry_if_exception_type((ConnectionError, TimeoutError)), [TimeoutError("t")], 2),
        (retry_if_exception(lambda e: "busy" in str(e)), [OSError("busy")], 2),
        (retry_if_exception_message(match="busy.*"), [OSError("busy now")], 2),
        (retry_if_result(lambda v: v == "again"), ["again"], 2),
        (
            retry_any(retry_if_result(lambda v: v == "again"), retry_if_exception_type(OSError)),
            ["again", OSError("busy")],
            3,
        ),
        (
            retry_all(retry_if_exception_type(OSError), retry_if_exception_message("busy")),
            [OSError("busy")],
            2,
        ),
        (
            retry_if_result(lambda v: v == "again") | retry_if_exception_type(OSError),
            [OSError("busy"), "again"],
            3,
        ),
    ],
    ids=["types", "predicate", "message", "result", "any", "all", "or"],
)
def test_tenacity_s_predicates_combine(style, store, script, retry, outcomes, calls):
    job = script(*outcomes)
    retryer = style.retryer(key=KEY, max_tries=9, store=store, retry=retry)
    assert style.call(retryer, job) == "done"
    assert job.calls == calls


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (wait_chain(wait_fixed(1), wait_fixed(5)), [1.0, 5.0, 5.0]),
        (wait_fixed(1) + wait_fixed(2), [3.0, 3.0, 3.0]),
        (wait_exponential(multiplier=1), [1.0, 2.0, 4.0]),
        (tenacity.wait_incrementing(start=1, increment=2), [1.0, 3.0, 5.0]),
        (tenacity.wait_none(), [0.0, 0.0, 0.0]),
        (None, [0.0, 0.0, 0.0]),
        (lambda state: state.attempt_number / 2, [0.5, 1.0, 1.5]),
    ],
    ids=["chain", "sum", "exponential", "incrementing", "none", "None", "function"],
)
def test_wait_strategies_are_slept(style, store, script, naps, wait, expected):
    retryer = style.retryer(key=KEY, max_tries=9, store=store, wait=wait, sleep=naps)
    style.call(retryer, script(*[OSError("busy")] * 3))
    assert naps == expected


def test_a_backoff_grows_with_the_durable_attempt_number(style, store, script, naps):
    for _ in range(2):
        retryer = style.retryer(
            key=KEY, max_tries=9, store=store, wait=wait_exponential(multiplier=1), sleep=naps
        )
        with pytest.raises(KeyboardInterrupt):
            style.call(retryer, script(OSError("busy"), KeyboardInterrupt))
    assert naps == [1.0, 2.0]


def test_stop_strategies_combine(style, store, script):
    import threading

    event = threading.Event()
    stop = stop_all(stop_when_event_set(event), tenacity.stop_after_attempt(2))
    job = script(OSError("1"), OSError("2"), event.set, OSError("4"))

    def fail():
        job()
        raise OSError("busy")

    with pytest.raises(OSError):  # noqa: PT011  # its number is what the next line checks
        style.call(style.retryer(key=KEY, stop=stop, store=store), fail)
    assert job.calls == 3


def test_the_fixture_really_gives_async_callbacks(style, callback):
    if style.is_async:
        assert callback in (blocking, with_await)
    assert inspect.iscoroutinefunction(with_await([]))
