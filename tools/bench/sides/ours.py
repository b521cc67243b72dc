"""This project on SQLite."""

from collections.abc import Callable
from pathlib import Path

import jobs
import measure
from budgets import KEY, fail_once, refuse, retried, succeed

from localqueue.retry import SQLiteAttemptStore, persistent_async_retry, persistent_retry


def succeed_uncounted(folder: Path) -> Callable[[int], object]:
    return jobs.calls_of(retried(folder, lambda key: key, count="failed"))


def succeed_in_memory(folder: Path) -> Callable[[int], object]:
    job = persistent_retry(store="memory:", key_fn=KEY, max_tries=3)(lambda key: key)
    return jobs.calls_of(job)


def gather(folder: Path) -> Callable[[int], object]:
    store = SQLiteAttemptStore(folder / "retries.sqlite3")

    @persistent_async_retry(store=store, key_fn=KEY, max_tries=3)
    async def job(key: str) -> str:
        return key

    return jobs.gathered(job)


if __name__ == "__main__":
    measure.main(
        {
            one.__name__: one
            for one in (
                succeed,
                succeed_uncounted,
                succeed_in_memory,
                fail_once,
                refuse,
                gather,
            )
        },
        ["localqueue-tenacity", "tenacity"],
    )
