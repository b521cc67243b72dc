"""What blocking and async retryers share: options, keys, statistics and operational helpers."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import tenacity

from localqueue.core import check_key, function_name
from localqueue.retry import _hooks, _options
from localqueue.retry._account import Account
from localqueue.retry._call import Call
from localqueue.retry._defaults import default_store
from localqueue.retry._state import PersistentRetryCallState

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from localqueue.core import AttemptStore, RetryRecord


class PersistentBase(tenacity.BaseRetrying):
    """The durable half of a retryer."""

    def __init__(self, **options: Any) -> None:
        given = _options.check(options)
        self._settings, for_tenacity = _options.split(given)
        super().__init__(**for_tenacity)
        # Older versions of Tenacity know neither.
        self.enabled = bool(given.get("enabled", True))
        self.name: str | None = given.get("name")
        self._latest = threading.local()

    def copy(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, **overrides: Any
    ) -> Self:
        """A retryer with some options replaced; the store is shared."""
        return type(self)(**_options.merge(self._given(), overrides))

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        # A retryer can be pickled where its store and its functions can, as Tenacity's can.
        return partial(type(self), **self._given()), ()

    def _given(self) -> dict[str, Any]:
        current = {name: getattr(self, name) for name in _options.TENACITY_OPTIONS}
        current |= {"enabled": self.enabled, "name": self.name}
        return current | _options.as_options(self._settings)

    def __str__(self) -> str:
        return "<unknown>" if self.name is None else self.name

    @property
    def statistics(self) -> dict[str, Any]:
        """Tenacity's statistics of the latest call that this thread made."""
        found: dict[str, Any] = self._latest.__dict__.setdefault("statistics", {})
        return found

    def get_record(self, key: str | None = None) -> RetryRecord | None:
        """The stored record of ``key``, by default the retryer's own key; None without one.

        Raises ValueError for a key that no store can hold, StoreError where the store fails.
        """
        return self._store().load(self._own_key(key))

    def reset(self, key: str | None = None) -> bool:
        """Forget ``key``, by default the retryer's own, so that it starts a new budget.

        An attempt that is still running changes nothing any more. Returns whether there was a
        record. Raises as :meth:`get_record`.
        """
        return self._reset(self._store(), self._own_key(key))

    def prune_exhausted(self, *, older_than: float) -> int:
        """Remove the records of this store exhausted at least ``older_than`` seconds ago.

        Returns how many. Raises ValueError for a negative age, StoreError where the store fails.
        """
        store = self._store()
        removed = store.prune_exhausted(older_than=older_than, now=time.time())
        if _hooks.is_heard("pruned"):
            _hooks.emit(_hooks.AttemptEvent("pruned", key="", removed=removed, store=str(store)))
        return removed

    def _reset(self, store: AttemptStore, key: str) -> bool:
        existed = store.delete(key)
        if existed and _hooks.is_heard("reset"):
            _hooks.emit(_hooks.AttemptEvent("reset", key=key, store=str(store)))
        return existed

    def _store(self) -> AttemptStore:
        return default_store() if self._settings.store is None else self._settings.store

    def _own_key(self, key: str | None) -> str:
        if key is None and self._settings.key is None:
            raise ValueError("name a key: this retryer is not bound to one")
        return check_key(self._settings.key if key is None else key)

    def _key_of(
        self, fn: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> str:
        settings = self._settings
        if settings.key is not None:
            return check_key(settings.key)
        if settings.key_fn is None:
            raise ValueError("no retry key: give key= or key_fn=")
        if fn is None:
            raise ValueError("a loop over attempts has no call to derive a key from: give key=")
        return check_key(settings.key_fn(fn, args, kwargs))

    def _open_call(
        self,
        fn: Callable[..., Any] | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        statistics: dict[str, Any] | None,
    ) -> Call:
        key = self._key_of(fn, args, kwargs)
        if statistics is not None:
            self._latest.statistics = statistics
        account = Account(
            self._settings,
            self._store(),
            PersistentRetryCallState(self, fn, args, kwargs, key=key),
            function=self.name if fn is None else function_name(fn),
        )
        return Call(self, account, self.statistics)
