"""localqueue 0.5.0, as it was released: the same idea with load and save."""

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

    def named(key: str) -> str:
        return job(key)

    decorated: Callable[[str], str] = persistent_retry(store=store, key_fn=KEY, **options)(named)
    return decorated


def succeed(folder: Path) -> Callable[[int], object]:
    return jobs.calls_of(_retried(folder, lambda key: key))


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

    # One retryer shared by tasks mixes their states up in this release, so each call has its own.
    async def job(key: str) -> str:
        @persistent_async_retry(store=store, key=key, max_tries=3)
        async def inner() -> str:
            return key

        result: str = await inner()
        return result

    return jobs.gathered(job)


if __name__ == "__main__":
    measure.main(
        {one.__name__: one for one in (succeed, fail_once, refuse, gather)},
        ["localqueue", "tenacity"],
    )
