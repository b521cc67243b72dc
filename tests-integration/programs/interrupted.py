"""A retried job that works until somebody stops it.

python interrupted.py FOLDER RUNNER
"""

import asyncio
import sys
import time
from pathlib import Path

import trio

from localqueue.retry import PersistentAsyncRetrying, PersistentRetrying
from localqueue.sqlite import SQLiteAttemptStore

FOREVER = 60.0


def begin() -> None:
    sys.stdout.write("begun\n")
    sys.stdout.flush()


def work() -> None:
    begin()
    time.sleep(FOREVER)


async def work_on_asyncio() -> None:
    begin()
    await asyncio.sleep(FOREVER)


async def work_on_trio() -> None:
    begin()
    await trio.sleep(FOREVER)


async def work_in_a_loop(retryer: PersistentAsyncRetrying) -> None:
    async for attempt in retryer:
        async with attempt:
            await work_on_asyncio()


async def work_in_a_plain_with(retryer: PersistentAsyncRetrying) -> None:
    async for attempt in retryer:
        with attempt:
            await work_on_asyncio()


def main() -> None:
    folder, runner = sys.argv[1:]
    # The end of the program closes it: after a plain "with", its thread may still be writing.
    store = SQLiteAttemptStore(Path(folder) / "retries.sqlite3")
    blocking = PersistentRetrying(key="job:1", store=store, max_tries=3)
    retryer = PersistentAsyncRetrying(key="job:1", store=store, max_tries=3)
    if runner == "sync":
        blocking(work)
    elif runner == "asyncio":
        asyncio.run(retryer(work_on_asyncio))
    elif runner == "asyncio-loop":
        asyncio.run(work_in_a_loop(retryer))
    elif runner == "asyncio-plain-with":
        asyncio.run(work_in_a_plain_with(retryer))
    else:
        trio.run(retryer, work_on_trio)


if __name__ == "__main__":
    main()
