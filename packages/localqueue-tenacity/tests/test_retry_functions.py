"""Functions of every kind, and results and errors that look like something else."""

import functools

import pytest
from tenacity import DoAttempt, DoSleep, RetryError, TryAgain, retry_if_result, wait_none

from localqueue.retry import PersistentRetrying, key_from_argument

KEY = "job:1"

RESULTS = [
    None,
    False,
    0,
    "",
    [],
    OSError("as a value"),
    StopIteration(1),
    KeyboardInterrupt(),
    OSError,
    DoSleep(5.0),
    DoAttempt(),
    NotImplemented,
]


@pytest.mark.parametrize("result", RESULTS, ids=repr)
@pytest.mark.parametrize("tries", [1, 3])
def test_any_result_is_a_success(style, store, naps, result, tries):
    calls = []

    def job():
        calls.append(1)
        return result

    retryer = style.retryer(key=KEY, max_tries=tries, store=store, sleep=naps)
    assert style.call(retryer, job) is result
    assert len(calls) == 1
    assert naps == []
    assert store.load(KEY) is None


@pytest.mark.parametrize("result", RESULTS, ids=repr)
def test_any_result_can_come_from_the_error_callback(style, store, script, naps, result):
    retryer = style.retryer(
        key=KEY, max_tries=1, store=store, sleep=naps, retry_error_callback=lambda _: result
    )
    assert style.call(retryer, script(OSError("busy"))) is result
    assert naps == []
    assert (store.load(KEY).attempts, store.load(KEY).exhausted) == (1, True)


@pytest.mark.parametrize("result", [DoSleep(5.0), DoAttempt(), None], ids=repr)
def test_any_result_can_be_retried(style, store, result):
    calls = []

    def job():
        calls.append(1)
        return result

    retryer = style.retryer(
        key=KEY, max_tries=3, store=store, retry=retry_if_result(lambda value: value is result)
    )
    with pytest.raises(RetryError):
        style.call(retryer, job)
    assert len(calls) == 3


def test_stop_iteration_is_an_error_like_any_other(store, script, naps):
    """A coroutine cannot raise it; Python turns it into a RuntimeError."""
    retryer = PersistentRetrying(key=KEY, max_tries=2, store=store, sleep=naps)
    error = StopIteration("over")
    assert retryer(script(StopIteration("once"))) == "done"
    with pytest.raises(StopIteration) as raised:
        retryer(script(StopIteration("once"), error))
    assert raised.value is error
    assert (store.load(KEY).attempts, store.load(KEY).exhausted) == (2, True)


def test_stop_async_iteration_is_an_error_like_any_other(style, store, script):
    retryer = style.retryer(key=KEY, max_tries=3, store=store)
    assert style.call(retryer, script(StopAsyncIteration)) == "done"


def test_generator_exit_is_an_interruption(store, script, naps):
    retryer = PersistentRetrying(key=KEY, max_tries=2, store=store, sleep=naps)
    with pytest.raises(GeneratorExit):
        retryer(script(GeneratorExit))
    assert (store.load(KEY).attempts, store.load(KEY).interruptions) == (0, 1)


def test_try_again_comes_out_as_what_it_was_raised_for(style, store):
    def job():
        try:
            int("seven")
        except ValueError:
            raise TryAgain from None

    with pytest.raises((TryAgain, ValueError)):  # newer versions of Tenacity unwrap it
        style.call(style.retryer(key=KEY, max_tries=2, store=store), job)
    assert (store.load(KEY).attempts, store.load(KEY).exhausted) == (2, True)


class Caller:
    """A callable object."""

    def __init__(self):
        self.calls = 0

    def __call__(self, job_id):
        self.calls += 1
        if self.calls == 1:
            raise OSError("busy")
        return job_id


class AsyncCaller(Caller):
    async def __call__(self, job_id):
        return Caller.__call__(self, job_id)


def test_callable_objects_and_partials_are_retried(style, store):
    kind = AsyncCaller if style.is_async else Caller
    retryer = style.retryer(key=KEY, max_tries=3, store=store)
    assert style.run(retryer, kind(), "7") == "7"
    assert style.run(retryer, functools.partial(kind(), "7")) == "7"
    assert style.run(retryer.wraps(kind()), "7") == "7"
    assert style.run(retryer.wraps(functools.partial(kind(), job_id="7"))) == "7"
    assert store.load(KEY) is None


def test_an_async_callable_object_is_refused_by_a_blocking_retryer(store):
    retryer = PersistentRetrying(key=KEY, store=store)
    for fn in (AsyncCaller(), functools.partial(AsyncCaller(), "7")):
        with pytest.raises(TypeError, match="coroutine function"):
            retryer(fn)


def test_builtins_and_classes_are_retried(store):
    retryer = PersistentRetrying(key=KEY, max_tries=1, store=store)
    assert retryer(int, "7") == 7
    assert retryer(sorted, [2, 1]) == [1, 2]
    with pytest.raises(ValueError, match="invalid literal"):
        retryer(int, "seven")
    assert store.load(KEY).function == "builtins.int"


def test_retried_functions_may_call_each_other(style, store, naps):
    options = {"max_tries": 2, "store": store, "sleep": naps, "wait": wait_none()}
    inner = PersistentRetrying(key="inner", **options)
    calls = []

    def fragile():
        calls.append("inner")
        if len(calls) == 2:
            raise OSError("inner is busy")
        return "done"

    def outer_job():
        calls.append("outer")
        return inner(fragile)

    retryer = style.retryer(key="outer", **options)
    assert style.call(retryer, outer_job) == "done"
    assert calls == ["outer", "inner", "inner"]
    assert store.records() == []
    assert retryer.statistics["attempt_number"] == 1
    assert inner.statistics["attempt_number"] == 2


def test_a_retried_function_may_call_itself(store, naps):
    retryer = PersistentRetrying(
        key_fn=key_from_argument("depth"), max_tries=2, store=store, sleep=naps
    )
    failed = set()

    @retryer.wraps
    def count_down(depth):
        if depth not in failed:
            failed.add(depth)
            raise OSError("busy")
        return [depth, *count_down(depth - 1)] if depth else [0]

    assert count_down(5) == [5, 4, 3, 2, 1, 0]
    assert store.records() == []
