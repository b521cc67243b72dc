"""Which environments are open in this process: LMDB allows one for each data file."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from localqueue.core import StoreError, renew_after_fork
from localqueue.lmdb import _files
from localqueue.lmdb._environment import Gone, SharedEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.lmdb._rows import Rows

T = TypeVar("T")

# A fork waits so long for the operations of other threads. They take milliseconds, unless the
# writer of another process is stopped.
_FORK_SECONDS = 5.0


class _Environments:
    """The open environments of this process by what identifies their data files."""

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._after_fork_in_child,
            )

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._open: dict[tuple[int, int], SharedEnvironment] = {}
        # What the garbage collector found. It may come while any lock is held, so it takes none.
        self._abandoned: deque[SharedEnvironment] = deque()
        # What each thread that forks has locked, and where the others wait until it has done so:
        # a lock that many threads ask for may not come to the one that has to have them all.
        self._held: dict[int, list[threading.RLock]] = {}
        self._no_fork = threading.Event()
        self._no_fork.set()

    def wait_for_fork(self) -> None:
        """Let a thread that is about to fork go first."""
        if not self._no_fork.is_set() and threading.get_ident() not in self._held:
            self._no_fork.wait()

    def acquire(self, path: str, map_size: int) -> SharedEnvironment:
        """The environment at ``path``, for one more store."""
        with self._lock:
            self._release_abandoned()
            shared = self._find(path)
            if shared is None:
                shared = SharedEnvironment(path, map_size)
                known = _files.identity(path)
                if known is not None:
                    self._open[known] = shared
            shared.holders += 1
            return shared

    def release(self, shared: SharedEnvironment) -> None:
        """Give it back; the last one closes it."""
        with self._lock:
            self._release_abandoned()
            self._release(shared)

    def abandon(self, shared: SharedEnvironment) -> None:
        """As :meth:`release`, at the next occasion."""
        self._abandoned.append(shared)

    def _find(self, path: str) -> SharedEnvironment | None:
        known = _files.identity(path)
        shared = None if known is None else self._open.get(known)
        return shared if shared is not None and shared.usable else None

    def _release(self, shared: SharedEnvironment) -> None:
        shared.holders -= 1
        if shared.holders <= 0:
            shared.close()
            for known in [one for one, other in self._open.items() if other is shared]:
                del self._open[known]

    def _release_abandoned(self) -> None:
        while self._abandoned:
            self._release(self._abandoned.popleft())

    def _before_fork(self) -> None:
        deadline = time.monotonic() + _FORK_SECONDS
        held = self._held[threading.get_ident()] = []
        self._no_fork.clear()

        def take(lock: threading.RLock) -> None:
            if lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                held.append(lock)

        take(self._lock)  # first: another thread may be opening an environment
        for shared in list(self._open.values()):
            take(shared.lock)

    def _after_fork_in_parent(self) -> None:
        for lock in self._held.pop(threading.get_ident(), []):
            lock.release()
        if not self._held:
            self._no_fork.set()

    def _after_fork_in_child(self) -> None:
        held = self._held.pop(threading.get_ident(), [])
        inherited = list(self._open.values())
        self._forget()
        for shared in inherited:
            shared.leave_to_parent(quiet=shared.lock in held)


environments = _Environments()


class Handle:
    """One store's hold on the environment at ``path``, which is opened at the first use."""

    def __init__(self, path: str | os.PathLike[str], *, map_size: int, power_safe: bool) -> None:
        # Absolute from the start, so that a later chdir() does not move the store.
        self.path = os.path.abspath(path)
        self._map_size = map_size
        self._power_safe = power_safe
        self._closed = False
        self._shared: SharedEnvironment | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None
        self._lock = threading.Lock()
        renew_after_fork(self)

    def read(self, work: Callable[[Rows], T]) -> T:
        """Run ``work`` on one snapshot."""
        return self._run(lambda shared: shared.run(work, write=False))

    def write(self, work: Callable[[Rows], T]) -> T:
        """Run ``work`` in one write transaction."""
        return self._run(lambda shared: shared.run(work, write=True, sync=self._power_safe))

    def together(self, work: Callable[[], T]) -> T:
        """Run ``work``, in which this thread's reads and writes are one transaction."""
        return self._run(lambda shared: shared.together(work, sync=self._power_safe))

    def close(self) -> None:
        """Let go of the environment for good."""
        with self._lock:
            self._closed = True
            shared = self._detach()
        # Outside of the lock: another thread's transaction goes on until its next operation asks.
        if shared is not None:
            environments.release(shared)

    def renew_after_fork(self) -> None:
        """In a forked child: forget what the parent opened."""
        self._lock = threading.Lock()
        self._shared = None
        if self._finalizer is not None:
            self._finalizer.detach()
            self._finalizer = None

    def _run(self, action: Callable[[SharedEnvironment], T]) -> T:
        shared = self._shared
        if shared is not None and shared.joined_by == threading.get_ident():
            return action(shared)  # a fork waits for the whole transaction
        while True:
            environments.wait_for_fork()
            try:
                return action(self._hold())
            except Gone:  # closed after a failure of another thread or store, or by close()
                continue

    def _hold(self) -> SharedEnvironment:
        shared = self._shared
        if shared is not None and shared.usable:
            return shared
        with self._lock:
            if self._closed:
                raise StoreError(self.path, "was closed", "open a new store")
            stale = None
            if self._shared is None or not self._shared.usable:
                stale = self._detach()
                self._shared = environments.acquire(self.path, self._map_size)
                self._finalizer = weakref.finalize(self, environments.abandon, self._shared)
                # An interpreter that ends takes its environments with it.
                self._finalizer.atexit = False
            shared = self._shared
        if stale is not None:
            environments.release(stale)
        return shared

    def _detach(self) -> SharedEnvironment | None:
        shared, self._shared = self._shared, None
        if self._finalizer is not None:
            self._finalizer.detach()
            self._finalizer = None
        return shared
