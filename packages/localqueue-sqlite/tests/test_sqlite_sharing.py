"""Several processes on one file: opening at once, waiting in turn, pruning beside a writer."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import Failure, RetryRecord, StoreLockedError, transitions
from localqueue.sqlite import SQLiteAttemptStore

RECORD = RetryRecord(3, 7.0, budget="b")


def go(programs: list[Any]) -> None:
    for program in programs:
        assert program.answer() == "ready"
    for program in programs:
        program.tell()


@pytest.mark.parametrize("lap", range(20))
def test_processes_that_open_a_new_file_at_once_all_succeed(
    lap: int, start: Callable[..., Any], path: Path
) -> None:
    programs = [start("sqlite_use.py", "open", path) for _ in range(8)]
    go(programs)
    for program in programs:
        program.end()
    with SQLiteAttemptStore(path) as store:
        assert len(store.records(prefix="opener:")) == 8


def test_threads_that_open_a_new_file_at_once_all_succeed(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def use(path: Path, number: int, barrier: threading.Barrier) -> None:
        barrier.wait()
        try:
            with SQLiteAttemptStore(path) as store:
                store.save(f"job:{number}", RECORD)
        except Exception as error:  # noqa: BLE001 - all of them are looked at
            errors.append(error)

    for lap in range(20):
        path = tmp_path / str(lap) / "retries.sqlite3"
        barrier = threading.Barrier(8)
        threads = [threading.Thread(target=use, args=(path, n, barrier)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        with SQLiteAttemptStore(path) as store:
            assert len(store.records()) == 8


@pytest.fixture
def held(start: Callable[..., Any], path: Path) -> Any:
    """Another process that keeps the write lock until it is told."""
    with SQLiteAttemptStore(path) as store:
        store.save("job:1", RECORD)
    holder = start("sqlite_use.py", "hold", path)
    assert holder.answer() == "held"
    return holder


WRITES: dict[str, Callable[[SQLiteAttemptStore], object]] = {
    "one statement": lambda store: store.save("job:2", RECORD),
    "what is read first": lambda store: store.release("job:1", budget="b"),
    "a prune": lambda store: store.prune_exhausted(older_than=0, now=0),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_waits_for_another_process(
    write: Callable[[SQLiteAttemptStore], object], held: Any, path: Path
) -> None:
    with SQLiteAttemptStore(path, timeout=10) as store:
        begun = time.monotonic()
        timer = threading.Timer(0.5, held.tell)
        timer.start()
        write(store)
        assert 0.4 < time.monotonic() - begun < 2
        timer.join()
    held.end()


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_gives_up_when_its_timeout_is_over(
    write: Callable[[SQLiteAttemptStore], object], held: Any, path: Path
) -> None:
    with SQLiteAttemptStore(path, timeout=0.1) as store:
        store.load("job:1")
        begun = time.monotonic()
        with pytest.raises(StoreLockedError) as caught:
            write(store)
        assert 0.1 <= time.monotonic() - begun < 0.3
        assert caught.value.path == str(path)
        assert caught.value.remedy == "try again, or raise the timeout"
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        held.tell()
        held.end()
        write(store)


def test_without_a_timeout_a_write_gives_up_at_once(held: Any, path: Path) -> None:
    with SQLiteAttemptStore(path, timeout=0) as store:
        store.load("job:1")
        begun = time.monotonic()
        with pytest.raises(StoreLockedError):
            store.save("job:2", RECORD)
        assert time.monotonic() - begun < 0.1


def test_reads_go_on_beside_a_writer(held: Any, path: Path) -> None:
    with SQLiteAttemptStore(path, timeout=0) as store:  # opened while the lock is held, too
        begun = time.monotonic()
        assert store.load("job:1") == RECORD
        assert len(store.records()) == 1
        assert store.history("job:1") == []
        assert store.count_exhausted_older_than(older_than=0, now=0) == 0
        assert time.monotonic() - begun < 0.3


def test_processes_that_hammer_one_file_get_their_share(
    start: Callable[..., Any], path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with SQLiteAttemptStore(path) as store:
        store.load("job:1")
    programs = [start("sqlite_use.py", "hammer", path, 3, f"p{n}") for n in range(8)]
    go(programs)
    told = [program.answer() for program in programs]
    for program in programs:
        program.end()
    record_testsuite_property("hammered", told)
    assert max(one["worst"] for one in told) < 1
    shares = [one["calls"] for one in told]
    assert min(shares) > max(shares) / 4
    with SQLiteAttemptStore(path) as store, contextlib.closing(sqlite3.connect(path)) as plain:
        for number, calls in enumerate(shares):
            assert len(store.records(prefix=f"p{number}:", limit=100_000)) == (calls + 1) // 2
        (failures,) = plain.execute(
            "SELECT sum(json_array_length(history)) FROM records"
        ).fetchone()
        assert failures == sum(calls // 2 for calls in shares)


def test_a_prune_lets_writers_between(
    start: Callable[..., Any], path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with SQLiteAttemptStore(path) as store:
        store.save("active", RECORD)
        with contextlib.closing(sqlite3.connect(path)) as plain:
            plain.execute(
                "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
                " WHERE n < 3000) INSERT INTO records (key, attempts, first_attempt_at, exhausted,"
                " exhausted_at, interruptions, budget, revision, history)"
                " SELECT 'old:' || n, 3, n, 1, n, 0, 'b', 'r',"
                " json_array(json_array(n, n, 'OSError', hex(zeroblob(600)))) FROM numbers"
            )
            plain.commit()
        writer = start("sqlite_use.py", "hammer", path, 1.5, "writer")
        go([writer])
        time.sleep(0.3)
        begun = time.monotonic()
        assert store.prune_exhausted(older_than=0, now=1e6) == 3000
        duration = time.monotonic() - begun
        told = writer.answer()
        writer.end()
        record_testsuite_property("writer beside prune", {**told, "prune": duration})
        assert duration < 1.2  # so that the writer was there all the time
        assert told["worst"] < 0.25
        assert store.records(state="exhausted") == []
        assert store.load("active") == RECORD


def test_an_outcome_is_added_to_what_another_store_has_written(path: Path) -> None:
    """A store tries the row that it wrote itself before it reads."""
    with SQLiteAttemptStore(path) as one, SQLiteAttemptStore(path) as other:
        first = transitions.started(None, now=1.0)
        assert one.reserve("job:1", first, expected=None)
        second = transitions.started(first, now=2.0)
        assert other.reserve("job:1", second, expected=first)
        failures = [Failure(2, 3.0, "OSError"), Failure(1, 4.0, "KeyError"), Failure(2, 5.0)]
        for store, failure in zip((other, one, other), failures, strict=True):
            record = store.settle("job:1", failure, budget=first.budget)
            assert record is not None
            assert (record.attempts, record.last_error_at) == (2, failure.failed_at)
            assert one.load("job:1") == record
        assert one.history("job:1") == failures

        assert other.delete("job:1")
        assert one.settle("job:1", failures[0], budget=first.budget) is None
        fresh = transitions.started(None, now=6.0)
        assert other.reserve("job:1", fresh, expected=None)
        assert one.settle("job:1", failures[0], budget=first.budget) is None
        assert one.settle("job:1", failures[0], budget=fresh.budget) is not None
        assert one.history("job:1") == failures[:1]


def test_any_number_of_attempts_may_run_at_once(path: Path) -> None:
    with SQLiteAttemptStore(path) as store:
        records = {f"job:{n}": transitions.started(None, now=1.0) for n in range(1200)}
        for key, record in records.items():
            assert store.reserve(key, record, expected=None)
        for key, record in records.items():
            assert store.settle(key, Failure(1, 2.0), budget=record.budget) is not None
        assert len(store._newest) <= 1000
        assert all(len(store.history(key)) == 1 for key in records)


def test_what_is_over_or_long_is_not_remembered(path: Path) -> None:
    with SQLiteAttemptStore(path) as store:
        for number in range(4):
            key = f"job:{number}"
            record = transitions.started(None, now=1.0)
            store.reserve(key, record, expected=None)
            assert list(store._newest) == [key]
            message = "x" * (2000 if number == 0 else 1)
            for attempt in range(3):
                failure = Failure(attempt, 2.0, "OSError", message)
                store.settle(key, failure, budget=record.budget, exhausted=number == 1)
            if number == 2:
                store.complete(key, budget=record.budget, succeeded_at=9.0)
            if number == 3:
                store.delete(key)
            assert store._newest == {}
