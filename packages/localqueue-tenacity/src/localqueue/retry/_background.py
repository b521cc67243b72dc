"""Store operations of async calls: one writer thread a store, so that no event loop waits."""

from __future__ import annotations

import sys
import time
import weakref
from collections import deque
from contextlib import suppress
from functools import cache, partial
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from localqueue.core import GroupCommit, StoreLockedError, renew_after_fork
from localqueue.retry._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.core import AttemptStore
    from localqueue.retry._asyncio import AsyncioTask
    from localqueue.retry._task import Wake

T = TypeVar("T")

# The event loop hears of its results after at most so many operations.
_BATCH = 64
# A transaction of many operations keeps the file from other processes while this thread waits for
# its turn between two of them. It takes no more on after so long.
_LONGEST_SECONDS = 0.005


async def run(store: AttemptStore, operation: Callable[[], T], *, repeatable: bool = False) -> T:
    """Run a store operation in the store's writer thread.

    An operation that was handed over is always carried out. A cancellation is raised after it is
    done, so that whoever catches it finds the store as it will stay.
    """
    if "trio" in sys.modules:
        from localqueue.retry import _trio

        if _trio.is_running():
            result: T = await _trio.run(hand_over, store, operation, repeatable=repeatable)
            return result
    task = _asyncio_task()(store, operation, repeatable=repeatable)
    hand_over(task)
    value: T = await task.wait()
    return value


def submit(store: AttemptStore, operation: Callable[[], object]) -> None:
    """Have a store operation done behind those that were handed over before; nobody waits."""
    hand_over(Task(store, operation, repeatable=False))


def hand_over(task: Task) -> None:
    """Give ``task`` to the writer thread of its store."""
    _writer_of(task.store).submit(task)


@cache
def _asyncio_task() -> type[AsyncioTask]:
    from localqueue.retry._asyncio import AsyncioTask  # asyncio is heavy for who never uses it

    return AsyncioTask


class _Writer:
    """Carries tasks out one after the other in a thread of its own."""

    def __init__(self) -> None:
        self.renew_after_fork()
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        from concurrent.futures import ThreadPoolExecutor  # blocking calls need none

        self._waiting: deque[Task] = deque()
        self._draining = False
        # The executor's thread is joined when the interpreter exits, so that no write is lost.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="localqueue-writer")

    def submit(self, task: Task) -> None:
        # Without a lock of ours: the garbage collector may call this in the middle of itself.
        self._waiting.append(task)
        if self._draining:
            return
        self._draining = True
        try:
            self._executor.submit(self._drain)
        except RuntimeError:  # the interpreter is exiting and starts no thread: it is done here
            self._drain()
        except BaseException:  # a signal came between: the next operation starts the thread
            self._draining = False
            raise

    def _drain(self) -> None:
        while batch := self._take():
            for repeatable, group in groupby(batch, attrgetter("repeatable")):
                tasks = list(group)
                if repeatable:
                    _carry_out_together(tasks)
                else:
                    for task in tasks:
                        task.carry_out()
            by_loop: dict[Wake, deque[Task]] = {}
            for task in batch:
                task.is_done = True
                if task.wake is not None:
                    by_loop.setdefault(task.wake, deque()).append(task)
            for wake, done in by_loop.items():
                with suppress(RuntimeError):  # the loop is closed, nobody waits any more
                    wake(partial(_arrive, wake, done))

    def _take(self) -> list[Task]:
        batch = self._next_batch()
        if not batch:
            self._draining = False
            # What was handed over before that line relies on this thread.
            batch = self._next_batch()
        return batch

    def _next_batch(self) -> list[Task]:
        batch: list[Task] = []
        with suppress(IndexError):  # at exit, another thread may be taking tasks, too
            while len(batch) < _BATCH:
                batch.append(self._waiting.popleft())
        return batch


def _carry_out_together(tasks: list[Task]) -> None:
    """As few transactions as the store can make of it, for the price of as few commits."""
    store = tasks[0].store
    while len(tasks) > 1 and isinstance(store, GroupCommit):
        try:
            values = store.together(partial(_values, tasks))
        except StoreLockedError as error:  # each of them has waited for the whole timeout
            for task in tasks:
                task.error = StoreLockedError(error.path, error.problem, error.remedy)
                task.error.__cause__ = error
            return
        except BaseException:  # whose it is will be seen
            break
        for task, value in zip(tasks, values, strict=False):
            task.value = value
        tasks = tasks[len(values) :]
    for task in tasks:
        task.carry_out()


def _values(tasks: list[Task]) -> list[Any]:
    """What the first of the tasks return; as many of them as one transaction should hold."""
    end = time.monotonic() + _LONGEST_SECONDS
    values = []
    for task in tasks:
        values.append(task.operation())
        if time.monotonic() > end:
            break
    return values


# By identity: two stores that are equal, or that cannot be hashed, are two stores all the same.
_writers: dict[int, _Writer] = {}


def _writer_of(store: AttemptStore) -> _Writer:
    writer = _writers.get(id(store))
    if writer is None:
        writer = _writers.setdefault(id(store), _Writer())
        weakref.finalize(store, _writers.pop, id(store), None)
    return writer


def _arrive(wake: Wake, tasks: deque[Task]) -> None:
    try:
        while tasks:
            tasks[0].arrived()
            tasks.popleft()
    except BaseException:  # Ctrl-C came between, and the others wait as well
        wake(partial(_arrive, wake, tasks))
        raise
