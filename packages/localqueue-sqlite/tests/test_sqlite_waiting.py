"""A thread that waits for another process holds up none of its siblings, and no fork."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord, StoreLockedError
from localqueue.sqlite import SQLiteAttemptStore

RECORD = RetryRecord(3, 7.0)


class Waiting:
    """Threads that want to write while another process holds the lock."""

    def __init__(self, store: SQLiteAttemptStore, number: int) -> None:
        self.waited: list[float] = []
        self.errors: list[Exception] = []
        self.store = store
        self.threads = [threading.Thread(target=self.write, args=(n,)) for n in range(number)]
        for thread in self.threads:
            thread.start()

    def write(self, number: int) -> None:
        begun = time.monotonic()
        try:
            self.store.save(f"job:{number}", RECORD)
        except StoreLockedError as error:
            self.errors.append(error)
        self.waited.append(time.monotonic() - begun)

    def join(self) -> None:
        for thread in self.threads:
            thread.join()


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteAttemptStore]:
    with SQLiteAttemptStore(path, timeout=0.5) as store:
        store.save("read", RECORD)
        yield store


@pytest.fixture
def held(start: Callable[..., Any], path: Path, store: SQLiteAttemptStore) -> Any:
    holder = start("sqlite_use.py", "hold", path)
    assert holder.answer() == "held"
    return holder


def test_the_timeouts_of_threads_do_not_add_up(store: SQLiteAttemptStore, held: Any) -> None:
    waiting = Waiting(store, 6)
    waiting.join()
    assert len(waiting.errors) == 6
    assert max(waiting.waited) < 0.9


def test_a_thread_reads_while_another_waits(store: SQLiteAttemptStore, held: Any) -> None:
    waiting = Waiting(store, 3)
    begun = time.monotonic()
    for _ in range(20):
        assert store.load("read") == RECORD
    assert time.monotonic() - begun < 0.3
    waiting.join()


def test_a_fork_does_not_wait_for_a_thread_that_waits(store: SQLiteAttemptStore, held: Any) -> None:
    waiting = Waiting(store, 3)
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(0 if store.load("read") == RECORD else 1)
    assert time.monotonic() - begun < 0.3
    assert os.waitpid(child, 0) == (child, 0)
    waiting.join()


def test_threads_that_waited_write_when_they_can(store: SQLiteAttemptStore, held: Any) -> None:
    waiting = Waiting(store, 6)
    time.sleep(0.1)
    held.tell()
    waiting.join()
    assert waiting.errors == []
    assert len(store.records(prefix="job:")) == 6
