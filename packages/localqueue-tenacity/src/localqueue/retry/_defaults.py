"""The store that a retryer uses when it is given none: one for each thread."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from localqueue.core import (
    default_attempt_store_path,
    open_attempt_store,
    path_to_url,
    renew_after_fork,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.core import AttemptStore

DEFAULT_SCHEME = "sqlite"


def _open_default() -> AttemptStore:
    return open_attempt_store(path_to_url(DEFAULT_SCHEME, default_attempt_store_path()))


class _Defaults:
    """The chosen store or factory, and the stores that the factory has made."""

    def __init__(self) -> None:
        self.chosen: AttemptStore | None = None
        self.factory: Callable[[], AttemptStore] = _open_default
        self.of_thread: weakref.WeakKeyDictionary[threading.Thread, AttemptStore] = (
            weakref.WeakKeyDictionary()
        )
        self.renew_after_fork()
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        self.lock = threading.Lock()


_defaults = _Defaults()


def default_store() -> AttemptStore:
    """The default store of this thread, made at its first use.

    Raises ImportError, naming what to install, where there is no SQLite store.
    """
    if _defaults.chosen is not None:
        return _defaults.chosen
    thread = threading.current_thread()
    store = _defaults.of_thread.get(thread)
    if store is None:
        store = _defaults.factory()
        with _defaults.lock:
            _defaults.of_thread[thread] = store
    return store


def configure_default_store(store: AttemptStore | None) -> None:
    """Let every retryer without a store of its own use this one; None goes back to the factory.

    The store stays yours to close.

    >>> from localqueue.core import MemoryAttemptStore
    >>> configure_default_store(MemoryAttemptStore())
    >>> configure_default_store(None)
    """
    _defaults.chosen = store


def configure_default_store_factory(factory: Callable[[], AttemptStore] | None) -> None:
    """Make the default store of each thread with ``factory``; None goes back to SQLite.

    The stores that the former factory made are closed.

    >>> from localqueue.core import MemoryAttemptStore
    >>> configure_default_store_factory(MemoryAttemptStore)
    >>> configure_default_store_factory(None)
    """
    close_default_store(all_threads=True)
    _defaults.factory = _open_default if factory is None else factory


def close_default_store(*, all_threads: bool = False) -> None:
    """Close the default store of this thread, or of all threads; the next call makes a new one.

    Only stores that a factory made are closed. With ``all_threads``, call it when no other
    thread is inside a retried call any more.

    >>> close_default_store(all_threads=True)
    """
    with _defaults.lock:
        if all_threads:
            stores = list(_defaults.of_thread.values())
            _defaults.of_thread.clear()
        else:
            own = _defaults.of_thread.pop(threading.current_thread(), None)
            stores = [] if own is None else [own]
    for store in stores:
        store.close()
