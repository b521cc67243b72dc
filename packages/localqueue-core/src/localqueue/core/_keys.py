"""Retry keys: how a call says which logical job it belongs to."""

from __future__ import annotations

import functools
import inspect
import types
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

_LONGEST = 80  # characters of a key in an error message
_PLACEHOLDER = getattr(functools, "Placeholder", object())  # in Python 3.14 and newer

KeyFunction: TypeAlias = Callable[
    [Callable[..., Any], tuple[Any, ...], dict[str, Any]],
    str,
]
"""Makes the key of one call from ``(function, args, kwargs)``."""


def check_key(key: object) -> str:
    """Return ``key`` if a store can hold it; a ValueError says why it cannot.

    >>> check_key("invoice:1001")
    'invoice:1001'
    >>> check_key(None)
    Traceback (most recent call last):
    ...
    ValueError: a retry key must be a str, not None
    """
    if not isinstance(key, str):
        raise ValueError(f"a retry key must be a str, not {_brief(key)}")
    if not key:
        raise ValueError("a retry key must not be empty")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the retry key {_brief(key)} cannot be written as UTF-8: "
            f"it holds a lone surrogate at index {error.start}"
        ) from None
    return key


def key_from_argument(name: str, *, prefix: str | None = None) -> KeyFunction:
    """Make the key from the argument ``name``, as the function will receive it.

    Positional and keyword arguments, defaults, methods and ``**kwargs`` all count. Text, numbers,
    dates, UUIDs and the like become their ``str()``; None, an empty text, a bool, a container or
    an object that has no text form of its own is a ValueError.

    >>> def export(job_id, day="monday"): ...
    >>> key_from_argument("job_id", prefix="export")(export, (7,), {})
    'export:7'
    >>> key_from_argument("day")(export, (7,), {})
    'monday'
    """
    return _ArgumentKey(name, None, prefix)


def key_from_attr(argument: str, attribute: str, *, prefix: str | None = None) -> KeyFunction:
    """Make the key from an attribute of an argument; the same rules as :func:`key_from_argument`.

    >>> from types import SimpleNamespace
    >>> def encode(task): ...
    >>> key_from_attr("task", "id", prefix="video")(encode, (SimpleNamespace(id="a1"),), {})
    'video:a1'
    """
    return _ArgumentKey(argument, attribute, prefix)


def idempotency_key_from_id(argument: str, *, prefix: str | None = None) -> KeyFunction:
    """Make the key from the ``id`` attribute of an argument.

    >>> from types import SimpleNamespace
    >>> def encode(task): ...
    >>> idempotency_key_from_id("task", prefix="video")(encode, (SimpleNamespace(id=3),), {})
    'video:3'
    """
    return _ArgumentKey(argument, "id", prefix)


class _Place(NamedTuple):
    """Where a function takes an argument from."""

    position: int | None
    by_name: bool
    default: Any


class _ArgumentKey:
    """The key function that the factories return."""

    def __init__(self, argument: str, attribute: str | None, prefix: str | None) -> None:
        names: dict[str, object] = {"argument": argument, "attribute": attribute, "prefix": prefix}
        for what, value in names.items():
            if value is not None and (not isinstance(value, str) or not value):
                raise ValueError(f"the {what} must be a non-empty str, not {_brief(value)}")
        self._argument = argument
        self._attribute = attribute
        self._prefix = prefix
        # Analysing a signature costs more than a whole reservation.
        self._places: weakref.WeakKeyDictionary[Callable[..., Any], _Place] = (
            weakref.WeakKeyDictionary()
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _ArgumentKey, (self._argument, self._attribute, self._prefix)

    def __repr__(self) -> str:
        what = self._argument if self._attribute is None else f"{self._argument}.{self._attribute}"
        return f"<retry key from {what!r}, prefix {self._prefix!r}>"

    def __call__(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> str:
        value = self._value(fn, args, kwargs)
        what = f"the argument {self._argument!r}"
        if self._attribute is not None:
            what += f"'s attribute {self._attribute!r}"
            try:
                value = getattr(value, self._attribute)
            except AttributeError:
                raise ValueError(
                    f"no retry key: {what} does not exist on {_brief(value)}"
                ) from None
        text = _as_text(value, what)
        return text if self._prefix is None else f"{self._prefix}:{text}"

    def _value(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        # Down to the function itself: it receives what a partial or a bound method holds, too.
        inner: Any = fn
        while True:
            if isinstance(inner, types.MethodType):
                inner, args = inner.__func__, (inner.__self__, *args)
            elif isinstance(inner, functools.partial) and not _has_gaps(inner):
                args, kwargs = (*inner.args, *args), {**inner.keywords, **kwargs}
                inner = inner.func
            else:
                break
        place = self._place(inner)
        if place.by_name and self._argument in kwargs:
            return kwargs[self._argument]
        if place.position is not None and place.position < len(args):
            return args[place.position]
        if place.default is inspect.Parameter.empty:
            raise ValueError(
                f"no retry key: the call gives {function_name(fn)}() no argument {self._argument!r}"
            )
        return place.default

    def _place(self, fn: Callable[..., Any]) -> _Place:
        try:
            return self._places[fn]
        except (KeyError, TypeError):  # new, or a callable that is unhashable or not referable
            place = self._find(fn)
        with suppress(TypeError):
            self._places[fn] = place
        return place

    def _find(self, fn: Callable[..., Any]) -> _Place:
        parameters: Mapping[str, inspect.Parameter] = {}
        with suppress(ValueError, TypeError):  # some builtins and proxies have no signature
            parameters = inspect.signature(fn).parameters
        kinds = inspect.Parameter
        found = parameters.get(self._argument)
        if found is not None and found.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD):
            positional = found.kind is not kinds.KEYWORD_ONLY
            return _Place(
                position=list(parameters).index(self._argument) if positional else None,
                by_name=found.kind is not kinds.POSITIONAL_ONLY,
                default=found.default,
            )
        if any(one.kind is kinds.VAR_KEYWORD for one in parameters.values()):
            return _Place(position=None, by_name=True, default=kinds.empty)
        raise ValueError(f"no retry key: {function_name(fn)}() has no argument {self._argument!r}")


def _has_gaps(fn: functools.partial[Any]) -> bool:
    return any(argument is _PLACEHOLDER for argument in fn.args)


def function_name(fn: Callable[..., Any]) -> str:
    """The qualified name by which a record remembers a function.

    >>> function_name(len)
    'builtins.len'
    """
    while isinstance(fn, functools.partial):
        fn = fn.func
    # A mock or a remote procedure answers every attribute, with anything.
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    if not isinstance(module, str):
        module = type(fn).__module__
    if not isinstance(name, str):
        name = type(fn).__qualname__
    return f"{module}.{name}"


def _as_text(value: object, what: str) -> str:
    if isinstance(value, str):
        if value:
            return value
        raise ValueError(f"no retry key: {what} is empty")
    kind = type(value)
    own_text = kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__
    if (
        value is None
        or not own_text
        or isinstance(value, bool | bytes | bytearray | list | tuple | dict | set | frozenset)
        or callable(value)
    ):
        raise ValueError(f"no retry key: {what} is {_brief(value)}, which names no job")
    text = str(value)
    if not text or " at 0x" in text:  # an address: another process has another one
        raise ValueError(f"no retry key: {what} prints as {_brief(text)}, which names no job")
    return text


def _brief(value: object) -> str:
    if value is None:
        return "None"
    text = ascii(value) if isinstance(value, str) else f"of type {type(value).__qualname__!r}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
