"""How the cost of a call depends on how many records the store holds, and what a prune costs others."""

import multiprocessing
import resource
import sqlite3
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localqueue.retry import (
    PersistentRetryExhausted,
    SQLiteAttemptStore,
    key_from_argument,
    persistent_retry,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = 2000
OLD = 1_000_000_000.0  # when the records of the large store were exhausted, in Unix seconds
WEEK = 7 * 24 * 3600.0


def fill(path: Path, records: int, exhausted: int) -> None:
    """Make a store with that many records; the first ``exhausted`` of them are spent."""
    with SQLiteAttemptStore(path) as store:
        store.load("any")  # makes the tables
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.execute(
        """
        WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers LIMIT ?)
        INSERT INTO records (key, attempts, first_attempt_at, exhausted, last_attempt_at,
            exhausted_at, interruptions, owner, budget, revision)
        SELECT printf('old:%09d', n), 3, ?, n < ?, ?, CASE WHEN n < ? THEN ? + n * 1e-3 END, 0,
            'host:1', hex(randomblob(8)), hex(randomblob(8))
        FROM numbers
        """,
        (records, OLD, exhausted, OLD, exhausted, OLD),
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def calls(path: Path) -> dict[str, float]:
    """Median microseconds of each kind of call on the store at ``path``."""
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
            job("old:000000007", [])
        except PersistentRetryExhausted:
            return
        raise AssertionError("the call was not refused")

    measured: dict[str, Callable[[int], object]] = {
        "success": lambda number: job(f"new:{number}", []),
        "failure": lambda number: job(f"new:{number}", [OSError("once")]),
        "refusal": refused,
        "page of 100": lambda number: store.records(after=f"old:{number * 37 % 1000:09d}"),
        "page of exhausted": lambda number: store.records(state="exhausted"),
    }
    found = {}
    for name, action in measured.items():
        times = []
        for number in range(CALLS):
            begun = time.perf_counter()
            action(number)
            times.append(time.perf_counter() - begun)
        found[name] = statistics.median(times) * 1e6
    store.close()
    return found


def prune(path: Path, records: int, writers: int = 4) -> dict[str, Any]:
    """Prune ``records`` exhausted ones while other processes write; what the writers saw."""
    done = path.with_name("done")
    with ProcessPoolExecutor(writers, multiprocessing.get_context("spawn")) as pool:
        results = [pool.submit(_write, path, number, done) for number in range(writers)]
        time.sleep(1)
        size, memory = path.stat().st_size, _peak_memory()
        with SQLiteAttemptStore(path) as store:
            begun = time.perf_counter()
            removed = store.prune_exhausted(older_than=WEEK, now=time.time(), limit=records)
            seconds = time.perf_counter() - begun
        done.touch()
        waits = sorted(wait for result in results for wait in result.result())
    return {
        "removed": removed,
        "seconds": seconds,
        "writes_of_others": len(waits),
        "others_p99_ms": waits[int(len(waits) * 0.99)] * 1e3,
        "others_worst_ms": waits[-1] * 1e3,
        "memory_growth_mb": (_peak_memory() - memory) / 1e6,
        "file_growth_mb": (path.stat().st_size - size) / 1e6,
    }


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


def _peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def run(folder: Path, records: int) -> dict[str, Any]:
    """The figures for a small store and one of ``records``, and a prune of a tenth of them."""
    small, large = folder / "small.sqlite3", folder / "large.sqlite3"
    fill(small, 1000, 100)
    fill(large, records, records // 10)
    before, after = calls(small), calls(large)
    return {
        "records": records,
        "microseconds": after,
        "ratios_to_1000_records": {name: after[name] / before[name] for name in after},
        "prune": prune(large, records // 10),
    }


def print_result(result: dict[str, Any]) -> None:
    """The rows of the table."""
    print(f"{result['records']} records in the store")
    for name, ratio in result["ratios_to_1000_records"].items():
        microseconds = result["microseconds"][name]
        print(f"    {name}: {microseconds:.1f} µs, {ratio:.2f} x the time with 1,000 records")
    pruned = result["prune"]
    print(
        f"    prune of {pruned['removed']}: {pruned['seconds']:.1f} s; the calls of others took"
        f" {pruned['others_p99_ms']:.1f} ms (p99), {pruned['others_worst_ms']:.1f} ms (worst);"
        f" memory +{pruned['memory_growth_mb']:.1f} MB, file +{pruned['file_growth_mb']:.1f} MB"
    )
