"""Uses a store as another process does: python sqlite_use.py COMMAND PATH [ARGUMENTS].

Answers are lines of JSON. Commands that wait go on when a line comes in.
"""

import json
import os
import resource
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localqueue.core import Failure, RetryRecord, StoreError
from localqueue.sqlite import SQLiteAttemptStore

NOBODY = 65534
TEXT = "x" * 1000


def answer(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def wait() -> None:
    sys.stdin.readline()


def described(error: StoreError) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "path": error.path,
        "problem": error.problem,
        "remedy": error.remedy,
        "cause": type(error.__cause__).__name__,
    }


def attempt(action: Callable[[], Any]) -> Any:
    """What went wrong, or None."""
    try:
        action()
    except StoreError as error:
        return described(error)
    return None


def open_once(path: str) -> None:
    """Open at the moment that was told, and write a record under the number of the process."""
    answer("ready")
    wait()
    with SQLiteAttemptStore(path) as store:
        store.save(f"opener:{os.getpid()}", RetryRecord(1, 1.0))


def hold(path: str) -> None:
    """Keep the write lock until told."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    answer("held")
    wait()
    connection.execute("COMMIT")
    connection.close()


def hammer(path: str, seconds: str, name: str) -> None:
    """Reserve and settle for a while; tells how often, and the longest time one call took."""
    worst, calls = 0.0, 0
    with SQLiteAttemptStore(path) as store:
        store.load(name)
        answer("ready")
        wait()
        end = time.monotonic() + float(seconds)
        while (begun := time.monotonic()) < end:
            record = RetryRecord(1, 1.0, budget=name, revision=name)
            if calls % 2 == 0:
                assert store.reserve(f"{name}:{calls}", record, expected=None)
            else:
                failure = Failure(1, 2.0, "OSError", "refused")
                assert store.settle(f"{name}:{calls - 1}", failure, budget=name) is not None
            worst = max(worst, time.monotonic() - begun)
            calls += 1
    answer({"worst": worst, "calls": calls})


def unprivileged(path: str, warm_up: str) -> None:
    """Load and save as a user who is not root."""
    with SQLiteAttemptStore(warm_up) as store:
        store.save("all modules", RetryRecord(1, 1.0))  # are loaded while they can be
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    with SQLiteAttemptStore(path, timeout=1) as store:
        answer(
            {
                "load": attempt(lambda: store.load("job:1")),
                "save": attempt(lambda: store.save("job:1", RetryRecord(9, 9.0))),
            }
        )


class Room:
    """Takes away the room for growth, and gives it back."""

    def __init__(self, kind: str, path: str, store: SQLiteAttemptStore) -> None:
        self.kind = kind
        self.ballast = Path(path).with_name("ballast")
        self.size = Path(path).stat().st_size
        self.connection = store._database._connection
        assert self.connection is not None

    def take(self) -> None:
        if self.kind == "pages":
            self.connection.execute(f"PRAGMA max_page_count = {self.size // 4096 + 20}")
        elif self.kind == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        else:
            self.fill()

    def fill(self) -> None:
        with self.ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                file.truncate(max(0, file.tell() - 100_000))

    def give(self) -> None:
        if self.kind == "pages":
            self.connection.execute("PRAGMA max_page_count = 1000000")
        elif self.kind == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        else:
            self.ballast.unlink()


def write_until_full(store: SQLiteAttemptStore, kept: list[str]) -> Any:
    for number in range(5000):
        key = f"job:{number}"
        record = RetryRecord(1, 1.0, last_error_message=TEXT, budget="b")
        if (error := attempt(lambda: store.save(key, record))) is not None:  # noqa: B023 - run at once
            return error
        kept.append(key)
    return None


def fill(path: str, kind: str) -> None:
    """Write until there is no room, then again when there is."""
    with SQLiteAttemptStore(path) as store:
        store.save("first", RetryRecord(1, 1.0, budget="b"))
        room = Room(kind, path, store)
        room.take()
        kept: list[str] = ["first"]
        save = write_until_full(store, kept)
        before = store.load("first"), store.history("first")
        settle = None
        for number in range(200):
            failure = Failure(1, float(number), "OSError", TEXT * 2)
            settle = attempt(lambda: store.settle("first", failure, budget="b"))  # noqa: B023
            if settle is not None:
                break
            before = store.load("first"), store.history("first")
        half_done = before != (store.load("first"), store.history("first"))
        readable = all(store.load(key) is not None for key in kept)
        room.give()
        store.save("afterwards", RetryRecord(1, 1.0))
        answer(
            {
                "kept": len(kept),
                "save": save,
                "settle": settle,
                "half_done": half_done,
                "readable": readable,
            }
        )


def open_full(path: str) -> None:
    """Make a new store where nothing can be written, then where it can."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    with SQLiteAttemptStore(path) as store:
        error = attempt(lambda: store.save("job:1", RetryRecord(1, 1.0)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        store.save("job:1", RetryRecord(2, 1.0))
    answer(error)


def upgrade(path: str) -> None:
    """Open an old file at the moment that was told; tells how many records are there."""
    with SQLiteAttemptStore(path) as store:
        answer("ready")
        wait()
        store.load("none")
        answer(count(store))


def count(store: SQLiteAttemptStore) -> int:
    total, after = 0, None
    while page := store.records(after=after, limit=1000):
        total, after = total + len(page), page[-1][0]
    return total


COMMANDS: dict[str, Callable[..., None]] = {
    "fill": fill,
    "hammer": hammer,
    "hold": hold,
    "open": open_once,
    "open-full": open_full,
    "unprivileged": unprivileged,
    "upgrade": upgrade,
}

if __name__ == "__main__":
    command, path, *rest = sys.argv[1:]
    COMMANDS[command](path, *rest)
