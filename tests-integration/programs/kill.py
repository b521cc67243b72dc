"""Processes that run retried jobs and are killed at random moments.

    python kill.py FOLDER STORE KILLS SEED

Every attempt that is not killed fails. Processes are killed until KILLS of them are dead. Prints what the jobs have witnessed and what the store remembers.
"""

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import time
import traceback
from itertools import count, islice
from pathlib import Path
from typing import Any

from stores import open_store
from tenacity import stop_after_attempt, wait_fixed
from witness import Witness

from localqueue.retry import (
    PersistentAsyncRetrying,
    PersistentRetryExhausted,
    PersistentRetrying,
    set_hooks,
)

BUDGET = 3
CHILDREN = 3
KEYS = 6
LIFE_SECONDS = 0.03
WORK_SECONDS = 0.008


class Campaign:
    def __init__(self, folder: Path, store: str, kills: int, seed: str) -> None:
        self.folder = folder
        self.store = store
        self.kills = kills
        self.random = random.Random(seed)
        self.witness = Witness(folder / "witness")
        self.killed = 0
        self.refused: set[str] = set()
        self.doomed: dict[int, float] = {}
        self.key_of: dict[int, str] = {}

    def run(self) -> None:
        while self.killed < self.kills or self.doomed:
            while self.killed < self.kills and len(self.doomed) < CHILDREN:
                self.start()
            time.sleep(0.001)
            self.reap()

    def start(self) -> None:
        # One of the first keys that are not spent; two children may well have the same.
        unspent = (key for key in map("job:{}".format, count()) if key not in self.refused)
        key, seed = self.random.choice(list(islice(unspent, KEYS))), self.random.random()
        child = os.fork()
        if child == 0:
            self.be_a_job(key, seed)
        self.doomed[child] = time.monotonic() + self.random.uniform(0, LIFE_SECONDS)
        self.key_of[child] = key

    def reap(self) -> None:
        for child, moment in list(self.doomed.items()):
            if time.monotonic() >= moment:
                os.kill(child, signal.SIGKILL)  # not reaped yet: the id is still its own
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            del self.doomed[child]
            if os.WIFSIGNALED(status):
                self.killed += 1
            elif os.WEXITSTATUS(status) == REFUSED:
                self.refused.add(self.key_of[child])
            elif os.WEXITSTATUS(status) != FAILED:
                raise RuntimeError(f"a job ended with {os.WEXITSTATUS(status)}")

    def be_a_job(self, key: str, seed: float) -> None:
        status = 1
        try:
            status = Job(self, key, seed).run()
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)


FAILED, REFUSED = 10, 11


class Job:
    def __init__(self, campaign: Campaign, key: str, seed: float) -> None:
        self.campaign = campaign
        self.key = key
        self.random = random.Random(seed)
        self.attempt = 0
        self.options: dict[str, Any] = {
            "key": key,
            "store": open_store(campaign.store, campaign.folder),
            "stop": stop_after_attempt(BUDGET),
            "wait": wait_fixed(0.002),
            "before": self.note,
        }

    def run(self) -> int:
        try:
            if self.key.endswith(("0", "2", "4", "6", "8")):  # a key belongs to one function
                PersistentRetrying(**self.options)(self.work)
            else:
                asyncio.run(PersistentAsyncRetrying(**self.options)(self.work_async))
        except PersistentRetryExhausted:
            return REFUSED
        except ConnectionError:
            return FAILED
        return 1

    def note(self, state: Any) -> None:
        self.attempt = state.attempt_number

    def work(self) -> None:
        self.campaign.witness.write(started=self.key, attempt=self.attempt)
        time.sleep(self.random.uniform(0, WORK_SECONDS))
        raise ConnectionError("down")

    async def work_async(self) -> None:
        self.campaign.witness.write(started=self.key, attempt=self.attempt)
        await asyncio.sleep(self.random.uniform(0, WORK_SECONDS))
        raise ConnectionError("down")


def fail() -> None:
    raise ConnectionError("down")


def is_refused(retryer: PersistentRetrying) -> bool:
    try:
        for attempt in retryer:
            with attempt:
                fail()
    except ConnectionError:
        return False
    except PersistentRetryExhausted:
        return True
    raise RuntimeError("a failing loop ended")


def report(campaign: Campaign) -> dict[str, Any]:
    executed: dict[str, list[int]] = {}
    for fact in campaign.witness.read():
        executed.setdefault(fact["started"], []).append(fact["attempt"])
    with open_store(campaign.store, campaign.folder) as store:
        records = {key: store.load(key) for key in executed}
        retryer = PersistentRetrying(key="any", store=store, max_tries=BUDGET, wait=wait_fixed(0))
        spent = [key for key, r in records.items() if r is not None and r.attempts >= BUDGET]
        refused = [key for key in spent if is_refused(retryer.copy(key=key))]
    connection = sqlite3.connect(campaign.folder / "retries.sqlite3")
    ((integrity,),) = connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    return {
        "killed": campaign.killed,
        "executed": executed,
        "attempts": {key: r.attempts if r is not None else 0 for key, r in records.items()},
        "spent": spent,
        "refused": refused,
        "integrity": integrity,
    }


def main() -> None:
    set_hooks([])
    folder, store, kills, seed = sys.argv[1:]
    campaign = Campaign(Path(folder), store, int(kills), seed)
    campaign.run()
    json.dump(report(campaign), sys.stdout)


if __name__ == "__main__":
    main()
