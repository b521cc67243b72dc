"""Protocols without I/O of their own: generators that say what is to be done next.

A protocol yields :class:`OnStore` for an operation of the store and :class:`Ask` for code of the
user, and is sent the result or thrown the exception. So one text serves blocking and async calls.
It yields None where the caller has to make an attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from inspect import isawaitable, iscoroutine
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from localqueue.retry import _background

if TYPE_CHECKING:
    from localqueue.core import AttemptStore

T = TypeVar("T")


class OnStore(partial[Any]):
    """An operation that may wait for a lock or a disk.

    It may be run again: as a part of a transaction that came to nothing it has not happened.
    """


class OnStoreOnce(OnStore):
    """One that tells others what it has done."""


class Ask(partial[Any]):
    """Code of the user. In an async call, a coroutine that it returns is awaited."""


class Nap(Ask):
    """The user's ``sleep``, which in an async call may return anything that can be awaited."""


class Stopped(Exception):
    """A StopIteration of the user's code: as itself it cannot pass through a generator.

    In an async call there is none: Python makes a RuntimeError of it on its way out of a coroutine.
    """

    def __init__(self, error: StopIteration) -> None:
        super().__init__(error)
        self.error = error


class End(NamedTuple):
    """How a protocol of attempts ended: with a result, or with an error to raise."""

    result: Any = None
    error: BaseException | None = None

    def unwrap(self) -> Any:
        """The result; raises the error."""
        if isinstance(self.error, Stopped):
            raise self.error.error
        if self.error is not None:
            raise self.error
        return self.result


Steps: TypeAlias = Generator[OnStore | Ask | None, Any, T]


def perform(steps: Steps[T]) -> T:
    """Carry out a protocol that makes no attempt, in this thread."""
    result: T = _result(advance(steps))
    return result


def advance(steps: Steps[Any]) -> End | None:
    """Go on to the next attempt (None) or to the end."""
    answer: Callable[[Any], Any] = steps.send
    value: Any = None
    try:
        # The protocol goes on outside of the handlers: what it raises has nothing to do with them.
        try:
            while (step := answer(value)) is not None:
                try:
                    answer, value = steps.send, step()
                except StopIteration as error:
                    answer, value = steps.throw, Stopped(error)
                except BaseException as error:
                    answer, value = steps.throw, error
        except StopIteration as end:
            return _end(end.value)
        except Stopped as stopped:
            value = stopped.error
        else:
            return None
        raise value
    finally:
        del value  # an error refers to this frame


async def advance_async(steps: Steps[Any], store: AttemptStore) -> End | None:
    """As :func:`advance`, in a task; operations on the store go to its writer thread."""
    answer: Callable[[Any], Any] = steps.send
    value: Any = None
    try:
        while (step := answer(value)) is not None:
            try:
                value = await _carried_out(step, store)
                answer = steps.send
            except BaseException as error:
                answer, value = steps.throw, error
    except StopIteration as end:
        return _end(end.value)
    finally:
        del value
    return None


async def _carried_out(step: OnStore | Ask, store: AttemptStore) -> Any:
    if isinstance(step, OnStore):
        repeatable = not isinstance(step, OnStoreOnce)
        return await _background.run(store, step, repeatable=repeatable)
    value = step()
    if isawaitable(value) if isinstance(step, Nap) else iscoroutine(value):
        return await value
    return value


async def perform_async(steps: Steps[T], store: AttemptStore) -> T:
    """Carry out a protocol that makes no attempt, in a task."""
    result: T = _result(await advance_async(steps, store))
    return result


def _end(value: Any) -> End:
    return value if isinstance(value, End) else End(value)


def _result(end: End | None) -> Any:
    if end is None:
        raise RuntimeError("a protocol without attempts asked for one")
    return end.result
