"""No connection is open while this process is forked, or when it ends.

SQLite remembers per process which locks it holds on a file. A child inherits that memory but not
the locks: whatever it opens anew would trust in locks that it does not have, and lose its writes
when the parent closes the file. https://www.sqlite.org/howtocorrupt.html, section 2.6.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:

    class _Connected(Protocol):
        lock: threading.RLock
        is_busy: bool
        is_joint: bool

        def disconnect(self) -> None: ...


# A fork waits so long for the operations of other threads. They take milliseconds, unless another
# process keeps the file locked. A fork out of a signal handler may have to wait in vain for the
# operation that the signal has interrupted.
_PATIENCE_SECONDS = 5.0


class _Forks:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: weakref.WeakSet[_Connected] = weakref.WeakSet()
        atexit.register(self._at_exit)
        # What this thread holds: another one may be forking, too.
        self._held = threading.local()
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(
                before=self._before,
                after_in_parent=self._release,
                after_in_child=self._after_in_child,
            )

    def disconnect_before(self, database: _Connected) -> None:
        """Let ``database`` disconnect before every fork; it connects again when it is used."""
        with self._lock:
            self._known.add(database)

    def _before(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        if self._hold(self._lock, deadline):
            for database in list(self._known):
                # Busy: the fork comes out of the operation itself, from a signal handler.
                if self._hold(database.lock, deadline) and not (
                    database.is_busy or database.is_joint
                ):
                    database.disconnect()

    def _at_exit(self) -> None:
        # Released again: what still runs, in a daemon thread or at exit, connects anew.
        self._before()
        self._release()

    def _hold(self, lock: threading.Lock | threading.RLock, deadline: float) -> bool:
        held = lock.acquire(timeout=max(0.0, deadline - time.monotonic()))
        if held:
            self._held.__dict__.setdefault("locks", []).append(lock)
        return held

    def _release(self) -> None:
        locks: list[threading.Lock | threading.RLock] = self._held.__dict__.pop("locks", [])
        for lock in reversed(locks):
            lock.release()

    def _after_in_child(self) -> None:
        self._release()
        self._lock = threading.Lock()


disconnect_before_fork = _Forks().disconnect_before
