"""Options that are wrong or contradict each other fail when they are given, not at the call."""

import functools
from datetime import timedelta

import pytest
import tenacity

from localqueue.core import MemoryAttemptStore
from localqueue.retry import (
    PersistentAsyncRetrying,
    PersistentRetrying,
    key_from_argument,
    persistent_async_retry,
    persistent_retry,
)

MAKERS = [PersistentRetrying, PersistentAsyncRetrying, persistent_retry, persistent_async_retry]
STOP = tenacity.stop_after_attempt(3)


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.__name__)
def make(request):
    return request.param


@pytest.mark.parametrize("tries", [0, -1, 1.5, 3.0, True, False, "3", float("inf")])
def test_max_tries_is_an_int_of_at_least_one(make, tries):
    with pytest.raises(ValueError, match="max_tries must be an int of at least 1"):
        make(key="job", max_tries=tries)


@pytest.mark.parametrize(
    "rivals",
    [
        {"max_tries": 3, "stop": STOP},
        {"key": "job", "key_fn": key_from_argument("job_id")},
        {"store": MemoryAttemptStore(), "store_path": "/nowhere/retries.sqlite3"},
        {"store": "memory:", "store_path": "/nowhere/retries.sqlite3"},
    ],
    ids=" and ".join,
)
def test_two_sources_of_truth_are_refused(make, rivals):
    one, other = rivals
    with pytest.raises(ValueError, match=f"give {one}= or {other}=, not both"):
        make(**{"key": "job"} | rivals if "key_fn" not in rivals else rivals)


@pytest.mark.parametrize(
    "rivals",
    [
        {"max_tries": None, "stop": STOP},
        {"max_tries": 3, "stop": None},
        {"key": "job", "key_fn": None},
        {"store": MemoryAttemptStore(), "store_path": None},
        {"max_in_process_wait": None},
    ],
    ids=lambda rivals: ",".join(f"{name}={value is not None}" for name, value in rivals.items()),
)
def test_none_means_not_given(make, rivals):
    make(**rivals)


@pytest.mark.parametrize("name", ["max_attempts", "timeout", "stop_", "Key", "on"])
def test_an_unknown_option_is_named_beside_the_known_ones(make, name):
    with pytest.raises(TypeError, match=f"unknown retry option '{name}'; known are: .*max_tries"):
        make(key="job", **{name: 1})


@pytest.mark.parametrize(
    ("option", "value", "error", "text"),
    [
        ("count", "start", ValueError, "'started' or 'failed'"),
        ("count", None, ValueError, "'started' or 'failed'"),
        ("count", ["started"], ValueError, "'started' or 'failed'"),
        ("record_errors", "none", ValueError, "'message' or 'type'"),
        ("record_errors", True, ValueError, "'message' or 'type'"),
        ("max_in_process_wait", -1, ValueError, "0 or more seconds"),
        ("max_in_process_wait", timedelta(seconds=-1), ValueError, "0 or more seconds"),
        ("max_in_process_wait", float("nan"), ValueError, "0 or more seconds"),
        ("max_in_process_wait", float("inf"), ValueError, "0 or more seconds"),
        ("max_in_process_wait", "5", ValueError, "0 or more seconds"),
        ("max_in_process_wait", True, ValueError, "0 or more seconds"),
        ("max_interruptions", -1, ValueError, "at least 0"),
        ("max_interruptions", 1.0, ValueError, "at least 0"),
        ("max_interruptions", True, ValueError, "at least 0"),
        ("max_interruptions", None, ValueError, "at least 0"),
        ("store", 5, TypeError, "an attempt store or its URL"),
        ("store", {}, TypeError, "an attempt store or its URL"),
        ("store", MemoryAttemptStore, TypeError, "an attempt store or its URL"),
        ("store", "retries.sqlite3", ValueError, "is not a store URL"),
        ("store", "nosuch:///x", ValueError, "no store is known for the scheme 'nosuch'"),
        ("key", "", ValueError, "must not be empty"),
        ("key", 5, ValueError, "must be a str"),
        ("key", "\ud800", ValueError, "cannot be written as UTF-8"),
        ("key_fn", "job_id", TypeError, "key_fn must be callable"),
    ],
)
def test_a_wrong_value_is_refused(make, option, value, error, text):
    with pytest.raises(error, match=text):
        make(**{option: value})


def test_retry_with_and_copy_check_as_the_constructor_does(make):
    retryer = PersistentRetrying(key="job", store="memory:")
    decorated = retryer.wraps(print)
    for change in (retryer.copy, decorated.retry_with):
        with pytest.raises(ValueError, match="max_tries"):
            change(max_tries=0)
        with pytest.raises(TypeError, match="unknown retry option 'tries'"):
            change(tries=1)
        with pytest.raises(ValueError, match="not both"):
            change(max_tries=1, stop=STOP)


def test_an_override_takes_the_place_of_its_rival(tmp_path):
    retryer = PersistentRetrying(key="job", max_tries=3, store="memory:")
    assert retryer.copy(stop=tenacity.stop_never).stop is tenacity.stop_never
    by_argument = retryer.copy(key_fn=key_from_argument("job_id"))
    with pytest.raises(ValueError, match="not bound to one"):
        by_argument.get_record()
    moved = retryer.copy(store_path=tmp_path / "moved.sqlite3")
    moved(lambda: None)
    assert (tmp_path / "moved.sqlite3").exists()


def generator(job_id):
    yield job_id


async def async_generator(job_id):
    yield job_id


@pytest.mark.parametrize("fn", [generator, async_generator])
def test_a_generator_function_is_refused_at_decoration(make, fn):
    decorate = make(key="job") if make in MAKERS[2:] else make(key="job").wraps
    with pytest.raises(TypeError, match=f"{fn.__name__}\\(\\) is a generator function"):
        decorate(fn)


class Generator:
    def __call__(self, job_id):
        yield job_id


class AsyncGenerator:
    async def __call__(self, job_id):
        yield job_id


@pytest.mark.parametrize(
    "fn",
    [
        generator,
        async_generator,
        Generator(),
        AsyncGenerator(),
        functools.partial(generator, "1"),
        functools.partial(Generator(), "1"),
        Generator().__call__,
    ],
)
def test_a_generator_function_is_refused_in_a_direct_call(style, store, fn):
    retryer = style.retryer(key="job", store=store)
    with pytest.raises(TypeError, match="is a generator function"):
        style.run(retryer, fn, "1")
    assert store.load("job") is None


@pytest.mark.parametrize("what", [5, None, "job"])
def test_what_cannot_be_called_cannot_be_retried(make, what):
    decorate = make(key="job") if make in MAKERS[2:] else make(key="job").wraps
    with pytest.raises(TypeError, match="only a function can be retried"):
        decorate(what)


async def coroutine(job_id):
    return job_id


def test_a_blocking_retryer_refuses_a_coroutine_function():
    retryer = PersistentRetrying(key="job", store="memory:")
    for use in (retryer, retryer.wraps):
        with pytest.raises(TypeError, match="use PersistentAsyncRetrying"):
            use(coroutine)


def test_an_async_retryer_is_no_plain_iterable():
    with pytest.raises(TypeError, match="not iterable"):
        iter(PersistentAsyncRetrying(key="job", store="memory:"))


def test_the_defaults_are_those_that_are_documented():
    retryer = PersistentRetrying(key="job")
    assert retryer.reraise is True
    assert retryer.stop is tenacity.stop_never
    assert isinstance(retryer.wait, tenacity.wait_exponential_jitter)
    state = tenacity.RetryCallState(retryer, None, (), {})
    assert 1 <= retryer.wait(state) <= 2
    state.attempt_number = 50
    assert retryer.wait(state) == 60
    assert retryer.enabled is True
    assert retryer.name is None
