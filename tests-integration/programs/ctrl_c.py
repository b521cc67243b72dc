"""Ctrl-C at random moments of a retried job, often in the middle of the store's work.

    python ctrl_c.py FOLDER RUNNER SIGNALS SEED

RUNNER is "sync", "asyncio" or "trio". Each child is a process that runs a job which always fails
and is tried again at once, until SIGINT comes. Prints what each child did and left behind.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import trio
from tenacity import stop_never, wait_none
from witness import Witness

from localqueue.core import RetryRecord
from localqueue.retry import PersistentAsyncRetrying, PersistentRetrying, set_hooks
from localqueue.sqlite import SQLiteAttemptStore

KEY = "job:1"
INTERRUPTED = 10
LIFE_SECONDS = 0.03
# Enough for a budget to give back all that it may, and for some to count after that.
ROUNDS_A_FILE = 15
PATIENCE_SECONDS = 20.0


def witness_path(path: Path, seed: float) -> Path:
    return path.with_name(f"witness-{seed}")


class Child:
    """What runs in a child process."""

    def __init__(self, path: Path, runner: str, seed: float) -> None:
        self.witness = Witness(witness_path(path, seed))
        self.store = SQLiteAttemptStore(path)
        self.runner = runner
        self.random = random.Random(seed)
        self.options: dict[str, Any] = {
            "key": KEY,
            "store": self.store,
            "stop": stop_never,
            "wait": wait_none(),
        }

    def job(self) -> None:
        self.witness.write(started=True)
        if self.random.random() < 0.3:
            time.sleep(0.002)
        raise ConnectionError("down")

    async def job_async(self) -> None:
        self.witness.write(started=True)
        if self.random.random() < 0.3:
            await (trio.sleep if self.runner == "trio" else asyncio.sleep)(0.002)
        raise ConnectionError("down")

    def start(self) -> None:
        if self.runner == "sync":
            PersistentRetrying(**self.options)(self.job)
        elif self.runner == "asyncio":
            asyncio.run(PersistentAsyncRetrying(**self.options)(self.job_async))
        else:
            trio.run(PersistentAsyncRetrying(**self.options), self.job_async)

    def run(self) -> int:
        try:
            if self.runner == "sync":  # the others want to be inside their loop first
                self.witness.write(ready=True)
            self.start()
        except KeyboardInterrupt:
            # The store goes on: no lock is held, no transaction is open.
            self.store.load(KEY)
            self.store.save("other", RetryRecord(attempts=1))
            return INTERRUPTED
        return 1


def fork_a_child(path: Path, runner: str, seed: float) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        status = Child(path, runner, seed).run()
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


def one_round(path: Path, runner: str, luck: random.Random) -> dict[str, Any]:
    before = record_in(path) if path.exists() else None  # the first child makes the file
    seed = luck.random()
    child = fork_a_child(path, runner, seed)
    witness = witness_path(path, seed)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not witness.exists() or not witness.stat().st_size:
        if time.monotonic() > deadline:
            raise RuntimeError("a child did not start")
        time.sleep(0.001)
    time.sleep(luck.uniform(0, LIFE_SECONDS))
    os.kill(child, signal.SIGINT)
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)
        ended, status = os.waitpid(child, os.WNOHANG)
    facts = [json.loads(line) for line in witness.read_text().splitlines()]
    return {
        "ended_by_it": os.waitstatus_to_exitcode(status) == INTERRUPTED,
        "started": sum("started" in fact for fact in facts),
        "before": before,
        "after": record_in(path),
    }


def record_in(path: Path) -> dict[str, Any] | None:
    with SQLiteAttemptStore(path) as store:
        record = store.load(KEY)
    return None if record is None else asdict(record)


def main() -> None:
    set_hooks([])
    folder, runner, signals, seed = sys.argv[1:]
    luck = random.Random(seed)
    found = [
        one_round(Path(folder) / f"{number // ROUNDS_A_FILE}.sqlite3", runner, luck)
        for number in range(int(signals))
    ]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
