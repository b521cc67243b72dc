"""localqueue 0.5.0, as it was released: the same idea with load and save."""

from collections.abc import Callable
from pathlib import Path

import jobs
import measure
from budgets import fail_once, refuse, succeed

from localqueue.retry import SQLiteAttemptStore, persistent_async_retry


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
