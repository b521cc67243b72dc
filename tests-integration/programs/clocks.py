"""Processes with one key and clocks that jump back and forth by an hour.

    python clocks.py FOLDER BACKOFF PROCESSES SEED

BACKOFF is "ours", or "naive": as long as the difference between the stored time and now. The clock of a process is ``time.time`` with an offset that changes at random at every reading.
Prints what each process slept and saw.
"""

import json
import multiprocessing
import random
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tenacity import stop_after_attempt, wait_fixed
from witness import Witness

from localqueue.core import transitions
from localqueue.retry import PersistentRetryExhausted, PersistentRetrying, set_hooks
from localqueue.sqlite import SQLiteAttemptStore

BUDGET = 6
KEYS = 5
WAIT_SECONDS = 0.02
OFFSETS = (-3600.0, 0.0, 3600.0)
JUMPS = 0.3
# The naive backoff asks for an hour; that it did is all that is to be known.
LONGEST_SLEEP_SECONDS = 0.1

real_time = time.time


class Clock:
    """``time.time`` of a machine whose clock is set again and again."""

    def __init__(self, luck: random.Random) -> None:
        self.luck = luck
        self.offset = luck.choice(OFFSETS)

    def time(self) -> float:
        if self.luck.random() < JUMPS:
            self.offset = self.luck.choice(OFFSETS)
        return real_time() + self.offset


def work(folder: Path, backoff: str, seed: str, number: int, barrier: Any) -> None:
    set_hooks([])
    if backoff == "naive":
        transitions.due_at = lambda record, now: record.next_attempt_at or now
    time.time = Clock(random.Random(f"{seed}-{number}")).time
    witness = Witness(folder / "witness")

    def sleep(seconds: float) -> None:
        witness.write(slept=seconds)
        time.sleep(min(seconds, LONGEST_SLEEP_SECONDS))

    def before(state: Any) -> None:
        witness.write(key=state.key, attempt=state.attempt_number)

    def after(state: Any) -> None:
        witness.write(since=state.seconds_since_start)

    store = SQLiteAttemptStore(folder / "retries.sqlite3")
    for key in range(KEYS):
        retryer = PersistentRetrying(
            key=f"job:{key}",
            store=store,
            stop=stop_after_attempt(BUDGET),
            wait=wait_fixed(WAIT_SECONDS),
            sleep=sleep,
            before=before,
            after=after,
        )
        barrier.wait(60)
        begun = time.monotonic()
        with suppress(ConnectionError, PersistentRetryExhausted):
            retryer(fail)
        witness.write(took=time.monotonic() - begun)
    store.close()
    witness.close()


def fail() -> None:
    raise ConnectionError("down")


def main() -> None:
    folder, backoff, processes, seed = sys.argv[1:]
    own = Path(folder) / f"{backoff} {seed}"
    own.mkdir()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(int(processes))
    workers = [
        context.Process(target=work, args=(own, backoff, seed, number, barrier))
        for number in range(int(processes))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        sys.exit("a worker failed")
    facts = Witness(own / "witness").read()
    with SQLiteAttemptStore(own / "retries.sqlite3") as store:
        attempts = {key: record.attempts for key, record in store.records()}
    report = {
        "numbers": {key: [f["attempt"] for f in facts if f.get("key") == key] for key in attempts},
        "attempts": attempts,
        "slept": [fact["slept"] for fact in facts if "slept" in fact],
        "since": [fact["since"] for fact in facts if "since" in fact],
        "took": [fact["took"] for fact in facts if "took" in fact],
        "budget": BUDGET,
        "wait": WAIT_SECONDS,
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
