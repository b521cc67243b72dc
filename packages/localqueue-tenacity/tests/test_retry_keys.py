"""A call without a usable key fails before anything runs; any usable key works on every store."""

import functools

import pytest

from localqueue.retry import (
    idempotency_key_from_id,
    key_from_argument,
    key_from_attr,
)


@pytest.mark.parametrize(
    "key",
    ["a" * 10_000, "é" * 5_000, "\x00", "a\x00b", "\n\t\x1b", " ", "\U0010ffff", "%_'\"; --"],
    ids=lambda key: ascii(key[:8]),
)
def test_any_text_is_a_key_of_its_own(store, style, script, key):
    retryer = style.retryer(key_fn=lambda fn, args, kwargs: key, max_tries=2, store=store)
    with pytest.raises(OSError, match="busy"):
        style.call(retryer, script(*[OSError("busy")] * 2))
    assert [found for found, _ in store.records()] == [key]
    assert retryer.get_record(key).exhausted
    assert retryer.get_record(key[:-1] + "!") is None
    assert retryer.reset(key) is True


@pytest.mark.parametrize("key", [None, "", 7, b"job", "\ud800", True, ["job"]], ids=ascii)
def test_a_key_function_that_gives_no_key_fails_before_anything_runs(store, style, script, key):
    job = script()
    retryer = style.retryer(key_fn=lambda fn, args, kwargs: key, max_tries=2, store=store)
    with pytest.raises(ValueError, match="retry key"):
        style.call(retryer, job)
    for use in (retryer.get_record, retryer.reset):
        with pytest.raises(ValueError, match="key"):
            use(key)
    assert job.calls == 0
    assert store.records() == []


def test_a_call_without_any_key_option_fails_before_anything_runs(store, style, script):
    job = script()
    retryer = style.retryer(max_tries=2, store=store)
    with pytest.raises(ValueError, match="give key= or key_fn="):
        style.call(retryer, job)
    with pytest.raises(ValueError, match="not bound"):
        retryer.get_record()
    assert job.calls == 0


def test_the_error_of_a_key_function_goes_out_before_anything_runs(store, style, script):
    job = script()

    def broken(fn, args, kwargs):
        raise LookupError("no tenant")

    with pytest.raises(LookupError, match="no tenant"):
        style.call(style.retryer(key_fn=broken, max_tries=2, store=store), job)
    assert job.calls == 0


class Task:
    def __init__(self, id):  # noqa: A002  # the name that idempotency_key_from_id looks for
        self.id = id


def by_argument(job_id, day="monday"):
    raise OSError("busy")


def by_task(task):
    raise OSError("busy")


def by_keyword(*, job_id="nightly"):
    raise OSError("busy")


def by_rest(**rest):
    raise OSError("busy")


def by_position(job_id, /):
    raise OSError("busy")


@pytest.mark.parametrize(
    ("fn", "key_fn", "args", "kwargs", "key"),
    [
        (by_argument, key_from_argument("job_id"), ("7",), {}, "7"),
        (by_argument, key_from_argument("job_id"), (), {"job_id": 7}, "7"),
        (by_argument, key_from_argument("day", prefix="on"), ("7",), {}, "on:monday"),
        (by_keyword, key_from_argument("job_id"), (), {"job_id": "7"}, "7"),
        (by_keyword, key_from_argument("job_id"), (), {}, "nightly"),
        (by_rest, key_from_argument("job_id"), (), {"job_id": "7"}, "7"),
        (by_position, key_from_argument("job_id"), ("7",), {}, "7"),
        (by_task, key_from_attr("task", "id", prefix="video"), (Task("7"),), {}, "video:7"),
        (by_task, idempotency_key_from_id("task"), (), {"task": Task(7)}, "7"),
        (
            by_argument,
            lambda fn, args, kwargs: f"{fn.__name__}:{args[0]}",
            (7,),
            {},
            "by_argument:7",
        ),
        (by_argument, lambda fn, args, kwargs: kwargs["day"], ("7",), {"day": "x"}, "x"),
    ],
)
def test_decorated_functions_get_their_key_from_the_call(
    store, style, fn, key_fn, args, kwargs, key
):
    decorated = style.decorated(fn, key_fn=key_fn, max_tries=1, store=store)
    with pytest.raises(OSError, match="busy"):
        style.run(decorated, *args, **kwargs)
    assert [found for found, _ in store.records()] == [key]


def test_a_partial_passes_on_what_it_holds(store, style):
    retryer = style.retryer(key_fn=key_from_argument("job_id"), max_tries=1, store=store)
    for fn in (
        functools.partial(style.job(by_argument), "7"),
        functools.partial(style.job(by_keyword), job_id="8"),
    ):
        with pytest.raises(OSError, match="busy"):
            style.run(retryer, fn)
    assert [key for key, _ in store.records()] == ["7", "8"]


@pytest.mark.parametrize("value", [None, "", True, [], object(), "\ud800"], ids=ascii)
def test_arguments_that_name_no_job_run_nothing(store, style, script, value):
    job = script()

    def work(job_id):
        job()

    for fn in (work, lambda job_id=value: job()):
        args = (value,) if fn is work else ()
        decorated = style.decorated(
            fn, key_fn=key_from_argument("job_id"), max_tries=2, store=store
        )
        with pytest.raises(ValueError, match="retry key"):
            style.run(decorated, *args)
    assert job.calls == 0
    assert store.records() == []


def test_an_argument_that_is_missing_runs_nothing(store, style, script):
    decorated = style.decorated(
        by_argument, key_fn=key_from_argument("job_id"), max_tries=2, store=store
    )
    with pytest.raises(ValueError, match="by_argument\\(\\) no argument 'job_id'"):
        style.run(decorated)
    assert store.records() == []


def test_methods_and_classmethods_have_keys(store, style):
    class Exporter:
        def export(self, job_id):
            raise OSError("busy")

        @classmethod
        def export_all(cls, job_id):
            raise OSError("busy")

    retryer = style.retryer(key_fn=key_from_argument("job_id"), max_tries=1, store=store)
    for number, fn in enumerate((Exporter().export, Exporter.export_all)):
        with pytest.raises(OSError, match="busy"):
            style.call(retryer, fn, str(number))
    assert [key for key, _ in store.records()] == ["0", "1"]
