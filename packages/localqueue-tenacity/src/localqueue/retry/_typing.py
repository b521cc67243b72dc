"""What type checkers see of options and decorated functions.

No program imports this module: making its classes would take a tenth of the time that importing the
package takes.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import (
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

import tenacity
from tenacity.asyncio.retry import RetryBaseT as AsyncRetryBaseT
from tenacity.retry import RetryBaseT
from tenacity.stop import StopBaseT
from tenacity.wait import WaitBaseT

from localqueue.core import AttemptStore, KeyFunction
from localqueue.retry._async import PersistentAsyncRetrying
from localqueue.retry._state import PersistentRetryCallState as State
from localqueue.retry._sync import PersistentRetrying

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

Seconds: TypeAlias = int | float
CountMode: TypeAlias = Literal["started", "failed"]
ErrorDetail: TypeAlias = Literal["message", "type"]


class CommonOptions(TypedDict, total=False):
    """What every retryer takes. A None that is allowed here means: as if it were not given."""

    key: str | None
    key_fn: KeyFunction | None
    store: AttemptStore | str | None
    store_path: str | os.PathLike[str] | None
    max_tries: int | None
    clear_on_success: bool
    count: CountMode
    max_interruptions: int
    max_in_process_wait: Seconds | timedelta | None
    record_errors: ErrorDetail
    reraise: bool
    retry_error_cls: type[tenacity.RetryError]
    name: str | None
    enabled: bool


class RetryOptions(CommonOptions, total=False):
    """The options of :class:`PersistentRetrying`: Tenacity's and ours."""

    sleep: Callable[[Seconds], None]
    stop: StopBaseT | Callable[[State], bool]
    wait: WaitBaseT | Callable[[State], Seconds] | None
    retry: RetryBaseT | Callable[[State], bool]
    before: Callable[[State], None] | None
    after: Callable[[State], None] | None
    before_sleep: Callable[[State], None] | None
    retry_error_callback: Callable[[State], Any] | None


class AsyncRetryOptions(CommonOptions, total=False):
    """The options of :class:`PersistentAsyncRetrying`; strategies and callbacks may be async."""

    sleep: Callable[[Seconds], Awaitable[None] | None]
    stop: StopBaseT | Callable[[State], bool | Coroutine[Any, Any, bool]]
    wait: WaitBaseT | Callable[[State], Seconds | Coroutine[Any, Any, Seconds]] | None
    retry: RetryBaseT | AsyncRetryBaseT | Callable[[State], bool | Coroutine[Any, Any, bool]]
    before: Callable[[State], Coroutine[Any, Any, None] | None] | None
    after: Callable[[State], Coroutine[Any, Any, None] | None] | None
    before_sleep: Callable[[State], Coroutine[Any, Any, None] | None] | None
    retry_error_callback: Callable[[State], Any | Coroutine[Any, Any, Any]] | None


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


class RetryDecorator(Protocol):
    """What :func:`persistent_retry` returns: it keeps the function's signature."""

    # They overlap on purpose: the first match is the right one.
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, fn: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncRetried[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Retried[P, R]: ...


class AsyncRetryDecorator(Protocol):
    """What :func:`persistent_async_retry` returns: it keeps the function's signature."""

    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncRetried[P, R]: ...
