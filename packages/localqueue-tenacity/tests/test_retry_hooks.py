"""What hooks and the log are told, in which order, and what they are never told."""

import dataclasses
import logging
import time

import pytest
from tenacity import retry_if_exception_type, wait_fixed

from localqueue.core import RetryRecord
from localqueue.retry import (
    AttemptEvent,
    PersistentRetryExhausted,
    PersistentRetrying,
    RetryDeferred,
    set_hooks,
)

KEY = "job:1"


def test_a_success(store, style, script, kinds):
    style.call(style.retryer(key=KEY, max_tries=3, store=store), script())
    assert kinds() == ["started", "succeeded"]


def test_a_failure_and_a_success(store, style, script, kinds):
    style.call(style.retryer(key=KEY, max_tries=3, store=store), script(OSError("busy")))
    assert kinds() == ["started", "failed", "scheduled", "started", "succeeded"]


def test_an_exhausted_budget_and_its_refusal(store, style, script, kinds):
    retryer = style.retryer(key=KEY, max_tries=1, store=store)
    with pytest.raises(OSError, match="busy"):
        style.call(retryer, script(OSError("busy")))
    assert kinds() == ["started", "failed", "exhausted"]
    with pytest.raises(PersistentRetryExhausted):
        style.call(retryer, script())
    assert kinds() == ["refused"]


def test_a_permanent_failure_and_an_interruption(store, style, script, kinds):
    retryer = style.retryer(
        key=KEY, max_tries=3, store=store, retry=retry_if_exception_type(OSError)
    )
    with pytest.raises(ValueError, match="bad"):
        style.call(retryer, script(ValueError("bad")))
    assert kinds() == ["started", "failed"]
    with pytest.raises(KeyboardInterrupt):
        style.call(retryer, script(KeyboardInterrupt))
    assert kinds() == ["started"]


def test_a_deferral_and_a_wait_for_an_earlier_failure(store, style, script, kinds, events):
    def retryer(limit):
        return style.retryer(
            key=KEY, max_tries=3, store=store, wait=wait_fixed(60), max_in_process_wait=limit
        )

    with pytest.raises(RetryDeferred):
        style.call(retryer(0), script(OSError("busy")))
    assert [event.wait_for for event in events] == [None, None, 60]
    assert kinds() == ["started", "failed", "deferred"]
    with pytest.raises(RetryDeferred):
        style.call(retryer(0), script())
    assert kinds() == ["deferred"]
    style.call(retryer(None), script())
    assert events[0].wait_for == pytest.approx(60, abs=1)
    assert kinds() == ["scheduled", "started", "succeeded"]


def test_a_reset_is_told_where_there_was_something_to_reset(store, style, kinds, events):
    retryer = style.retryer(key=KEY, store=store)
    retryer.reset()
    assert kinds() == []
    store.save(KEY, RetryRecord(attempts=1, first_attempt_at=1.0))
    retryer.reset()
    assert (events[0].key, events[0].store) == (KEY, str(store))
    assert kinds() == ["reset"]


def test_events_say_which_attempt_of_which_function_failed_with_what(store, style, events):
    store.save(KEY, RetryRecord(attempts=4, first_attempt_at=time.time()))

    def send(secret):
        raise ConnectionError("password=hunter2")

    with pytest.raises(ConnectionError):
        style.call(style.retryer(key=KEY, max_tries=5, store=store), send, "hunter2")

    assert [(event.kind, event.attempt, event.error_type) for event in events] == [
        ("started", 5, None),
        ("failed", 5, "ConnectionError"),
        ("exhausted", 5, None),
    ]
    for event in events:
        assert event.key == KEY
        assert event.function.endswith("send")
        assert event.store == str(store)
        # Neither arguments nor messages: they may hold what must not be in a log.
        assert "hunter2" not in repr(event)


def test_an_event_cannot_be_changed():
    event = AttemptEvent("started", key=KEY, attempt=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.key = "other"


def test_hooks_are_called_in_order_and_a_raising_one_breaks_nothing(store, style, script, caplog):
    seen = []

    def broken(event):
        seen.append("broken")
        raise LookupError("no such gauge")

    set_hooks([broken, lambda event: seen.append(event.kind)])
    try:
        assert style.call(style.retryer(key=KEY, store=store), script()) == "done"
    finally:
        set_hooks(None)
    assert seen == ["broken", "started", "broken", "succeeded"]
    assert [line.levelname for line in caplog.records] == ["ERROR", "ERROR"]
    assert "no such gauge" in caplog.text
    assert store.load(KEY) is None


def test_what_is_no_hook_is_refused():
    with pytest.raises(TypeError, match="must be callable"):
        set_hooks([print, "print"])


def lines(caplog):
    return [(line.levelname, line.getMessage()) for line in caplog.records]


def test_by_default_every_event_is_a_log_line(store, caplog, script, naps):
    retryer = PersistentRetrying(key=KEY, max_tries=2, store=store, wait=wait_fixed(3), sleep=naps)
    with caplog.at_level(logging.DEBUG, "localqueue.retry"):
        retryer(script(OSError("busy")))
        with pytest.raises(OSError, match="two"):
            retryer(script(OSError("one"), OSError("two")))
        with pytest.raises(PersistentRetryExhausted):
            retryer(script())
        retryer.reset()

    assert {line.name for line in caplog.records} == {"localqueue.retry"}
    logged = lines(caplog)
    assert [(level, text.partition(" ")[0]) for level, text in logged] == [
        ("DEBUG", "started"),
        ("INFO", "failed"),
        ("INFO", "scheduled"),
        ("DEBUG", "started"),
        ("DEBUG", "succeeded"),
        ("DEBUG", "started"),
        ("INFO", "failed"),
        ("INFO", "scheduled"),
        ("DEBUG", "started"),
        ("INFO", "failed"),
        ("WARNING", "exhausted"),
        ("INFO", "refused"),
        ("INFO", "reset"),
    ]
    assert all("key='job:1'" in text for _, text in logged)
    assert "attempt=1" in logged[1][1]
    assert "error_type='OSError'" in logged[1][1]
    assert "wait_for=3.0" in logged[2][1]


def test_a_key_with_line_breaks_stays_on_its_line(caplog, script, naps, store):
    retryer = PersistentRetrying(key="a\nERROR b\x1b[31m", max_tries=1, store=store, sleep=naps)
    with caplog.at_level(logging.DEBUG, "localqueue.retry"):
        retryer(script())
    assert all(text.isprintable() for _, text in lines(caplog))


def test_an_empty_list_of_hooks_turns_the_log_off(store, caplog, script, naps):
    set_hooks([])
    try:
        with caplog.at_level(logging.DEBUG, "localqueue.retry"):
            PersistentRetrying(key=KEY, store=store, sleep=naps)(script(OSError("busy")))
    finally:
        set_hooks(None)
    assert caplog.records == []


def test_record_errors_type_keeps_messages_out_of_the_store(store, style, script):
    retryer = style.retryer(key=KEY, max_tries=2, store=store, record_errors="type")
    with pytest.raises(OSError, match="secret"):
        style.call(retryer, script(*[OSError("secret")] * 2))
    record = store.load(KEY)
    assert (record.last_error_type, record.last_error_message) == ("OSError", None)
    assert {(f.error_type, f.error_message) for f in store.history(KEY)} == {("OSError", None)}
    with pytest.raises(PersistentRetryExhausted) as raised:
        style.call(retryer, script())
    assert "OSError" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_the_history_keeps_the_last_twenty_failures(store, style, script):
    retryer = style.retryer(key=KEY, max_tries=25, store=store, wait=None)
    with pytest.raises(OSError, match="25"):
        style.call(retryer, script(*[OSError(str(n)) for n in range(1, 26)]))
    assert [failure.attempt for failure in store.history(KEY)] == list(range(6, 26))
    assert [failure.error_message for failure in store.history(KEY)] == [
        str(n) for n in range(6, 26)
    ]


def test_a_prune_says_how_many_records_went(store, events):
    for number in range(3):
        store.save(f"job:{number}", RetryRecord(3, 1.0, exhausted=True))

    assert PersistentRetrying(key="job", store=store).prune_exhausted(older_than=60) == 3

    (event,) = events
    assert (event.kind, event.key, event.removed, event.store) == ("pruned", "", 3, str(store))
