"""One SQLite connection that threads share: waiting, transactions, errors, forks, signals."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sqlite3
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar

from localqueue.core import StoreError, StoreLockedError, renew_after_fork
from localqueue.sqlite import _files
from localqueue.sqlite._errors import as_store_error, is_busy
from localqueue.sqlite._forks import disconnect_before_fork
from localqueue.sqlite._log import LIMIT_BYTES, Log

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

Parameters: TypeAlias = "tuple[Any, ...] | dict[str, Any]"
Durability: TypeAlias = Literal["process", "power"]
_SYNCHRONOUS = {"process": "NORMAL", "power": "FULL"}

# SQLite's own busy handler backs off to 100 ms and lets the unlucky starve; asking again about
# every millisecond keeps the shares even.
_RETRY_SECONDS = 0.001


class Database:
    """A lazily opened connection to the file at ``path``.

    ``check_schema`` raises StoreVersionError for a file that is not ours; ``prepare_schema`` is
    called with each new connection, checks as well, and creates or upgrades the tables.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float,
        durability: Durability,
        check_schema: Callable[[Database, sqlite3.Connection], object],
        prepare_schema: Callable[[Database, sqlite3.Connection], None],
    ) -> None:
        _check_seconds(timeout)
        if durability not in _SYNCHRONOUS:
            raise ValueError(f"durability must be 'process' or 'power', not {durability!r}")
        # Absolute from the start, so that a later chdir() does not move the store.
        self.path = os.path.abspath(path)
        self._timeout = timeout
        self._durability = durability
        self._check_schema = check_schema
        self._prepare_schema = prepare_schema
        # Of the operation that runs. The garbage collector or a signal handler may ask for another
        # one in the middle of it, in the same thread: that one is refused, where it would hang.
        self.lock = threading.RLock()
        self.is_busy = False
        self._log = Log(self.path)
        # The thread that has the lock is inside of a transaction of many operations.
        self.is_joint = False
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None
        self._closed = False
        renew_after_fork(self)
        disconnect_before_fork(self)

    def read(self, sql: str, parameters: Parameters = (), *, follow: bool = False) -> list[Any]:
        """All rows of one SELECT; no cursor stays open.

        With ``follow``, a file that was removed or replaced is left for what its path names now.
        """
        rows: list[Any] = self.patiently(self._execute, sql, parameters, "rows", follow)
        return rows

    def write(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement as its own transaction; returns how many rows it changed.

        The statement begins and commits inside one call into SQLite, where no signal handler can
        come between.
        """
        changed: int = self.patiently(self._execute, sql, parameters, "count", False)
        if not self.is_joint:
            self._log.keep_short(self._cut_log)
        return changed

    def together(self, work: Callable[[], T]) -> T:
        """Run ``work``, in which this thread's reads and writes are one transaction."""
        result = self.patiently(self._join, work)
        self._log.keep_short(self._cut_log)
        return result

    def transact_on(self, connection: sqlite3.Connection, work: Callable[[], T]) -> T:
        """Run ``work`` in one write transaction of ``connection``, which this thread owns."""
        return self.patiently(_in_transaction, connection, work)

    def _execute(
        self, sql: str, parameters: Parameters, wanted: Literal["rows", "count"], follow: bool
    ) -> Any:
        # The thread lock is free between two attempts: a thread that waits for another process
        # holds up neither the reads of its siblings nor a fork, and their timeouts do not add up.
        with self.lock:
            if self.is_busy:
                raise self._in_use()
            self.is_busy = True
            try:
                connection = self._open(follow=follow)
                # No variable holds the cursor: in a traceback it would keep the file's snapshot.
                if wanted == "rows":
                    return connection.execute(sql, parameters).fetchall()
                return connection.execute(sql, parameters).rowcount
            finally:
                self.is_busy = False

    def _join(self, work: Callable[[], T]) -> T:
        with self.lock:
            if self.is_busy or self.is_joint:
                raise self._in_use()
            connection = self._open(follow=True)
            self.is_joint = True
            try:
                return _in_transaction(connection, work)
            finally:
                self.is_joint = False

    def _cut_log(self) -> bool:
        ((is_hindered, *_),) = self.read("PRAGMA wal_checkpoint(TRUNCATE)")
        return not is_hindered

    def _in_use(self) -> StoreLockedError:
        return StoreLockedError(
            self.path,
            "is in use by this thread, in an operation that was interrupted",
            "use the store outside of signal handlers and finalizers",
        )

    def patiently(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``action`` until no other connection is in the way, or the timeout is over."""
        deadline = None
        while True:
            try:
                return action(*args, **kwargs)
            except sqlite3.Error as error:
                now = time.monotonic()
                deadline = now + self._timeout if deadline is None else deadline
                if not is_busy(error) or now >= deadline:
                    raise as_store_error(error, self.path) from error
            time.sleep(_RETRY_SECONDS)

    def close(self) -> None:
        """Close the connection for good."""
        with self.lock:
            self._closed = True
            self.disconnect()

    def disconnect(self) -> None:
        """Close the connection until the next use; the caller holds the lock."""
        connection, self._connection = self._connection, None
        # Not by calling the finalizer, which does nothing any more once the interpreter exits.
        if self._finalizer is not None:
            self._finalizer.detach()
        if connection is not None:
            connection.close()

    def renew_after_fork(self) -> None:
        """In a forked child: neither use nor close what the parent could not close in time."""
        self.lock = threading.RLock()
        self.is_busy = self.is_joint = False  # what another thread was in the middle of
        if self._finalizer is not None:
            self._finalizer.detach()
            self._finalizer = None
        if self._connection is not None:
            # https://www.sqlite.org/howtocorrupt.html, "Carrying an open database connection
            # across a fork": not even sqlite3_close() is safe, so this object must never die.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))
            self._connection = None

    def _open(self, *, follow: bool = False) -> sqlite3.Connection:
        if self._connection is not None:
            if self.is_joint:
                if not self._connection.in_transaction:
                    raise StoreError(self.path, "undid a transaction", "try again")
                return self._connection
            if self._connection.in_transaction:  # a second signal hit a rollback
                _roll_back(self._connection)
            if not follow or self._identity == _files.identity(self.path):
                return self._connection
            self.disconnect()  # somebody removed or replaced the file; others use the new one
        if self._closed:
            raise StoreError(self.path, "was closed", "open a new store")
        _files.prepare(self.path)
        connection = self._connect()
        self._connection, self._identity = connection, _files.identity(self.path)
        self._finalizer = weakref.finalize(self, connection.close)
        # At exit a daemon thread may be inside SQLite: the connection is closed under its lock.
        self._finalizer.atexit = False
        return connection

    def _connect(self) -> sqlite3.Connection:
        if _files.size(f"{self.path}-wal"):
            self._check_only()
        connection = self._attach(self.path)
        try:
            self._configure(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _attach(self, name: str) -> sqlite3.Connection:
        try:
            return sqlite3.connect(
                name,
                timeout=0,
                isolation_level=None,
                check_same_thread=False,
                uri=name != self.path,
            )
        except sqlite3.Error as error:
            raise as_store_error(error, self.path) from error

    def _check_only(self) -> None:
        # The last connection that may write moves the log into the file when it is closed, even
        # if the file is another program's: this one may not.
        escaped = self.path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        with contextlib.closing(self._attach(f"file://{escaped}?mode=ro")) as connection:
            self._check_schema(self, connection)

    def _configure(self, connection: sqlite3.Connection) -> None:
        for pragma in (
            "trusted_schema=OFF",
            "cell_size_check=ON",
            "mmap_size=0",
            # Each commit writes whole pages, and a record fills a tenth of one.
            "page_size=2048",
            f"journal_size_limit={LIMIT_BYTES}",
            f"synchronous={_SYNCHRONOUS[self._durability]}",
            # On macOS a plain fsync does not reach the platters.
            f"fullfsync={'ON' if self._durability == 'power' else 'OFF'}",
        ):
            # "synchronous" reads the schema, which another process may be writing just now.
            self.patiently(connection.execute, f"PRAGMA {pragma}")
        self._prepare_schema(self, connection)


def _check_seconds(timeout: object) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds, not {timeout!r}")
    if not 0 <= timeout < math.inf:
        raise ValueError(f"timeout must be 0 or more seconds, not {timeout!r}")


def _in_transaction(connection: sqlite3.Connection, work: Callable[[], T]) -> T:
    try:
        # Inside the try: a signal may be delivered right after BEGIN has returned.
        connection.execute("BEGIN IMMEDIATE")
        result = work()
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
    return result


def _roll_back(connection: sqlite3.Connection) -> None:
    # The failed statement may have rolled back already.
    while connection.in_transaction:
        connection.execute("ROLLBACK")
