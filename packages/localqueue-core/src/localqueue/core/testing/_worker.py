"""What other threads and processes do with a store; as a script, the programs of those processes.

    python _worker.py PROGRAM URL [ARGUMENT...]

It needs ``localqueue.core`` and the store only, so that a process is up in no time. Processes speak
in lines of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from localqueue.core import (
    ATTEMPT_STORES,
    AttemptStore,
    Failure,
    GroupCommit,
    RetryRecord,
    open_attempt_store,
    transitions,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

KEY = "job:1"
HEIR = "job:2"
NOW = 1_700_000_000.0
LIFE = 25
"""After how many attempts the budget of :func:`live` ends with a success."""


def say(value: object) -> None:
    """One line to the process that started this one, out of any buffer."""
    os.write(1, json.dumps(value).encode() + b"\n")


def hear() -> Any:
    """The next line of the process that started this one; None when there is none any more."""
    line = sys.stdin.readline()
    return json.loads(line) if line else None


def reserve_patiently(store: AttemptStore, key: str, *, most: int) -> RetryRecord | None:
    """Reserve the next attempt, however many others want it; None when there are ``most``."""
    while True:
        seen = store.load(key)
        if seen is not None and seen.attempts >= most:
            return None
        record = transitions.started(seen, now=NOW)
        if store.reserve(key, record, expected=seen):
            return record


def reserve_all(store: AttemptStore, key: str, most: int) -> list[int]:
    """Reserve attempts until there are ``most``; the numbers of those that were got."""
    numbers: list[int] = []
    while (record := reserve_patiently(store, key, most=most)) is not None:
        numbers.append(record.attempts)
    return numbers


def attempt_often(store: AttemptStore, key: str, times: int) -> dict[str, int]:
    """Make attempts that fail, are interrupted or are left; how many of each."""
    did = {"failed": 0, "interrupted": 0, "left": 0}
    for number in range(times):
        record = reserve_patiently(store, key, most=sys.maxsize)
        assert record is not None
        outcome = ("failed", "interrupted", "left")[number % 3]
        done: object = True
        if outcome == "failed":
            done = store.settle(key, Failure(record.attempts, NOW), budget=record.budget)
        elif outcome == "interrupted":
            done = store.release(key, budget=record.budget, interruptions_allowed=sys.maxsize)
        assert done, f"the budget of {key!r} is running, and yet {outcome} changed nothing"
        did[outcome] += 1
    return did


def churn(store: AttemptStore, prefix: str, rounds: int) -> int:
    """Add keys with ``prefix``, and remove them again; how often."""
    for number in range(rounds):
        key = f"{prefix}{number % 50:02}"
        record = transitions.started(None, now=NOW)
        assert store.reserve(key, record, expected=None)
        assert store.settle(key, Failure(1, NOW), budget=record.budget)
        assert store.delete(key)
    return rounds


def serve(url: str) -> None:
    """Do what is asked, one operation at a time."""
    with open_attempt_store(url) as store:
        while (asked := hear()) is not None:
            operation, key = asked
            if operation == "load":
                record = store.load(key)
                failures = [asdict(failure) for failure in store.history(key)]
                say([None if record is None else asdict(record), failures])
            elif operation == "reserve":
                reserved = reserve_patiently(store, key, most=sys.maxsize)
                assert reserved is not None
                say(asdict(reserved))
            else:
                say(store.delete(key))


def together(url: str, work: str, key: str, amount: str) -> None:
    """Wait for the others, open the store at the same time as they, and work."""
    say("ready")
    hear()
    with open_attempt_store(url) as store:
        if work == "reserve_all":
            say(reserve_all(store, key, int(amount)))
        elif work == "attempt_often":
            say(attempt_often(store, key, int(amount)))
        else:
            say(churn(store, key, int(amount)))


def live(url: str) -> None:
    """Reserve and fail, over and over, and tell each step, until killed."""
    store = open_attempt_store(url)
    while True:
        record = store.load(KEY)
        if record is None or record.attempts == (record.last_error_at or 0):
            record = transitions.started(record, now=NOW)
            assert store.reserve(KEY, record, expected=store.load(KEY))
            say(["reserved", record.attempts])
        number = record.attempts
        store.settle(KEY, Failure(number, float(number), str(number)), budget=record.budget)
        say(["settled", number])
        if number % LIFE == 0:
            store.complete(KEY, budget=record.budget)
            say(["completed", number])


OPERATIONS: dict[str, Callable[[AttemptStore, RetryRecord | None, str], object]] = {
    "reserve": lambda store, seen, _: store.reserve(
        KEY, transitions.started(seen, now=NOW + 60), expected=seen
    ),
    "settle": lambda store, _, budget: store.settle(
        KEY, Failure(99, NOW + 60, "OSError"), budget=budget, next_attempt_at=NOW + 70
    ),
    "release": lambda store, _, budget: store.release(KEY, budget=budget),
    "interrupt": lambda store, _, budget: store.release(
        KEY, budget=budget, interruptions_allowed=5
    ),
    "complete": lambda store, _, budget: store.complete(KEY, budget=budget),
    "complete and keep": lambda store, _, budget: store.complete(
        KEY, budget=budget, succeeded_at=NOW + 60
    ),
    "delete": lambda store, _, __: store.delete(KEY),
    "save": lambda store, _, __: store.save(KEY, RetryRecord(4, NOW, budget="b")),
    "prune": lambda store, _, __: store.prune_exhausted(older_than=0, now=NOW + 60),
    "pass on": lambda store, _, __: pass_on(store),
}


def pass_on(store: AttemptStore) -> RetryRecord:
    """In one transaction, end the job of one key and begin that of another, which fails."""

    def work() -> RetryRecord:
        seen = store.load(KEY)
        assert seen is not None
        assert store.complete(KEY, budget=seen.budget)
        begun = transitions.started(None, now=NOW)
        assert store.reserve(HEIR, begun, expected=None)
        failed = store.settle(HEIR, Failure(1, NOW, "OSError"), budget=begun.budget)
        assert failed is not None
        return failed

    assert isinstance(store, GroupCommit)
    return store.together(work)


def die(url: str) -> None:
    """Do an operation in a child that kills itself before a given line of the store's code.

    Each answer is the child's: how many lines there are, if it came through; and its exit status.
    """
    scheme = url.partition(":")[0]
    for entry in entry_points(group=ATTEMPT_STORES):
        if entry.name == scheme:
            entry.load()  # once for all children
    while (asked := hear()) is not None:
        child = os.fork()
        if child == 0:
            try:
                _die_at_line(url, *asked)
            finally:
                os._exit(1)
        say(os.waitpid(child, 0)[1])


def _die_at_line(url: str, operation: str, last: int) -> None:
    store = open_attempt_store(url)
    seen = store.load(KEY)
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        module = frame.f_globals.get("__name__", "").partition(".")[0]
        if module == "__main__" or module in sys.stdlib_module_names:
            return None
        if event == "line":
            lines += 1
            if lines == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    OPERATIONS[operation](store, seen, "" if seen is None else seen.budget)
    sys.settrace(None)
    say(lines)
    os._exit(0)


def fork(url: str) -> None:
    """Use a store before a fork, in the child, which ends as programs do, and afterwards."""
    with open_attempt_store(url) as store:
        numbers = [reserve_patiently(store, KEY, most=9)]
        child = os.fork()
        if child == 0:
            reserve_patiently(store, KEY, most=9)
            return
        status = os.waitpid(child, 0)[1]
        numbers.append(reserve_patiently(store, KEY, most=9))
        say([status, *(record and record.attempts for record in numbers)])


def main() -> None:
    """Run the program that the command line names."""
    programs: dict[str, Callable[..., None]] = {
        "serve": serve,
        "together": together,
        "live": live,
        "die": die,
        "fork": fork,
    }
    programs[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
