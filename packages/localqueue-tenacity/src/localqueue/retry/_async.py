"""The async retryer, for asyncio and trio."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import tenacity

from localqueue.retry import _background
from localqueue.retry._common import PersistentBase
from localqueue.retry._steps import advance_async, perform, perform_async
from localqueue.retry._wrapping import check_function, dress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from types import TracebackType
    from typing import Self, Unpack

    from localqueue.core import RetryRecord
    from localqueue.retry._call import Call
    from localqueue.retry._typing import AsyncRetried, AsyncRetryOptions

P = ParamSpec("P")
R = TypeVar("R")


class PersistentAsyncRetrying(PersistentBase, tenacity.AsyncRetrying):
    """Tenacity's ``AsyncRetrying`` whose attempts are counted in a store, under a key.

    The options are those of :class:`PersistentRetrying`; strategies, callbacks and ``sleep`` may
    be async. The store is only touched in a thread of its own, never on the event loop. One
    retryer serves any number of tasks at once. An attempt that is cancelled is given back, like
    any interruption; the cancellation goes on when the store has taken note of it.

    >>> import asyncio
    >>> async def fetch():
    ...     return "payload"
    >>> retryer = PersistentAsyncRetrying(key="job:1", max_tries=5, store="memory:")
    >>> asyncio.run(retryer(fetch))
    'payload'
    """

    if TYPE_CHECKING:

        def __init__(self, **options: Unpack[AsyncRetryOptions]) -> None: ...

        def copy(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
            self, **overrides: Unpack[AsyncRetryOptions]
        ) -> Self: ...

    async def __call__(  # type: ignore[override]  # typed by what the awaitable gives
        self, fn: Callable[..., Awaitable[R]], /, *args: Any, **kwargs: Any
    ) -> R:
        """Await ``fn(*args, **kwargs)`` under the budget of its key."""
        check_function(fn)
        result: R = await self._run(fn, args, kwargs, None)
        return result

    # Tenacity's decorated functions promise less: their retry_with takes anything.
    def wraps(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, fn: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncRetried[P, R]:
        """``fn`` with this retryer around it; what ``@persistent_async_retry`` does.

        Raises TypeError for a generator function.
        """
        check_function(fn)
        statistics: dict[str, Any] = {}

        async def retried(*args: Any, **kwargs: Any) -> Any:
            return await self._run(fn, args, kwargs, statistics)

        decorated: AsyncRetried[P, R] = dress(retried, fn, self, statistics)
        return decorated

    def __aiter__(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
    ) -> AsyncIterator[tenacity.AttemptManager]:
        """The attempts of a block: ``async for attempt in retryer: async with attempt: ...``."""
        if not self.enabled:
            return _without_budget()
        return AsyncAttempts(self)

    async def aget_record(self, key: str | None = None) -> RetryRecord | None:
        """As :meth:`get_record`, off the event loop."""
        store, key = self._store(), self._own_key(key)
        return await _background.run(store, lambda: store.load(key))

    async def areset(self, key: str | None = None) -> bool:
        """As :meth:`reset`, off the event loop."""
        store, key = self._store(), self._own_key(key)
        return await _background.run(store, lambda: self._reset(store, key))

    async def _run(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        statistics: dict[str, Any] | None,
    ) -> Any:
        if not self.enabled:
            return await _settled(fn(*args, **kwargs))
        call = self._open_call(fn, args, kwargs, statistics)
        steps = call.run()
        try:
            while (end := await advance_async(steps, call.store)) is None:
                try:
                    value = await _settled(fn(*args, **kwargs))
                except Exception as error:
                    call.state.set_exception((type(error), error, error.__traceback__))
                else:
                    call.state.set_result(value)
        except GeneratorExit as error:  # the coroutine was closed: it cannot await any more
            _abandon_later(call, error)
            raise
        except BaseException as error:
            await perform_async(call.abandon(error), call.store)
            raise
        try:
            return end.unwrap()
        finally:
            del end  # an error refers to this frame


class AsyncAttempts:
    """The attempts of one ``async for`` loop."""

    def __init__(self, retryer: PersistentAsyncRetrying) -> None:
        self._retryer = retryer
        self._call: Call | None = None
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tenacity.AttemptManager:
        """The next attempt; ends after a success and raises when the budget is over."""
        if self._is_over:
            raise StopAsyncIteration
        if self._call is None:
            self._call = self._retryer._open_call(None, (), {}, None)
            self._steps = self._call.run()
        call = self._call
        try:
            end = await advance_async(self._steps, call.store)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._is_over = True
            await perform_async(call.abandon(error), call.store)
            raise
        if end is None:
            return _Attempt(call)
        self._is_over = True
        end.unwrap()
        raise StopAsyncIteration

    def __del__(self) -> None:
        # ``async for`` tells nobody that it was left; this object going away does.
        if self._call is not None and not self._is_over:
            _abandon_later(self._call, GeneratorExit())


class _AsyncAttempt(tenacity.AttemptManager):
    """One attempt of a loop, for ``with`` and ``async with``, which older Tenacitys do not know."""

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self.__exit__(exc_type, exc_value, traceback)


async def _without_budget() -> AsyncIterator[tenacity.AttemptManager]:
    """The only attempt of a loop whose retryer is not enabled."""
    once = tenacity.AsyncRetrying(stop=tenacity.stop_after_attempt(1), reraise=True)
    async for attempt in once:
        yield _AsyncAttempt(attempt.retry_state)


class _Attempt(_AsyncAttempt):
    """One attempt of a loop. Unlike Tenacity's, it lets an interruption through."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.state)
        self._call = call

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if exc_value is not None and not isinstance(exc_value, Exception):
            _abandon_later(self._call, exc_value)
            return False
        return super().__exit__(exc_type, exc_value, traceback)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if exc_value is None or isinstance(exc_value, Exception | GeneratorExit):
            return self.__exit__(exc_type, exc_value, traceback)
        await perform_async(self._call.abandon(exc_value), self._call.store)
        return False


def _abandon_later(call: Call, error: BaseException) -> None:
    # Behind what the call has handed over already, and nobody can wait for it.
    _background.submit(call.store, lambda: perform(call.abandon(error)))


async def _settled(value: Any) -> Any:
    return await value if isawaitable(value) else value
