"""Copies of a retryer: by copy(), by retry_with(), and into another process."""

import copy
import inspect
import pickle

import pytest
import tenacity
from tenacity import RetryError, wait_fixed

KEY = "job:1"


def never(state):
    return False


def test_retry_with_changes_a_copy(style, store, script):
    job = script(*[OSError("busy")] * 3)
    decorated = style.decorated(job, key=KEY, max_tries=5, store=store)
    urgent = decorated.retry_with(max_tries=1, key="job:urgent")
    with pytest.raises(OSError, match="busy"):
        style.run(urgent)
    assert job.calls == 1
    assert [key for key, _ in store.records()] == ["job:urgent"]
    assert style.run(decorated) == "done"
    assert urgent.__name__ == decorated.__name__
    assert inspect.iscoroutinefunction(urgent) is style.is_async


def test_a_copy_keeps_every_option(style, store):
    options = {
        "key": KEY,
        "store": store,
        "stop": tenacity.stop_after_attempt(4),
        "wait": wait_fixed(1),
        "retry": tenacity.retry_if_exception_type(OSError),
        "sleep": lambda _: None,
        "before": lambda _: None,
        "after": lambda _: None,
        "before_sleep": lambda _: None,
        "reraise": False,
        "retry_error_cls": type("Gone", (RetryError,), {}),
        "retry_error_callback": lambda _: None,
        "name": "sender",
        "enabled": False,
    }
    retryer = style.retryer(
        **options,
        clear_on_success=False,
        count="failed",
        max_interruptions=2,
        max_in_process_wait=3,
        record_errors="type",
    )
    twin = retryer.copy()
    assert type(twin) is type(retryer)
    assert twin is not retryer
    for name in options.keys() - {"key", "store"}:
        assert getattr(twin, name) is options[name], name
    assert twin._settings == retryer._settings
    assert retryer.copy(enabled=True).enabled is True
    assert retryer.enabled is False


def test_a_retryer_survives_pickling(style, home):
    retryer = style.retryer(
        key=KEY, max_tries=4, name="sender", record_errors="type", sleep=tenacity.sleep, retry=never
    )
    for twin in (pickle.loads(pickle.dumps(retryer)), copy.copy(retryer), copy.deepcopy(retryer)):
        assert type(twin) is type(retryer)
        assert (twin.name, twin.stop.max_attempt_number) == ("sender", 4)
        assert twin._settings == retryer._settings
        assert style.call(twin, lambda: "done") == "done"
