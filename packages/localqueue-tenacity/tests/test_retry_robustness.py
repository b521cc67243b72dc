"""What a review found: lifetimes, odd callables, decorator orders, wrong strategies, reasons."""

import asyncio
import functools
import gc
import pickle
import subprocess
import sys
import textwrap
import weakref
from unittest.mock import Mock

import pytest
from tenacity import retry_never, wait_fixed

from localqueue.core import RetryRecord, function_name
from localqueue.retry import (
    PersistentAsyncRetrying,
    PersistentRetryExhausted,
    PersistentRetrying,
    RetryDeferred,
    SQLiteAttemptStore,
    key_from_argument,
    persistent_retry,
)


class Thing:
    """Something that a weak reference can watch."""


def blocking(job, *args, **kwargs):
    return PersistentRetrying(key="job", store="memory:")(job, *args, **kwargs)


def on_asyncio(job, *args, **kwargs):
    async def call():
        return await PersistentAsyncRetrying(key="job", store="memory:")(job, *args, **kwargs)

    return asyncio.run(call())


@pytest.mark.parametrize("call", [blocking, on_asyncio])
def test_arguments_and_result_go_away_with_the_call(call):
    argument, results = Thing(), []
    watched = weakref.ref(argument)

    def job(thing):
        result = Thing()
        results.append(weakref.ref(result))
        return result

    gc.collect()
    gc.disable()
    try:
        call(job, argument)
        del argument
        assert watched() is None
        assert results[0]() is None
    finally:
        gc.enable()


def test_a_mock_and_what_answers_every_attribute_can_be_retried():
    retryer = PersistentRetrying(key="job", store="memory:", max_tries=3, wait=None)
    job = Mock(side_effect=[ConnectionError("down"), "done"])

    assert retryer(job) == "done"
    assert function_name(job) == "unittest.mock.Mock"
    assert function_name(functools.partial(len, [])) == "builtins.len"


@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_the_retry_belongs_under_staticmethod_and_classmethod(kind):
    def job(name):
        return name

    with pytest.raises(TypeError, match=f"@{kind.__name__} belongs above the retry"):
        persistent_retry(key="job", store="memory:")(kind(job))

    class Jobs:
        method = kind(persistent_retry(key="job", store="memory:")(job))

    if kind is staticmethod:
        assert Jobs.method("x") == "x"


@pytest.mark.parametrize("name", ["wait", "retry", "sleep", "stop", "before", "after"])
def test_a_strategy_that_cannot_be_called_is_refused_at_once(name):
    with pytest.raises(TypeError, match=f"{name} must be callable.*, not 5"):
        PersistentRetrying(key="job", store="memory:", **{name: 5})


def test_an_exception_class_is_no_predicate():
    with pytest.raises(TypeError, match=r"retry_if_exception_type\(OSError\)"):
        PersistentRetrying(key="job", store="memory:", retry=OSError)


@pytest.mark.parametrize("call", [blocking, on_asyncio])
def test_parameters_of_the_job_may_have_any_name(call):
    def collect(**arguments):
        return arguments

    names = {"fn": 1, "self": 2, "key": 3, "args": 4, "kwargs": 5}
    assert PersistentRetrying(key="job", store="memory:")(collect, **names) == names
    assert call(functools.partial(collect, **names)) == names


def test_a_deferral_and_a_refusal_say_why_and_where(store, style, script):
    retryer = style.retryer(
        key="job", max_tries=2, store=store, wait=wait_fixed(60), max_in_process_wait=0
    )
    with pytest.raises(RetryDeferred):
        style.call(retryer, script(ConnectionError("no route")))
    with pytest.raises(RetryDeferred, match="last error: ConnectionError: no route") as later:
        style.call(retryer, script())
    assert later.value.record == store.load("job")
    assert str(pickle.loads(pickle.dumps(later.value))) == str(later.value)

    store.save("job", RetryRecord(2, 1.0, exhausted=True))
    with pytest.raises(PersistentRetryExhausted) as spent:
        style.call(retryer, script())
    assert spent.value.store == str(store)
    assert f"'job' in {store} is exhausted" in str(spent.value)
    assert str(pickle.loads(pickle.dumps(spent.value))) == str(spent.value)


def test_a_retryer_goes_to_a_spawned_process(tmp_path):
    retryer = PersistentRetrying(
        key_fn=key_from_argument("name"),
        store_path=tmp_path / "x.sqlite3",
        max_tries=2,
        retry=retry_never,  # older versions of Tenacity cannot pickle their default
    )
    again = pickle.loads(pickle.dumps(retryer))
    assert again(lambda name: name.upper(), "a") == "A"
    store = SQLiteAttemptStore(tmp_path / "x.sqlite3", timeout=3, durability="power")
    assert str(pickle.loads(pickle.dumps(store))) == str(store)


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_lost_outcome_is_seen_without_any_logging_set_up():
    done = run("""
        from localqueue.core import StoreFullError
        from localqueue.retry import MemoryAttemptStore, PersistentRetrying

        class Full(MemoryAttemptStore):
            def complete(self, key, *, budget, succeeded_at=None):
                raise StoreFullError("retries.sqlite3")

        print(PersistentRetrying(key="job", store=Full())(lambda: "sent"))
    """)
    assert done.stdout == "sent\n"
    assert "the outcome of 'job' could not be written down: retries.sqlite3: is full" in done.stderr
