"""What happened, told to whoever wants to know; by default to the log ``localqueue.retry``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from localqueue.core import StoreError

EventKind: TypeAlias = Literal[
    "started",
    "failed",
    "scheduled",
    "succeeded",
    "exhausted",
    "refused",
    "deferred",
    "reset",
    "pruned",
    "store_failed",
]

_log = logging.getLogger("localqueue.retry")

_LEVELS: dict[EventKind, int] = {
    "started": logging.DEBUG,
    "succeeded": logging.DEBUG,
    "failed": logging.INFO,
    "scheduled": logging.INFO,
    "deferred": logging.INFO,
    "reset": logging.INFO,
    "pruned": logging.INFO,
    "exhausted": logging.WARNING,
    "refused": logging.INFO,
    "store_failed": logging.DEBUG,  # its reason has a line of its own
}


@dataclass(frozen=True, slots=True)
class AttemptEvent:
    """One transition of a key's budget. The arguments of the call are never part of it.

    ``wait_for``: seconds until the next attempt. ``store``: the path or URL of the store.
    The kind ``"store_failed"`` says that an outcome could not be written down, ``"pruned"`` that
    so many records were ``removed`` from a store, whatever their keys (``key`` is empty then).

    >>> AttemptEvent("started", key="job:1", attempt=1).wait_for is None
    True
    """

    kind: EventKind
    key: str
    function: str | None = None
    attempt: int | None = None
    wait_for: float | None = None
    error_type: str | None = None
    store: str = ""
    removed: int | None = None


Hook: TypeAlias = Callable[[AttemptEvent], None]


def log_event(event: AttemptEvent) -> None:
    """The default hook: one line on the logger ``localqueue.retry``.

    Successes are DEBUG, failures INFO, exhausted budgets WARNING.

    >>> log_event(AttemptEvent("started", key="job:1", attempt=1))
    """
    level = _LEVELS[event.kind]
    if _log.isEnabledFor(level):
        details = "".join(
            f" {name}={value!r}"
            for name in ("attempt", "function", "wait_for", "error_type", "removed", "store")
            if (value := getattr(event, name))
        )
        _log.log(level, "%s key=%r%s", event.kind, event.key, details)


_DEFAULT: tuple[Hook, ...] = (log_event,)
_hooks: tuple[Hook, ...] = _DEFAULT


def set_hooks(hooks: Iterable[Hook] | None) -> None:
    """Call these, in order, at every event of this process; None brings the logging back.

    A hook that raises is logged and breaks no call. An empty list turns all events off; that an
    outcome could not be written down is logged all the same. Hooks run in the thread of the call,
    or in a store's writer thread.

    >>> seen = []
    >>> set_hooks([seen.append])
    >>> set_hooks(None)
    """
    global _hooks  # noqa: PLW0603  # the setting of a process
    chosen = _DEFAULT if hooks is None else tuple(hooks)
    for hook in chosen:
        if not callable(hook):
            raise TypeError(f"a hook must be callable, not {hook!r}")
    _hooks = chosen


def is_heard(kind: EventKind) -> bool:
    """Whether an event of this kind would reach anybody, so that it is worth making."""
    if _hooks is not _DEFAULT:
        return bool(_hooks)
    return _log.isEnabledFor(_LEVELS[kind])


def log_store_failure(key: str, error: StoreError) -> None:
    """Say why an outcome could not be written down, whatever hooks are set."""
    _log.error("the outcome of %r could not be written down: %s", key, error)


def emit(event: AttemptEvent) -> None:
    """Hand the event to every hook."""
    for hook in _hooks:
        try:
            hook(event)
        except Exception:  # a broken hook must not break the job
            _log.exception("the hook %r raised on %r", hook, event.kind)
