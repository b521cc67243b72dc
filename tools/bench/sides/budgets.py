"""The blocking workloads of whoever has the decorator and the SQLite store of this project."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jobs

from localqueue.retry import (
    PersistentRetryExhausted,
    SQLiteAttemptStore,
    key_from_argument,
    persistent_retry,
)

KEY = key_from_argument("key")


def retried(folder: Path, job: Callable[[str], str], **options: Any) -> Callable[[str], str]:
    """The job under a budget of three, with a store in the folder."""
    store = SQLiteAttemptStore(folder / "retries.sqlite3")
    options = {"max_tries": 3, "wait": lambda state: 0, "sleep": jobs.no_sleep} | options
    decorated: Callable[[str], str] = persistent_retry(store=store, key_fn=KEY, **options)(job)
    return decorated


def succeed(folder: Path) -> Callable[[int], object]:
    return jobs.calls_of(retried(folder, lambda key: key))


def fail_once(folder: Path) -> Callable[[int], object]:
    return jobs.calls_of(retried(folder, jobs.failing_once()[0]))


def refuse(folder: Path) -> Callable[[int], object]:
    def fail(key: str) -> str:
        raise ConnectionError(key)

    job = retried(folder, fail, max_tries=1)
    with suppress(ConnectionError):
        job("job:spent")
    return jobs.calls_of(job, expect=PersistentRetryExhausted)
