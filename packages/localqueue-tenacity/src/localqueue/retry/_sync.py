"""The blocking retryer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import tenacity

from localqueue.retry._common import PersistentBase
from localqueue.retry._steps import advance, perform
from localqueue.retry._wrapping import check_function, dress, is_coroutine_function

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType
    from typing import Self, Unpack

    from localqueue.retry._call import Call
    from localqueue.retry._typing import Retried, RetryOptions

P = ParamSpec("P")
R = TypeVar("R")


class PersistentRetrying(PersistentBase, tenacity.Retrying):
    """Tenacity's ``Retrying`` whose attempts are counted in a store, under a key.

    Takes Tenacity's options, as keywords, and:

    ``key`` / ``key_fn``
        the key of the logical job, or a function of ``(fn, args, kwargs)`` that makes it.
    ``max_tries``
        short for ``stop=stop_after_attempt(...)``.
    ``store`` / ``store_path``
        a store or its URL, or the path of a SQLite file. By default one SQLite file for the user.
    ``clear_on_success``
        False keeps the record of a success for inspection.
    ``count``
        ``"started"`` counts an attempt before it runs, so that a crash counts. ``"failed"``
        writes nothing for a first-try success; a crash is then not counted, and processes that
        run the same key at the same time may run it more often than the budget says.
    ``max_interruptions``
        how many interrupted attempts of a budget are given back before they count.
    ``max_in_process_wait``
        the longest backoff to sleep, in seconds or as a timedelta; None for no limit. For a
        longer one :class:`RetryDeferred` is raised.
    ``record_errors``
        ``"type"`` leaves the messages of errors out of the store.

    Raises TypeError for an unknown option and ValueError for a wrong one. A call raises
    :class:`PersistentRetryExhausted` without running the function once its budget is spent, and
    :class:`~localqueue.core.StoreError` without running it where the attempt cannot be reserved.

    >>> retryer = PersistentRetrying(key="invoice:1001", max_tries=5, store="memory:")
    >>> retryer(lambda: "sent")
    'sent'
    """

    if TYPE_CHECKING:

        def __init__(self, **options: Unpack[RetryOptions]) -> None: ...

        def copy(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
            self, **overrides: Unpack[RetryOptions]
        ) -> Self: ...

    # Positional only, so that the function may have a parameter named ``fn`` or ``self``.
    def __call__(  # type: ignore[override]
        self, fn: Callable[..., R], /, *args: Any, **kwargs: Any
    ) -> R:
        """Call ``fn(*args, **kwargs)`` under the budget of its key."""
        _check_blocking(fn)
        result: R = self._run(fn, args, kwargs, None)
        return result

    # Tenacity's decorated functions promise less: their retry_with takes anything.
    def wraps(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, fn: Callable[P, R], /
    ) -> Retried[P, R]:
        """``fn`` with this retryer around it; what ``@persistent_retry`` does.

        Raises TypeError for a generator or coroutine function.
        """
        _check_blocking(fn)
        statistics: dict[str, Any] = {}

        def retried(*args: Any, **kwargs: Any) -> Any:
            return self._run(fn, args, kwargs, statistics)

        decorated: Retried[P, R] = dress(retried, fn, self, statistics)
        return decorated

    def __iter__(self) -> Generator[tenacity.AttemptManager, None, None]:
        """The attempts of a block of code: ``for attempt in retryer: with attempt: ...``."""
        if not self.enabled:
            yield from tenacity.Retrying(stop=tenacity.stop_after_attempt(1), reraise=True)
            return
        call = self._open_call(None, (), {}, None)
        steps = call.run()
        try:
            while (end := advance(steps)) is None:
                yield _Attempt(call)
        except BaseException as error:  # GeneratorExit where the loop was left early
            perform(call.abandon(error))
            raise
        end.unwrap()

    def _run(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        statistics: dict[str, Any] | None,
    ) -> Any:
        if not self.enabled:
            return fn(*args, **kwargs)
        call = self._open_call(fn, args, kwargs, statistics)
        steps = call.run()
        try:
            while (end := advance(steps)) is None:
                try:
                    value = fn(*args, **kwargs)
                except Exception as error:
                    call.state.set_exception((type(error), error, error.__traceback__))
                else:
                    call.state.set_result(value)
        except BaseException as error:
            perform(call.abandon(error))
            raise
        try:
            return end.unwrap()
        finally:
            del end  # an error refers to this frame


def _check_blocking(fn: object) -> None:
    check_function(fn)
    if is_coroutine_function(fn):
        raise TypeError(f"{fn!r} is a coroutine function; use PersistentAsyncRetrying for it")


class _Attempt(tenacity.AttemptManager):
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
            perform(self._call.abandon(exc_value))
            return False
        return super().__exit__(exc_type, exc_value, traceback)
