"""Many tasks on one event loop, while another process keeps the store's write lock.

    python loop.py FOLDER RUNNER TASKS LOCKED_SECONDS

RUNNER is "asyncio", "trio", or "blocking": the blocking retryer on an asyncio loop. Prints how
long the loop was stalled at most, and what the tasks came to.
"""

import asyncio
import gc
import json
import multiprocessing
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio
from tenacity import wait_none

from localqueue.retry import PersistentAsyncRetrying, PersistentRetrying, set_hooks
from localqueue.sqlite import SQLiteAttemptStore

BEAT_SECONDS = 0.001
# A crowd that starts in one step of the loop would be a stall of its own.
GROUP = 20

Sleep = Callable[[float], Awaitable[None]]


class Crowd:
    def __init__(self, store: SQLiteAttemptStore, tasks: int, sleep: Sleep) -> None:
        self.tasks = tasks
        self.sleep = sleep
        self.runs: Counter[str] = Counter()
        self.results: list[str] = []
        self.longest_stall = 0.0
        options: dict[str, Any] = {
            "key_fn": lambda fn, args, kwargs: args[0],
            "store": store,
            "max_tries": 3,
            "wait": wait_none(),
        }
        self.retryer = PersistentAsyncRetrying(**options)
        self.blocking_retryer = PersistentRetrying(**options)

    async def one(self, key: str) -> None:
        self.results.append(await self.retryer(self.job, key))

    async def one_blocking(self, key: str) -> None:
        self.results.append(self.blocking_retryer(self.work, key))

    async def job(self, key: str) -> str:
        await self.sleep(0)
        return self.work(key)

    def work(self, key: str) -> str:
        """Fail at the first try, succeed at the second."""
        self.runs[key] += 1
        if self.runs[key] == 1:
            raise ConnectionError("down")
        return f"result of {key}"

    async def beat(self) -> None:
        before = time.perf_counter()
        while len(self.results) < self.tasks:
            await self.sleep(BEAT_SECONDS)
            now = time.perf_counter()
            self.longest_stall = max(self.longest_stall, now - before - BEAT_SECONDS)
            before = now

    async def start(
        self, start: Callable[[Callable[..., Awaitable[None]], str], object], one: Any
    ) -> None:
        for number in range(self.tasks):
            start(one, f"job:{number}")
            if number % GROUP == 0:
                await self.sleep(0)

    async def on_asyncio(self, one: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.beat())
            await asyncio.sleep(0)
            await self.start(lambda one, key: group.create_task(one(key)), one)
        if asyncio.all_tasks() != {asyncio.current_task()}:
            raise RuntimeError("a task was left over")

    async def on_trio(self, one: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.beat)
            await self.start(nursery.start_soon, one)


def keep_the_lock(path: str, seconds: float, is_held: Any, is_wanted: Any) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    is_held.set()
    is_wanted.wait(60)
    time.sleep(seconds)
    connection.execute("ROLLBACK")
    connection.close()


def main() -> None:
    set_hooks([])
    folder, runner, tasks, locked_seconds = sys.argv[1:]
    store = SQLiteAttemptStore(Path(folder) / f"{runner}.sqlite3")
    store.load("any")  # makes the file, so that it can be locked
    crowd = Crowd(store, int(tasks), trio.sleep if runner == "trio" else asyncio.sleep)

    context = multiprocessing.get_context("spawn")
    is_held, is_wanted = context.Event(), context.Event()
    holder = context.Process(
        target=keep_the_lock, args=(str(store), float(locked_seconds), is_held, is_wanted)
    )
    holder.start()
    if not is_held.wait(60):
        sys.exit("the lock could not be had")
    gc.freeze()
    begun = time.perf_counter()
    is_wanted.set()
    if runner == "trio":
        trio.run(crowd.on_trio, crowd.one)
    else:
        asyncio.run(crowd.on_asyncio(crowd.one if runner == "asyncio" else crowd.one_blocking))
    seconds = time.perf_counter() - begun
    holder.join()
    report = {
        "longest_stall": crowd.longest_stall,
        "seconds": seconds,
        "results": sorted(crowd.results),
        "runs": crowd.runs,
        "records": len(store.records()),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }
    store.close()
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
