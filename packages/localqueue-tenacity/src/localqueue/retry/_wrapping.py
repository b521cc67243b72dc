"""Which functions can be retried, and what they look like afterwards."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


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
