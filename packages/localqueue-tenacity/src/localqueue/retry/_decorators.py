"""The decorators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

from localqueue.retry import _options
from localqueue.retry._async import PersistentAsyncRetrying
from localqueue.retry._sync import PersistentRetrying
from localqueue.retry._wrapping import check_function, is_coroutine_function

if TYPE_CHECKING:
    from typing import Unpack

    from localqueue.retry._typing import (
        AsyncRetryDecorator,
        AsyncRetryOptions,
        RetryDecorator,
        RetryOptions,
    )


def persistent_retry(*misplaced: Never, **options: Unpack[RetryOptions]) -> RetryDecorator:
    """Give a function a retry budget that survives the process.

    Takes the options of :class:`PersistentRetrying`; they are checked here and not at the call. A
    coroutine function is retried as by :func:`persistent_async_retry`. The decorated function has
    Tenacity's attributes ``retry``, ``retry_with(**options)`` and ``statistics``.

    Raises TypeError for a generator function.

    >>> from localqueue.retry import key_from_argument
    >>> @persistent_retry(key_fn=key_from_argument("job_id"), max_tries=3, store="memory:")
    ... def send(job_id: str) -> str:
    ...     return f"sent {job_id}"
    >>> send("a1")
    'sent a1'
    """
    _refuse(misplaced)
    retryer = PersistentRetrying(**options)

    def decorate(fn: Any) -> Any:
        check_function(fn)
        if is_coroutine_function(fn):
            opened = _options.merge(options, {"store": retryer._settings.store})
            return PersistentAsyncRetrying(**opened).wraps(fn)
        return retryer.wraps(fn)

    return decorate


def persistent_async_retry(
    *misplaced: Never, **options: Unpack[AsyncRetryOptions]
) -> AsyncRetryDecorator:
    """Give a coroutine function a retry budget that survives the process.

    Takes the options of :class:`PersistentAsyncRetrying`; they are checked here and not at the
    call.

    >>> import asyncio
    >>> from localqueue.retry import key_from_argument
    >>> @persistent_async_retry(key_fn=key_from_argument("job_id"), max_tries=3, store="memory:")
    ... async def fetch(job_id: str) -> str:
    ...     return f"payload of {job_id}"
    >>> asyncio.run(fetch("a1"))
    'payload of a1'
    """
    _refuse(misplaced)
    return PersistentAsyncRetrying(**options).wraps


def _refuse(misplaced: tuple[object, ...]) -> None:
    if misplaced:
        raise TypeError(
            "a retry needs a key and takes keywords only: write @persistent_retry(key=...) "
            "or @persistent_retry(key_fn=...)"
        )
