"""Many processes on one file: throughput, the longest wait, and the share of the unluckiest."""

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from localqueue.core import StoreError, open_attempt_store
from localqueue.retry import key_from_argument, persistent_retry

PROCESSES = (1, 2, 4, 8, 16)


def run(folder: Path, scheme: str, counts: Sequence[int], seconds: float) -> list[dict[str, Any]]:
    """One row for each number of processes, with keys of their own and with one key for all."""
    return [
        _measure(f"{scheme}://{folder}/{scheme}-{count}-{one_key}", count, one_key, seconds)
        for one_key in (False, True)
        for count in counts
    ]


def _measure(url: str, count: int, one_key: bool, seconds: float) -> dict[str, Any]:
    start = time.time() + 1 + count * 0.3  # when every process is up
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        results = [pool.submit(_hammer, url, n, one_key, seconds, start) for n in range(count)]
        found = [result.result() for result in results]
    calls = [one["calls"] for one in found]
    return {
        "processes": count,
        "one_key": one_key,
        "calls_per_second": sum(calls) / seconds,
        "worst_wait_ms": max(one["worst"] for one in found) * 1e3,
        "least_share": min(calls) * count / max(1, sum(calls)),
        "errors": sum(one["errors"] for one in found),
    }


def _hammer(url: str, number: int, one_key: bool, seconds: float, start: float) -> dict[str, Any]:
    with open_attempt_store(url) as store:
        job = persistent_retry(store=store, key_fn=key_from_argument("key"))(_nothing)
        store.load("any")
        time.sleep(max(0.0, start - time.time()))
        calls, worst, errors, end = 0, 0.0, 0, time.perf_counter() + seconds
        while (begun := time.perf_counter()) < end:
            try:
                job("shared" if one_key else f"{number}:{calls}")
            except StoreError:
                errors += 1
            worst = max(worst, time.perf_counter() - begun)
            calls += 1
    return {"calls": calls, "worst": worst, "errors": errors}


def _nothing(key: str) -> None:
    pass


def print_result(result: dict[str, list[dict[str, Any]]]) -> None:
    """The rows of the table."""
    for scheme, rows in result.items():
        for row in rows:
            keys = "one key" if row["one_key"] else "own keys"
            print(
                f"{scheme}, {row['processes']} processes, {keys}:"
                f" {row['calls_per_second']:.0f} calls/s, worst {row['worst_wait_ms']:.0f} ms,"
                f" least share {row['least_share']:.2f}, errors {row['errors']}"
            )
