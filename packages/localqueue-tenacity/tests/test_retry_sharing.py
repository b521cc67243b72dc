"""Keys that are shared on purpose or by mistake, and resets during a running attempt."""

import warnings

import pytest

from localqueue.core import transitions
from localqueue.retry import SharedKeyWarning, key_from_argument

KEY = "job:1"


def test_a_reset_during_an_attempt_that_succeeds_stays(store, style):
    retryer = style.retryer(key=KEY, max_tries=3, store=store, clear_on_success=False)

    def reset_meanwhile():
        assert retryer.reset() is True
        return "done"

    assert style.call(retryer, reset_meanwhile) == "done"
    assert store.load(KEY) is None


def test_a_reset_during_an_attempt_that_fails_stays(store, style):
    retryer = style.retryer(key=KEY, max_tries=1, store=store)

    def reset_meanwhile():
        retryer.reset()
        raise OSError("late")

    with pytest.raises(OSError, match="late"):
        style.call(retryer, reset_meanwhile)
    assert store.load(KEY) is None
    assert store.history(KEY) == []


@pytest.mark.parametrize("late", [KeyboardInterrupt, ValueError])
def test_a_reset_during_an_attempt_that_is_given_back_stays(store, style, late):
    retryer = style.retryer(key=KEY, max_tries=3, store=store, retry=lambda _: False)

    def reset_meanwhile():
        retryer.reset()
        raise late

    with pytest.raises(late):
        style.call(retryer, reset_meanwhile)
    assert store.load(KEY) is None


def test_a_budget_begun_after_the_reset_is_not_touched_by_the_late_outcome(store, style):
    retryer = style.retryer(key=KEY, max_tries=1, store=store)

    def overtaken():
        retryer.reset()
        assert store.reserve(KEY, transitions.started(None, now=5.0), expected=None)
        raise OSError("late")

    with pytest.raises(OSError, match="late"):
        style.call(retryer, overtaken)

    record = store.load(KEY)
    assert (record.attempts, record.first_attempt_at, record.exhausted) == (1, 5.0, False)
    assert record.last_error_type is None


def test_after_a_reset_during_a_sleep_the_call_begins_a_new_budget(store, style, script):
    numbers = []
    retryer = style.retryer(
        key=KEY,
        max_tries=3,
        store=store,
        sleep=lambda _: store.delete(KEY),
        before=lambda state: numbers.append(state.attempt_number),
    )
    assert style.call(retryer, script(OSError("busy"))) == "done"
    assert numbers == [1, 1]
    assert store.load(KEY) is None


def export(job_id):
    raise OSError("busy")


def send(job_id):
    raise OSError("busy")


def test_a_second_function_with_the_same_key_is_warned_of_by_both_names(store, style):
    options = {"key_fn": key_from_argument("job_id"), "max_tries": 2, "store": store}
    with pytest.raises(OSError, match="busy"):
        style.run(style.decorated(export, **options), "7")

    with (
        pytest.warns(SharedKeyWarning) as caught,
        pytest.raises(Exception, match="exhausted"),
    ):
        style.run(style.decorated(send, **options), "7")

    message = str(caught[0].message)
    assert len(caught) == 1
    assert "'7'" in message
    assert "export" in message
    assert "send" in message
    assert str(store) in message


def test_prefixes_keep_two_functions_apart(store, style):
    for fn in (export, send):
        with pytest.raises(OSError, match="busy"):  # a warning would be an error here
            style.run(
                style.decorated(
                    fn,
                    key_fn=key_from_argument("job_id", prefix=fn.__name__),
                    max_tries=2,
                    store=store,
                ),
                "7",
            )
    assert [key for key, _ in store.records()] == ["export:7", "send:7"]


def test_one_function_under_two_retryers_is_not_warned_of(store, style):
    for tries in (2, 3):
        decorated = style.decorated(export, key=KEY, max_tries=tries, store=store, wait=None)
        with pytest.raises(Exception, match=r"busy|exhausted"):
            style.run(decorated, "7")


def test_a_warning_turned_into_an_error_runs_nothing(store, style, script):
    with pytest.raises(OSError, match="busy"):
        style.call(style.retryer(key=KEY, max_tries=1, store=store), export, "7")
    job = script()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SharedKeyWarning):
            style.call(style.retryer(key=KEY, max_tries=5, store=store), job)
    assert job.calls == 0
    assert store.load(KEY).attempts == 1


def test_two_keys_of_one_function_have_a_budget_each(store, style):
    decorated = style.decorated(
        export, key_fn=key_from_argument("job_id"), max_tries=2, store=store
    )
    for job_id in ("1", "2"):
        with pytest.raises(OSError, match="busy"):
            style.run(decorated, job_id)
    assert [(key, record.attempts) for key, record in store.records()] == [("1", 2), ("2", 2)]
