"""What comes out when the store fails: before, between and after the attempts."""

import logging
import sqlite3
from contextlib import closing

import pytest
from tenacity import RetryError, retry_if_exception_type, wait_fixed

from localqueue.core import MemoryAttemptStore, RetryRecord
from localqueue.retry import RetryDeferred, StoreError, StoreFullError, StoreLockedError
from localqueue.sqlite import SQLiteAttemptStore

KEY = "job:1"


class Breakable:
    """A store some of whose operations fail, as they do on a full disk."""

    def __init__(self, *args):
        super().__init__(*args)
        self.broken = set()

    def _check(self, name):
        if name in self.broken:
            raise StoreFullError(str(self))

    def load(self, key):
        self._check("load")
        return super().load(key)

    def reserve(self, key, record, *, expected):
        self._check("reserve")
        return super().reserve(key, record, expected=expected)

    def settle(self, key, failure, **options):
        self._check("settle")
        return super().settle(key, failure, **options)

    def release(self, key, **options):
        self._check("release")
        return super().release(key, **options)

    def complete(self, key, **options):
        self._check("complete")
        return super().complete(key, **options)


class BreakableMemory(Breakable, MemoryAttemptStore):
    pass


class BreakableSQLite(Breakable, SQLiteAttemptStore):
    pass


@pytest.fixture(params=["memory", "sqlite"])
def store(request, database):
    chosen = BreakableMemory() if request.param == "memory" else BreakableSQLite(database)
    with chosen:
        yield chosen


def failing(store, *operations, outcome="done"):
    """A job during which the store breaks."""

    def job():
        store.broken = set(operations)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return job


@pytest.mark.parametrize("operation", ["load", "reserve"])
@pytest.mark.parametrize("attempts", [0, 1])
def test_what_cannot_be_reserved_does_not_run(store, style, script, kinds, operation, attempts):
    if attempts:
        store.save(KEY, RetryRecord(attempts=attempts, first_attempt_at=1.0))
    store.broken = {operation}
    job = script()
    with pytest.raises(StoreFullError, match="is full") as raised:
        style.call(style.retryer(key=KEY, max_tries=3, store=store), job)
    assert isinstance(raised.value, StoreError)
    assert job.calls == 0
    assert kinds() == []


def test_a_refusal_that_cannot_be_marked_does_not_run(store, style, script):
    store.save(KEY, RetryRecord(attempts=3, first_attempt_at=1.0))
    store.broken = {"reserve"}
    job = script()
    with pytest.raises(StoreFullError):
        style.call(style.retryer(key=KEY, max_tries=3, store=store), job)
    assert job.calls == 0


@pytest.mark.parametrize("keep", [True, False])
def test_a_result_goes_out_though_the_success_cannot_be_written(store, style, kinds, caplog, keep):
    retryer = style.retryer(key=KEY, max_tries=3, store=store, clear_on_success=not keep)
    with caplog.at_level(logging.ERROR, "localqueue.retry"):
        assert style.call(retryer, failing(store, "complete")) == "done"
    assert kinds() == ["started", "store_failed", "succeeded"]
    (line,) = caplog.records
    assert (line.name, line.levelname) == ("localqueue.retry", "ERROR")
    assert "'job:1'" in line.getMessage()
    assert "is full" in line.getMessage()
    assert store.load(KEY).attempts == 1  # it was reserved


def test_the_last_error_goes_out_though_it_cannot_be_written(store, style, kinds, caplog):
    error = OSError("mine")
    retryer = style.retryer(key=KEY, max_tries=1, store=store)
    with pytest.raises(OSError, match="mine") as raised:
        style.call(retryer, failing(store, "settle", outcome=error))
    assert raised.value is error
    assert raised.value.__cause__ is None
    assert kinds() == ["started", "failed", "store_failed", "exhausted"]
    assert "is full" in caplog.text


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interruption_goes_out_though_it_cannot_be_given_back(store, style, kinds, interruption):
    retryer = style.retryer(key=KEY, max_tries=2, store=store)
    with pytest.raises(type(interruption)):
        style.call(retryer, failing(store, "release", outcome=interruption))
    assert kinds() == ["started", "store_failed"]
    assert store.load(KEY).attempts == 1


def test_a_permanent_error_goes_out_though_it_cannot_be_given_back(store, style, kinds):
    error = ValueError("bad")
    retryer = style.retryer(
        key=KEY, max_tries=2, store=store, retry=retry_if_exception_type(OSError)
    )
    with pytest.raises(ValueError, match="bad") as raised:
        style.call(retryer, failing(store, "release", outcome=error))
    assert raised.value is error
    assert kinds() == ["started", "failed", "store_failed"]


def test_a_store_that_cannot_settle_does_not_end_the_retries(store, style, script, kinds):
    first = failing(store, "settle", outcome=OSError("one"))
    job = script(first, lambda: store.broken.clear() or "done")
    assert style.call(style.retryer(key=KEY, max_tries=3, store=store), job) == "done"
    assert job.calls == 2
    assert store.load(KEY) is None
    assert kinds() == ["started", "failed", "store_failed", "scheduled", "started", "succeeded"]


@pytest.mark.parametrize(
    ("options", "end"), [({}, OSError), ({"reraise": False}, RetryError)], ids=["error", "wrapped"]
)
@pytest.mark.parametrize("count", ["started", "failed"])
def test_a_store_that_fails_between_attempts_leaves_the_job_s_error(
    store, style, script, kinds, options, end, count
):
    error = OSError("mine")
    job = script(error, "never")
    retryer = style.retryer(
        key=KEY,
        max_tries=3,
        store=store,
        count=count,
        sleep=lambda _: store.broken.update({"load", "reserve"}),
        **options,
    )
    with pytest.raises(end) as raised:
        style.call(retryer, job)
    assert error in (raised.value, raised.value.__cause__)
    assert job.calls == 1
    assert kinds() == ["started", "failed", "scheduled", "store_failed"]


def test_or_the_value_of_the_error_callback(store, style):
    retryer = style.retryer(
        key=KEY, max_tries=3, store=store, retry_error_callback=lambda _: "fallback"
    )
    job = failing(store, "load", "reserve", outcome=OSError("mine"))
    assert style.call(retryer, job) == "fallback"


def test_a_place_that_cannot_be_kept_is_not_promised(store, style, kinds):
    """RetryDeferred would say that the next attempt waits for its time."""
    retryer = style.retryer(
        key=KEY, max_tries=3, store=store, wait=wait_fixed(60), max_in_process_wait=0
    )
    with pytest.raises(OSError, match="mine"):
        style.call(retryer, failing(store, "settle", outcome=OSError("mine")))
    assert "deferred" not in kinds()

    store.broken.clear()
    with pytest.raises(RetryDeferred):  # the positive control
        style.call(retryer, failing(store, outcome=OSError("mine")))


def test_failures_that_cannot_be_counted_still_retry(store, style, script, kinds):
    """``count="failed"`` writes after the attempt only."""
    job = script(
        failing(store, "load", outcome=OSError("one")), lambda: store.broken.clear() or "done"
    )
    retryer = style.retryer(key=KEY, max_tries=3, store=store, count="failed")
    with pytest.raises(OSError, match="one"):  # the store cannot be asked before the second
        style.call(retryer, job)
    assert kinds()[:3] == ["started", "store_failed", "failed"]
    store.broken.clear()
    assert style.call(retryer, script(failing(store, "reserve", outcome=OSError("one")))) == "done"


def test_a_job_s_own_store_error_is_an_error_like_any_other(store, style, script):
    error = StoreLockedError("/another/store")
    job = script(StoreLockedError("/another/store"), error)
    with pytest.raises(StoreLockedError) as raised:
        style.call(style.retryer(key=KEY, max_tries=2, store=store), job)
    assert raised.value is error
    assert store.load(KEY).exhausted


class TestAFileThatAnotherProgramLocks:
    """The same for real: a second connection holds SQLite's write lock."""

    @pytest.fixture
    def locked(self, database):
        with SQLiteAttemptStore(database, timeout=0.0) as store:
            store.load(KEY)
            with closing(
                sqlite3.connect(database, isolation_level=None, check_same_thread=False)
            ) as other:
                yield store, lambda: other.execute("BEGIN IMMEDIATE")

    def test_nothing_runs(self, locked, style, script):
        store, lock = locked
        lock()
        job = script()
        with pytest.raises(StoreLockedError, match="is locked by another process") as raised:
            style.call(style.retryer(key=KEY, max_tries=3, store=store), job)
        assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
        assert job.calls == 0

    def test_a_result_goes_out(self, locked, style, kinds):
        store, lock = locked
        retryer = style.retryer(key=KEY, max_tries=3, store=store)
        assert style.call(retryer, lambda: lock() and "done") == "done"
        assert kinds() == ["started", "store_failed", "succeeded"]

    def test_an_error_goes_out(self, locked, style, kinds):
        store, lock = locked

        def job():
            lock()
            raise OSError("mine")

        with pytest.raises(OSError, match="mine"):
            style.call(style.retryer(key=KEY, max_tries=3, store=store), job)
        assert kinds() == ["started", "failed", "store_failed", "scheduled", "store_failed"]
