"""Interrupts store calls with signals: python sqlite_interrupts.py FOLDER SIGNALS STORE.

STORE is "real", or "naive": a store as one writes it without a thought of signals, which shows
that the campaign finds what it looks for. Answers with one line of JSON.
"""

import contextlib
import gc
import json
import random
import signal
import sqlite3
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localqueue.core import HISTORY_LIMIT, Failure, MemoryAttemptStore, RetryRecord
from localqueue.sqlite import SQLiteAttemptStore
from localqueue.sqlite._database import Database

KEY = "job:1"
FAILURE = Failure(1, 5.0, "OSError", "x" * 500)
LONGEST_DELAY_SECONDS = 150e-6
Operation = Callable[[Any], object]
State = tuple[RetryRecord | None, list[Failure]]

OPERATIONS: dict[str, Operation] = {
    "load": lambda store: store.load(KEY),
    "history": lambda store: store.history(KEY),
    "records": lambda store: store.records(prefix="job"),
    "count": lambda store: store.count_exhausted_older_than(older_than=0, now=9.0),
    "reserve": lambda store: store.reserve(
        KEY, RetryRecord(1, 1.0, budget="b", revision="r"), expected=None
    ),
    "settle": lambda store: store.settle(KEY, FAILURE, budget="b"),
    "exhaust": lambda store: store.settle(KEY, FAILURE, budget="b", exhausted=True),
    "release": lambda store: store.release(KEY, budget="b"),
    "interrupted": lambda store: store.release(KEY, budget="b", interruptions_allowed=5),
    "complete": lambda store: store.complete(KEY, budget="b"),
    "keep": lambda store: store.complete(KEY, budget="b", succeeded_at=6.0),
    "save": lambda store: store.save(KEY, RetryRecord(4, 2.0, budget="b")),
    "delete": lambda store: store.delete(KEY),
    "prune": lambda store: store.prune_exhausted(older_than=0, now=9.0),
}
# What was called most is what is reserved and settled; the others come in between.
WEIGHTS = [5 if name in ("settle", "release", "interrupted", "keep") else 2 for name in OPERATIONS]


class Interrupted(BaseException):
    """What the signal handler raises."""


class Alarm:
    """Raises Interrupted a short time after it was set, in the block and nowhere else."""

    def __init__(self) -> None:
        self.armed = False
        self.delivered = 0
        signal.signal(signal.SIGALRM, self.ring)

    def ring(self, *_: object) -> None:
        self.delivered += 1
        if self.armed:
            self.armed = False
            raise Interrupted

    def during(self, action: Callable[[], object], delay: float) -> bool:
        """Run ``action``; returns whether it was interrupted."""
        try:
            self.armed = True
            signal.setitimer(signal.ITIMER_REAL, delay)
            action()
            self.armed = False
        except Interrupted:
            return True
        return False


class NaiveDatabase(Database):
    """BEGIN stands outside of the try, and only an Exception is rolled back."""

    def write(self, sql: str, parameters: Any = ()) -> int:
        connection = self._connection
        if connection is None:
            with self.lock:
                connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            changed = connection.execute(sql, parameters).rowcount
        except Exception:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return changed


def make(path: Path, kind: str) -> SQLiteAttemptStore:
    store = SQLiteAttemptStore(path, timeout=5)
    if kind == "naive":
        store._database.__class__ = NaiveDatabase
    return store


def expected(operation: Operation, before: State) -> State:
    """The state that the whole operation makes of ``before``."""
    record, history = before
    model = MemoryAttemptStore()
    if record is not None:
        model.reserve(KEY, record, expected=None)
    operation(model)
    after = model.load(KEY)
    if after is None:
        return None, []
    return after, [*history, *model.history(KEY)][-HISTORY_LIMIT:]


def state(store: SQLiteAttemptStore) -> State:
    return store.load(KEY), store.history(KEY)


def left_open(watcher: sqlite3.Connection, store: SQLiteAttemptStore) -> bool:
    """Whether another connection finds the store locked; it is unlocked then."""
    try:
        watcher.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        connection = store._database._connection
        assert connection is not None
        connection.execute("ROLLBACK")
        return True
    watcher.execute("ROLLBACK")
    return False


def campaign(folder: Path, signals: int, kind: str) -> dict[str, int]:
    path = folder / "retries.sqlite3"
    chance = random.Random(7)
    alarm = Alarm()
    told = dict.fromkeys(["calls", "hits", "hits_opening", "left_open", "half_done", "unusable"], 0)
    store = make(path, kind)
    store.load(KEY)
    looking = SQLiteAttemptStore(path)
    watcher = sqlite3.connect(path, timeout=0, isolation_level=None)
    gc.disable()  # an exception out of a finalizer is printed and not raised
    while alarm.delivered < signals:
        told["calls"] += 1
        if told["calls"] % 50 == 0:
            gc.collect()
        name = chance.choices(list(OPERATIONS), WEIGHTS)[0]
        opening = chance.random() < 0.15
        if opening:
            store.close()
            store = make(path, kind)
        before = state(looking)
        operation = OPERATIONS[name]
        whole = expected(operation, before)
        delay = chance.uniform(1e-6, LONGEST_DELAY_SECONDS * (4 if opening else 1))
        hit = alarm.during(lambda: operation(store), delay)  # noqa: B023 - run at once
        signal.setitimer(signal.ITIMER_REAL, 0)
        told["hits"] += hit
        told["hits_opening"] += hit and opening
        told["left_open"] += left_open(watcher, store)
        found = state(looking)
        told["half_done"] += found != whole and not (hit and found == before)
        told["unusable"] += store.load(KEY) != found[0]
        if found[0] is None:
            store.save(KEY, RetryRecord(2, 1.0, budget="b"))
        elif found[0].succeeded_at is not None:
            store.delete(KEY)
    for one in (store, looking, watcher):
        one.close()
    with contextlib.closing(sqlite3.connect(path)) as plain:
        (sound,) = plain.execute("PRAGMA integrity_check").fetchone()
    return {**told, "delivered": alarm.delivered, "sound": int(sound == "ok")}


if __name__ == "__main__":
    # Between open() and its "with" a signal leaves an open file to the collector, as everywhere.
    warnings.simplefilter("ignore", ResourceWarning)
    sys.stdout.write(json.dumps(campaign(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])) + "\n")
