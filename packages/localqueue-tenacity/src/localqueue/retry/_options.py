"""The options of a retryer: their names and types, and what is wrong with a set of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import tenacity

from localqueue.core import AttemptStore, check_key, open_attempt_store, path_to_url
from localqueue.retry._defaults import DEFAULT_SCHEME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localqueue.core import KeyFunction
    from localqueue.retry._typing import CountMode, ErrorDetail

_DURABLE = frozenset(
    {
        "key",
        "key_fn",
        "store",
        "store_path",
        "max_tries",
        "clear_on_success",
        "count",
        "max_interruptions",
        "max_in_process_wait",
        "record_errors",
    }
)
TENACITY_OPTIONS = (
    "sleep",
    "stop",
    "wait",
    "retry",
    "before",
    "after",
    "before_sleep",
    "reraise",
    "retry_error_cls",
    "retry_error_callback",
)
_KNOWN = _DURABLE | {*TENACITY_OPTIONS, "name", "enabled"}

_CALLABLES = frozenset(TENACITY_OPTIONS) - {"reraise", "retry_error_cls"}
_HINTS = {"wait": ", such as wait_fixed(5)", "stop": ", such as stop_after_attempt(5)"}
# No wait, and no callback.
_MAY_BE_NONE = ("wait", "before", "after", "before_sleep", "retry_error_callback")

# Each pair is two sources of truth for one thing.
_RIVALS = (("max_tries", "stop"), ("key", "key_fn"), ("store", "store_path"))


@dataclass(frozen=True, slots=True)
class Settings:
    """The durable half of a retryer's options, checked."""

    key: str | None = None
    key_fn: KeyFunction | None = None
    store: AttemptStore | None = None
    clear_on_success: bool = True
    count: CountMode = "started"
    max_interruptions: int = 5
    max_in_process_wait: float | None = None
    record_errors: ErrorDetail = "message"


def check(options: Mapping[str, Any]) -> dict[str, Any]:
    """The given options without those that are None and mean nothing.

    Raises TypeError for an unknown option and ValueError for a contradiction.
    """
    unknown = sorted(set(options) - _KNOWN)
    if unknown:
        raise TypeError(
            f"unknown retry option {unknown[0]!r}; known are: {', '.join(sorted(_KNOWN))}"
        )
    optional = {name for pair in _RIVALS for name in pair}
    given = {
        name: value for name, value in options.items() if value is not None or name not in optional
    }
    for one, other in _RIVALS:
        if one in given and other in given:
            raise ValueError(f"give {one}= or {other}=, not both")
    return given


def as_options(settings: Settings) -> dict[str, Any]:
    """The options that make these settings."""
    return check({field.name: getattr(settings, field.name) for field in fields(settings)})


def merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``overrides``; an override also takes the place of its rival."""
    given = check(overrides)
    replaced = {rival for pair in _RIVALS for name in pair if name in given for rival in pair}
    return {name: value for name, value in base.items() if name not in replaced} | given


def split(given: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
    """Checked options as our settings and as the arguments for Tenacity."""
    durable = {name: given[name] for name in _DURABLE & given.keys()}
    for_tenacity = {name: given[name] for name in TENACITY_OPTIONS if name in given}
    if "max_tries" in durable:
        tries = _count("max_tries", durable.pop("max_tries"), least=1)
        for_tenacity["stop"] = tenacity.stop_after_attempt(tries)
    _check_strategies(for_tenacity)
    for_tenacity.setdefault("reraise", True)
    for_tenacity.setdefault("wait", tenacity.wait_exponential_jitter(initial=1, max=60))

    if "store_path" in durable:
        durable["store"] = path_to_url(DEFAULT_SCHEME, durable.pop("store_path"))
    if isinstance(durable.get("store"), str):
        durable["store"] = open_attempt_store(durable["store"])
    store = durable.get("store")
    # A class has all the methods of its instances.
    if isinstance(store, type) or not isinstance(store, AttemptStore | None):
        raise TypeError(f"store must be an attempt store or its URL, not {store!r}")
    if "key" in durable:
        check_key(durable["key"])
    if "key_fn" in durable and not callable(durable["key_fn"]):
        raise TypeError(f"key_fn must be callable, not {durable['key_fn']!r}")
    if "max_interruptions" in durable:
        _count("max_interruptions", durable["max_interruptions"], least=0)
    if durable.get("max_in_process_wait") is not None:
        durable["max_in_process_wait"] = _seconds(durable["max_in_process_wait"])
    _one_of(durable, "count", ("started", "failed"))
    _one_of(durable, "record_errors", ("message", "type"))
    return Settings(**durable), for_tenacity


def _check_strategies(options: Mapping[str, Any]) -> None:
    for name in _CALLABLES & options.keys():
        value = options[name]
        if value is None and name in _MAY_BE_NONE:
            continue
        if not callable(value):
            hint = _HINTS.get(name, "")
            raise TypeError(f"{name} must be callable{hint}, not {value!r}")
    if isinstance(options.get("retry"), type):
        raise TypeError(
            f"retry must be a predicate, such as retry_if_exception_type({options['retry'].__name__})"
        )


def _count(name: str, value: object, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be an int of at least {least}, not {value!r}")
    return value


def _seconds(value: object) -> float:
    length = value.total_seconds() if isinstance(value, timedelta) else value
    if (
        isinstance(length, bool)
        or not isinstance(length, int | float)
        or not 0 <= length < math.inf
    ):
        raise ValueError(
            f"max_in_process_wait must be 0 or more seconds, a timedelta or None, not {value!r}"
        )
    return float(length)


def _one_of(options: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> None:
    if name in options and options[name] not in allowed:
        raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, not {options[name]!r}")
