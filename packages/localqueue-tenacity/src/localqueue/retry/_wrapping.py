"""Which functions can be retried, and how a type checker sees them afterwards."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Self, Unpack

    from localqueue.retry._async import PersistentAsyncRetrying
    from localqueue.retry._options import AsyncRetryOptions, RetryOptions
    from localqueue.retry._sync import PersistentRetrying

P = ParamSpec("P")
Q = ParamSpec("Q")
S = TypeVar("S")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Retried(Protocol[P, R_co]):
    """A function or method that :func:`persistent_retry` decorated."""

    retry: PersistentRetrying
    statistics: dict[str, Any]
    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def retry_with(self, **overrides: Unpack[RetryOptions]) -> Retried[P, R_co]:
        """The function under a copy of its retryer with some options replaced."""
        ...

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...

    @overload
    def __get__(
        self: Retried[Concatenate[S, Q], T], instance: S, owner: type | None = None, /
    ) -> RetriedMethod[Q, T]: ...


class RetriedMethod(Protocol[P, R_co]):
    """A decorated method on its instance. ``retry_with`` gives the function, which wants a self."""

    retry: PersistentRetrying
    statistics: dict[str, Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def retry_with(
        self, **overrides: Unpack[RetryOptions]
    ) -> Retried[Concatenate[Any, P], R_co]: ...


class AsyncRetried(Protocol[P, R_co]):
    """A coroutine function or method under a :class:`PersistentAsyncRetrying`."""

    retry: PersistentAsyncRetrying
    statistics: dict[str, Any]
    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...

    def retry_with(self, **overrides: Unpack[AsyncRetryOptions]) -> AsyncRetried[P, R_co]:
        """The function under a copy of its retryer with some options replaced."""
        ...

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...

    @overload
    def __get__(
        self: AsyncRetried[Concatenate[S, Q], T], instance: S, owner: type | None = None, /
    ) -> AsyncRetriedMethod[Q, T]: ...


class AsyncRetriedMethod(Protocol[P, R_co]):
    """A decorated coroutine method on its instance."""

    retry: PersistentAsyncRetrying
    statistics: dict[str, Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...

    def retry_with(
        self, **overrides: Unpack[AsyncRetryOptions]
    ) -> AsyncRetried[Concatenate[Any, P], R_co]: ...


def is_coroutine_function(fn: object) -> bool:
    """Whether calling ``fn`` gives a coroutine; partials and callable objects are looked into."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if inspect.iscoroutinefunction(fn):
        return True
    return not inspect.isclass(fn) and inspect.iscoroutinefunction(
        getattr(fn, "__call__", None)  # noqa: B004  # the method itself is looked at
    )


def check_function(fn: object) -> None:
    """Raise TypeError for what cannot be retried: generators, and what is not callable."""
    inner = fn
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not inspect.isroutine(inner) and not inspect.isclass(inner):
        inner = getattr(inner, "__call__", inner)  # noqa: B004  # the method itself is looked at
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise TypeError(
            f"{inner.__qualname__}() is a generator function; its body would run outside the retry"
        )
    if isinstance(fn, staticmethod | classmethod):
        raise TypeError(
            f"decorate the function itself: @{type(fn).__name__} belongs above the retry"
        )
    if not callable(fn):
        raise TypeError(f"only a function can be retried, not {fn!r}; decorate the function first")


def dress(wrapper: Any, fn: Callable[..., Any], retryer: Any, statistics: dict[str, Any]) -> Any:
    """Make ``wrapper`` look like ``fn``, with the attributes of Tenacity's decorated functions."""
    assigned = (*functools.WRAPPER_ASSIGNMENTS, "__defaults__", "__kwdefaults__")
    functools.update_wrapper(wrapper, fn, assigned)
    wrapper.retry = retryer
    wrapper.retry_with = lambda **overrides: retryer.copy(**overrides).wraps(fn)
    wrapper.statistics = statistics
    return wrapper
