"""Store operations of async calls: one writer thread a store, so that no event loop waits."""

from __future__ import annotations

import sys
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from localqueue.core import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.core import AttemptStore

T = TypeVar("T")
Wake: TypeAlias = "Callable[[Callable[[], object]], object]"

# The event loop hears of its results after at most so many operations.
_BATCH = 64


class _Reply(Protocol):
    """Where the outcome of an operation goes, and how its event loop is told."""

    value: Any
    error: BaseException | None
    wake: Wake

    def arrived(self) -> None: ...


async def run(store: AttemptStore, operation: Callable[[], T]) -> T:
    """Run a store operation in the store's writer thread.

    An operation that was handed over is always carried out. A cancellation is raised after it is
    done, so that whoever catches it finds the store as it will stay.
    """
    if "trio" in sys.modules:
        from localqueue.retry import _trio

        if _trio.is_running():
            result: T = await _trio.run(partial(_writer_of(store).submit, operation))
            return result
    from localqueue.retry import _asyncio  # asyncio is too heavy for who never uses it

    value: T = await _asyncio.run(partial(_writer_of(store).submit, operation))
    return value


def submit(store: AttemptStore, operation: Callable[[], object]) -> None:
    """Have a store operation done behind those that were handed over before; nobody waits."""
    _writer_of(store).submit(operation, None)


class _Writer:
    """Runs operations one after the other in a thread of its own."""

    def __init__(self) -> None:
        self.renew_after_fork()
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        self._waiting: deque[tuple[Callable[[], Any], _Reply | None]] = deque()
        self._draining = False
        # The executor's thread is joined when the interpreter exits, so that no write is lost.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="localqueue-writer")

    def submit(self, operation: Callable[[], Any], reply: _Reply | None) -> None:
        # Without a lock: the garbage collector may call this in the middle of itself.
        self._waiting.append((operation, reply))
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
            replies: dict[Any, list[_Reply]] = {}
            for operation, reply in batch:
                value, error = _outcome(operation)
                if reply is not None:
                    reply.value, reply.error = value, error
                    replies.setdefault(reply.wake, []).append(reply)
            for wake, group in replies.items():
                with suppress(RuntimeError):  # the loop is closed, nobody waits any more
                    wake(partial(_arrive, group))

    def _take(self) -> list[tuple[Callable[[], Any], _Reply | None]]:
        batch = self._next_batch()
        if not batch:
            self._draining = False
            # What was handed over before that line relies on this thread.
            batch = self._next_batch()
        return batch

    def _next_batch(self) -> list[tuple[Callable[[], Any], _Reply | None]]:
        return [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]


# By identity: two stores that are equal, or that cannot be hashed, are two stores all the same.
_writers: dict[int, _Writer] = {}


def _writer_of(store: AttemptStore) -> _Writer:
    writer = _writers.get(id(store))
    if writer is None:
        writer = _writers.setdefault(id(store), _Writer())
        weakref.finalize(store, _writers.pop, id(store), None)
    return writer


def _outcome(operation: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return operation(), None
    except BaseException as error:
        return None, error


def _arrive(replies: list[_Reply]) -> None:
    for reply in replies:
        reply.arrived()
