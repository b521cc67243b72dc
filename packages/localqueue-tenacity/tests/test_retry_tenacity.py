"""What a user of Tenacity expects of a retryer and of a decorated function."""

import inspect
import traceback

import pytest
import tenacity
from tenacity import RetryError, wait_fixed, wait_none

from localqueue.retry import (
    PersistentAsyncRetrying,
    PersistentRetrying,
    key_from_argument,
    persistent_async_retry,
    persistent_retry,
)

KEY = "job:1"


def send(job_id: str, *, urgent: bool = False) -> str:
    """Send it."""
    return f"sent {job_id}"


def test_retryers_are_tenacity_s(style):
    retryer = style.retryer(key=KEY)
    assert isinstance(retryer, tenacity.BaseRetrying)
    assert isinstance(retryer, tenacity.AsyncRetrying if style.is_async else tenacity.Retrying)


def test_a_decorated_function_keeps_its_face(style, store):
    decorated = style.decorated(send, key=KEY, store=store)
    assert decorated.__name__ == "send"
    assert decorated.__doc__ == "Send it."
    assert decorated.__module__ == send.__module__
    assert decorated.__kwdefaults__ == (None if style.is_async else {"urgent": False})
    assert inspect.signature(decorated) == inspect.signature(send)
    assert inspect.unwrap(decorated) is send
    assert inspect.iscoroutinefunction(decorated) is style.is_async


def test_persistent_retry_on_a_coroutine_function_retries_it(store, naps):
    runs = []

    @persistent_retry(key=KEY, max_tries=3, store=store, sleep=naps)
    async def fetch():
        runs.append(store.load(KEY).attempts)
        if len(runs) < 3:
            raise OSError("busy")
        return "payload"

    import asyncio

    assert inspect.iscoroutinefunction(fetch)
    assert isinstance(fetch.retry, PersistentAsyncRetrying)
    assert asyncio.run(fetch()) == "payload"
    assert runs == [1, 2, 3]


def test_the_async_decorator_makes_a_coroutine_function():
    @persistent_async_retry(key=KEY, store="memory:")
    async def fetch():
        return 1

    assert inspect.iscoroutinefunction(fetch)
    assert isinstance(fetch.retry, PersistentAsyncRetrying)


def test_the_bare_decorator_is_refused():
    with pytest.raises(TypeError):

        @persistent_retry
        def job():
            return None


def test_statistics_are_those_of_the_last_call(style, store, script):
    decorated = style.decorated(
        script(OSError("busy"), OSError("busy")),
        key=KEY,
        max_tries=5,
        store=store,
        wait=wait_fixed(3),
    )
    assert decorated.statistics == {}
    style.run(decorated)
    assert decorated.statistics["attempt_number"] == 3
    assert decorated.statistics["idle_for"] == 6
    assert decorated.retry.statistics["attempt_number"] == 3

    style.run(decorated)
    assert decorated.statistics["attempt_number"] == 1
    assert decorated.statistics["idle_for"] == 0


def test_statistics_of_a_direct_call_are_on_the_retryer(style, store, script):
    retryer = style.retryer(key=KEY, max_tries=5, store=store)
    assert retryer.statistics == {}
    style.call(retryer, script(OSError("busy")))
    assert retryer.statistics["attempt_number"] == 2


def test_strategies_that_are_changed_after_the_decoration_are_honoured(style, store, script, naps):
    """As tests of retried functions do."""
    decorated = style.decorated(
        script(OSError("busy")), key=KEY, max_tries=5, store=store, wait=wait_fixed(9)
    )
    decorated.retry.sleep = naps
    decorated.retry.wait = wait_fixed(2)
    style.run(decorated)
    assert naps == [2.0]

    job = script(OSError("busy"), "never")
    decorated = style.decorated(job, key=KEY, max_tries=5, store=store)
    decorated.retry.wait = wait_none()
    decorated.retry.stop = tenacity.stop_after_attempt(1)
    with pytest.raises(OSError, match="busy"):
        style.run(decorated)
    assert job.calls == 1


def test_callbacks_that_are_changed_after_the_decoration_are_honoured(style, store, script):
    seen = []
    decorated = style.decorated(
        script(OSError("busy"), ValueError("bad")), key=KEY, max_tries=5, store=store
    )
    decorated.retry.before_sleep = lambda state: seen.append(state.attempt_number)
    decorated.retry.retry = tenacity.retry_if_exception_type(OSError)
    with pytest.raises(ValueError, match="bad"):
        style.run(decorated)
    assert seen == [1]


def test_a_disabled_retryer_calls_once_and_leaves_the_store_alone(style, store, script):
    job = script(OSError("busy"))
    decorated = style.decorated(job, max_tries=5, store=store, enabled=False)  # needs no key
    with pytest.raises(OSError, match="busy"):
        style.run(decorated)
    assert style.call(style.retryer(key=KEY, store=store, enabled=False), script()) == "done"
    assert store.records() == []

    decorated.retry.enabled = True
    with pytest.raises(ValueError, match="no retry key"):
        style.run(decorated)


def test_the_name_is_how_a_retryer_prints(style):
    assert str(style.retryer(key=KEY, name="sender")) == "sender"
    assert style.retryer(key=KEY, name="sender").name == "sender"
    assert str(style.retryer(key=KEY)) == "<unknown>"


def test_reraise_false_wraps_the_last_error(style, store, script):
    error = OSError("busy")
    retryer = style.retryer(key=KEY, max_tries=1, store=store, reraise=False)
    with pytest.raises(RetryError) as raised:
        style.call(retryer, script(error))
    assert raised.value.__cause__ is error
    assert raised.value.last_attempt.attempt_number == 1


def test_retry_error_cls_is_used(style, store, script):
    class Gone(RetryError):
        pass

    retryer = style.retryer(key=KEY, max_tries=1, store=store, reraise=False, retry_error_cls=Gone)
    with pytest.raises(Gone):
        style.call(retryer, script(OSError("busy")))


def test_an_error_keeps_its_identity_and_its_traceback(style, store):
    error = OSError("busy")

    def fails_deep_inside():
        raise error

    retryer = style.retryer(key=KEY, max_tries=2, store=store, wait=wait_none())
    with pytest.raises(OSError, match="busy") as raised:
        style.call(retryer, fails_deep_inside)
    assert raised.value is error
    assert raised.value.__cause__ is None
    assert "fails_deep_inside" in [
        frame.name for frame in traceback.extract_tb(raised.value.__traceback__)
    ]


def test_get_record_on_a_decorated_function_does_not_disturb_it(style, store, script):
    """It broke later calls in 0.x."""
    decorated = style.decorated(
        script(OSError("busy")), key=KEY, max_tries=3, store=store, clear_on_success=False
    )
    assert decorated.retry.get_record(KEY) is None
    assert style.run(decorated) == "done"
    assert decorated.retry.get_record(KEY).attempts == 1
    assert decorated.retry.get_record().attempts == 1
    assert style.run(decorated) == "done"


def test_the_async_helpers_do_the_same_off_the_loop(store, style):
    if not style.is_async:
        assert not hasattr(style.retryer(key=KEY), "aget_record")
        return
    retryer = style.retryer(key=KEY, max_tries=1, store=store, clear_on_success=False)
    style.call(retryer, lambda: None)
    assert style.run(retryer.aget_record) == store.load(KEY)
    assert style.run(retryer.aget_record, "other") is None
    assert style.run(retryer.areset) is True
    assert style.run(retryer.areset, KEY) is False


def test_methods_are_retried_on_their_instances(style, store, naps):
    class Sender:
        def __init__(self, name):
            self.name = name
            self.calls = []

        def send(self, job_id, day="monday"):
            self.calls.append((job_id, day))
            if len(self.calls) == 1:
                raise OSError("busy")
            return self.name

    Sender.send = style.decorated(
        Sender.send, key_fn=key_from_argument("job_id"), max_tries=1, store=store
    )
    one = Sender("one")
    with pytest.raises(OSError, match="busy"):
        style.run(one.send, "1")
    assert store.load("1").function.endswith("Sender.send")
    assert style.run(one.send, job_id="2") == "one"
    assert style.run(one.send.retry_with(max_tries=9), one, "3") == "one"
    assert one.calls == [("1", "monday"), ("2", "monday"), ("3", "monday")]


def test_a_retryer_is_no_more_bound_to_its_class_than_tenacity_s(store):
    class Ours(PersistentRetrying):
        pass

    retryer = Ours(key=KEY, max_tries=2, store=store)
    assert type(retryer.copy(max_tries=3)) is Ours
    assert retryer(lambda: "done") == "done"
