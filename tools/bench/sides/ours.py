"""This project on SQLite."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jobs
import measure

from localqueue.retry import (
    PersistentRetryExhausted,
    SQLiteAttemptStore,
    key_from_argument,
    persistent_async_retry,
    persistent_retry,
)

KEY = key_from_argument("key")


def _retried(folder: Path, job: Callable[[str], str], **options: Any) -> Callable[[str], str]:
    store = SQLiteAttemptStore(folder / "retries.sqlite3")
    options = {"max_tries": 3, "wait": lambda state: 0, "sleep": jobs.no_sleep} | options
    return persistent_retry(store=store, key_fn=KEY, **options)(job)


def succeed(folder: Path) -> Callable[[int], object]:
    return jobs.calls_of(_retried(folder, lambda key: key))


def succeed_uncounted(folder: Path) -> Callable[[int], object]:
    return jobs.calls_of(_retried(folder, lambda key: key, count="failed"))


def fail_once(folder: Path) -> Callable[[int], object]:
    return jobs.calls_of(_retried(folder, jobs.failing_once()[0]))


def refuse(folder: Path) -> Callable[[int], object]:
    def fail(key: str) -> str:
        raise ConnectionError(key)

    job = _retried(folder, fail, max_tries=1)
    with suppress(ConnectionError):
        job("job:spent")
    return jobs.calls_of(job, expect=PersistentRetryExhausted)


def gather(folder: Path) -> Callable[[int], object]:
    store = SQLiteAttemptStore(folder / "retries.sqlite3")

    @persistent_async_retry(store=store, key_fn=KEY, max_tries=3)
    async def job(key: str) -> str:
        return key

    return jobs.gathered(job)


if __name__ == "__main__":
    measure.main(
        {one.__name__: one for one in (succeed, succeed_uncounted, fail_once, refuse, gather)},
        ["localqueue-tenacity", "tenacity"],
    )
