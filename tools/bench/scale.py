"""How the cost of a call depends on how many records the store holds, and what a prune costs others."""

import multiprocessing
import resource
import sqlite3
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from figures import summary

from localqueue.retry import (
    PersistentRetryExhausted,
    SQLiteAttemptStore,
    key_from_argument,
    persistent_retry,
)

CALLS = 2000
WRITERS = 4
SMALLEST = 1000
OLD = 1_000_000_000.0  # when the records were exhausted, in Unix seconds
WEEK = 7 * 24 * 3600.0


def run(folder: Path, records: int) -> dict[str, Any]:
    """The figures for stores of a thousand records up to ``records``, and a prune of a tenth."""
    path = folder / "scale.sqlite3"
    sizes = [SMALLEST * 10**n for n in range(20) if SMALLEST * 10**n <= records]
    held, by_size = 0, {}
    for size in sizes:
        fill(path, held, size)
        held = size
        by_size[size] = calls(path)
    with writers(path) as waits:
        beside = calls(path)
    return {
        "records": held,
        "by_size": by_size,
        "ratios": {
            name: by_size[held][name]["median"] / by_size[SMALLEST][name]["median"]
            for name in by_size[held]
        },
        "beside_writers": beside,
        "writers": shares(waits),
        "prune": prune(path, held // 10),
    }


def fill(path: Path, held: int, records: int) -> None:
    """Add records to the ``held`` ones until there are ``records``; every tenth is spent.

    The order in which they were spent has nothing to do with the order of their keys.
    """
    with SQLiteAttemptStore(path) as store:
        store.load("any")  # makes the tables
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.execute(
            """
            WITH RECURSIVE numbers (n) AS (SELECT :held UNION ALL SELECT n + 1 FROM numbers
                WHERE n < :records - 1)
            INSERT INTO records (key, attempts, first_attempt_at, exhausted, last_attempt_at,
                exhausted_at, interruptions, owner, budget, revision, history)
            SELECT printf('old:%09d', n), 3, :old, n % 10 = 0, :old,
                CASE WHEN n % 10 = 0 THEN :old + n * 7919 % 1000003 END, 0,
                'host:1', hex(randomblob(8)), hex(randomblob(8)),
                '[[1, 1000000000.5, "ConnectionError", "refused"]]'
            FROM numbers
            """,
            {"held": held, "records": records, "old": OLD},
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def calls(path: Path) -> dict[str, dict[str, float]]:
    """Microseconds of each kind of call on the store at ``path``: median and 99th percentile."""
    store = SQLiteAttemptStore(path)

    @persistent_retry(
        store=store,
        key_fn=key_from_argument("key"),
        max_tries=2,
        wait=lambda state: 0,
        sleep=lambda seconds: None,
    )
    def job(key: str, failures: list[Exception]) -> None:
        if failures:
            raise failures.pop()

    def refused(number: int) -> None:
        try:
            job("old:000000070", [])
        except PersistentRetryExhausted:
            return
        raise AssertionError("the call was not refused")

    # New keys lie among the old ones.
    measured: dict[str, Callable[[int], object]] = {
        "success": lambda number: job(f"old:{number * 449:09d}+", []),
        "failure, then success": lambda number: job(f"old:{number * 449:09d}+", [OSError("once")]),
        "refusal": refused,
        "a page of 100": lambda number: store.records(after=f"old:{number * 449 % 1000:09d}"),
        "a page of exhausted": lambda number: store.records(state="exhausted"),
    }
    with store:
        return {name: _timed(action) for name, action in measured.items()}


def _timed(action: Callable[[int], object]) -> dict[str, float]:
    times = []
    for number in range(CALLS):
        begun = time.perf_counter()
        action(number)
        times.append((time.perf_counter() - begun) * 1e6)
    return {**summary(times), "p99": sorted(times)[int(len(times) * 0.99)]}


@contextmanager
def writers(path: Path) -> Generator[list[float], None, None]:
    """Other processes that write all the time; afterwards, how long each of their calls took."""
    done = path.with_name("done")
    done.unlink(missing_ok=True)
    waits: list[float] = []
    with ProcessPoolExecutor(WRITERS, multiprocessing.get_context("spawn")) as pool:
        results = [pool.submit(_write, path, number, done) for number in range(WRITERS)]
        time.sleep(1)
        try:
            yield waits
        finally:
            done.touch()
            for result in results:
                waits += result.result()


def _write(path: Path, number: int, done: Path) -> list[float]:
    waits: list[float] = []
    with SQLiteAttemptStore(path) as store:
        job = persistent_retry(store=store, key_fn=key_from_argument("key"), max_tries=2)(_nothing)
        while not done.exists():
            begun = time.perf_counter()
            job(f"writer:{number}:{len(waits)}")
            waits.append(time.perf_counter() - begun)
            time.sleep(0.001)
    return waits


def _nothing(key: str) -> None:
    pass


def shares(waits: list[float]) -> dict[str, float]:
    """What the writers saw, in milliseconds."""
    ordered = sorted(waits)
    return {
        "calls": len(ordered),
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3,
        "worst_ms": ordered[-1] * 1e3,
    }


def prune(path: Path, records: int) -> dict[str, Any]:
    """Prune the exhausted ones while other processes write; what it cost, and what it gave back."""
    with writers(path) as waits:
        size, memory = _size(path), _peak_memory()
        with SQLiteAttemptStore(path) as store:
            begun = time.perf_counter()
            removed = store.prune_exhausted(older_than=WEEK, now=time.time(), limit=records)
            seconds = time.perf_counter() - begun
        growth = _peak_memory() - memory
    after = _size(path)
    with closing(sqlite3.connect(path)) as connection:
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        begun = time.perf_counter()
        connection.execute("VACUUM")
        vacuum = time.perf_counter() - begun
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return {
        "removed": removed,
        "seconds": seconds,
        "others": shares(waits),
        "memory_growth_mb": growth / 1e6,
        "file_mb": size / 1e6,
        "file_after_prune_mb": after / 1e6,
        "free_pages_mb": free * page / 1e6,
        "file_after_vacuum_mb": path.stat().st_size / 1e6,
        "vacuum_seconds": vacuum,
    }


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))


def _peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def print_result(result: dict[str, Any]) -> None:
    """The rows of the table."""
    print(f"{result['records']} records in the store")
    for name, ratio in result["ratios"].items():
        alone, beside = result["by_size"][result["records"]][name], result["beside_writers"][name]
        print(
            f"    {name}: {alone['median']:.1f} µs, {ratio:.2f} x the time with {SMALLEST} records;"
            f" beside {WRITERS} writers {beside['median']:.1f} µs, p99 {beside['p99']:.0f} µs"
        )
    pruned = result["prune"]
    print(
        f"    prune of {pruned['removed']}: {pruned['seconds']:.1f} s; the calls of"
        f" {WRITERS} writers took {pruned['others']['p99_ms']:.1f} ms (p99),"
        f" {pruned['others']['worst_ms']:.1f} ms (worst); memory +{pruned['memory_growth_mb']:.1f} MB"
    )
    print(
        f"    file: {pruned['file_mb']:.0f} MB, after the prune {pruned['file_after_prune_mb']:.0f}"
        f" MB of which {pruned['free_pages_mb']:.0f} MB are free for new records, after VACUUM"
        f" ({pruned['vacuum_seconds']:.1f} s) {pruned['file_after_vacuum_mb']:.0f} MB"
    )
