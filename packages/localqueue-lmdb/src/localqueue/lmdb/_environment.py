"""One LMDB environment, shared by the stores of this process: transactions, room, errors."""

from __future__ import annotations

import ctypes
import threading
import time
from typing import TYPE_CHECKING, TypeVar

import lmdb

from localqueue.core import StoreCorruptError, StoreLockedError
from localqueue.lmdb import _files, _schema
from localqueue.lmdb._errors import as_store_error
from localqueue.lmdb._rows import Rows
from localqueue.lmdb._values import Damaged

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.lmdb._rows import Tables

T = TypeVar("T")

# A process that is killed while it reads keeps every page since from being used again, until
# another process looks. Looking costs microseconds, so it is done now and then.
_WRITES_BETWEEN_LOOKS = 64
_READERS_FULL_SECONDS = 5.0
_RETRY_SECONDS = 0.001


class Gone(Exception):
    """The environment was closed since the caller got hold of it."""


class SharedEnvironment:
    """An open environment and the one lock under which this process uses it.

    The lock is what the growing of the map asks for: no transaction may be open in this process
    at that moment.
    """

    def __init__(self, path: str, map_size: int) -> None:
        self.path = path
        #: How many stores of this process use it.
        self.holders = 0
        # Reentrant, so that what a signal handler does here does not wait for ever.
        self.lock = threading.RLock()
        self._busy = False
        #: The thread whose operations are parts of one transaction just now, and its tables.
        self.joined_by: int | None = None
        self._joint: Rows | None = None
        self._writes = 0
        self._tables: Tables | None = None
        self._environment: lmdb.Environment | None = _open(path, map_size)
        # An environment that dies with the interpreter waits for the transactions of daemon
        # threads, which will never end, and in a forked child it must not die at all.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._environment))
        try:
            self._opened().reader_check()
            self._open_tables()
        except BaseException:
            self.close()
            raise

    @property
    def usable(self) -> bool:
        """Whether it is open."""
        return self._environment is not None

    def run(self, work: Callable[[Rows], T], *, write: bool, sync: bool = False) -> T:
        """Run ``work`` in one transaction; it may run more than once.

        ``sync``: have it on the disk before returning, which a commit alone does not promise here.
        Raises Gone where the environment was closed in the meantime.
        """
        with self.lock:
            self._refuse_to_nest()
            if self._joint is not None:
                self._busy = True
                try:
                    return work(self._joint)
                finally:
                    self._busy = False
            result = self._patiently(lambda transaction: work(self._rows(transaction)), write=write)
            if sync:
                self._sync()
            return result

    def together(self, work: Callable[[], T], *, sync: bool) -> T:
        """Run ``work``, in which what this thread gives to :meth:`run` is one transaction."""

        def join(transaction: lmdb.Transaction[bytes]) -> T:
            self._joint, self._busy = self._rows(transaction), False
            try:
                return work()
            finally:
                self._joint, self._busy = None, True  # until it is committed

        with self.lock:
            self._refuse_to_nest()
            self.joined_by = threading.get_ident()
            try:
                result = self._patiently(join, write=True)
            finally:
                self.joined_by = None
            if sync:
                self._sync()
            return result

    def _refuse_to_nest(self) -> None:
        if self._busy:
            raise StoreLockedError(
                self.path,
                "is in the middle of the operation that a signal or a finalizer interrupted",
                "leave the store alone in signal handlers and in __del__",
            )

    def _rows(self, transaction: lmdb.Transaction[bytes]) -> Rows:
        assert self._tables is not None  # noqa: S101  # __init__ has opened them
        return Rows(transaction, self._tables)

    def close(self) -> None:
        """Close it; whoever still has it gets Gone."""
        with self.lock:
            environment, self._environment = self._environment, None
            if environment is not None:
                environment.close()
                ctypes.pythonapi.Py_DecRef(ctypes.py_object(environment))

    def leave_to_parent(self, *, quiet: bool) -> None:
        """In a forked child: let go of what the parent opened.

        ``quiet``: no other thread was using it at the fork. LMDB's close touches then nothing but
        this process's own memory and descriptors, and lmdb lets a new environment be opened on
        the same files. Where a thread of the parent was at work, it is kept as it is for ever.
        """
        quiet = quiet and not self._busy and self.joined_by is None
        self.lock = threading.RLock()
        if quiet:
            self.close()
        self._environment = None

    def _open_tables(self) -> None:
        environment = self._opened()
        self._tables = self._patiently(
            lambda transaction: _schema.prepare(environment, transaction, self.path), write=True
        )

    def _patiently(self, action: Callable[[lmdb.Transaction[bytes]], T], *, write: bool) -> T:
        """Run ``action`` in a transaction, and again with more room where that was missing."""
        deadline: float | None = None
        while True:
            environment = self._opened()
            try:
                return self._transact(environment, action, write=write)
            except lmdb.MapFullError:
                # First what dead readers have kept; only then more of the disk.
                if environment.reader_check() == 0:
                    self._resize(2 * environment.info()["map_size"])
            except lmdb.MapResizedError:
                self._resize(0)  # as large as another process has made it
            except lmdb.ReadersFullError as error:
                environment.reader_check()
                now = time.monotonic()
                deadline = now + _READERS_FULL_SECONDS if deadline is None else deadline
                if now >= deadline:
                    raise as_store_error(error, self.path) from error
                time.sleep(_RETRY_SECONDS)
            except lmdb.Error as error:
                # LMDB may have marked the environment as unusable: the next operation opens anew.
                self.close()
                raise as_store_error(error, self.path) from error
            except Damaged as error:
                raise StoreCorruptError(self.path, f"holds what cannot be read: {error}") from error

    def _transact(
        self,
        environment: lmdb.Environment,
        action: Callable[[lmdb.Transaction[bytes]], T],
        *,
        write: bool,
    ) -> T:
        if write:
            self._writes += 1
            if self._writes % _WRITES_BETWEEN_LOOKS == 0:
                environment.reader_check()
        self._busy = True
        try:
            # Straight into "with": a signal that comes before it lets the transaction die at once,
            # where a variable would keep it, and the lock that all processes share, in a traceback.
            with environment.begin(write=write) as transaction:
                result = action(transaction)
                if self._environment is not environment:
                    raise Gone  # a signal handler forked: the transaction is the parent's
                return result
        finally:
            self._busy = False

    def _resize(self, size: int) -> None:
        try:
            self._opened().set_mapsize(size)
        except lmdb.Error as error:
            self.close()
            raise as_store_error(error, self.path) from error
        if self._tables is not None:
            self._open_tables()  # some releases of lmdb invalidate the handles with the map

    def _sync(self) -> None:
        try:
            self._opened().sync(True)
        except lmdb.Error as error:
            self.close()
            raise as_store_error(error, self.path) from error

    def _opened(self) -> lmdb.Environment:
        if self._environment is None:
            raise Gone
        return self._environment


def _open(path: str, map_size: int) -> lmdb.Environment:
    _files.prepare(path)
    try:
        return lmdb.open(
            path,
            map_size=map_size,
            max_dbs=len(_schema.NAMES),
            mode=0o600,
            # One sync for each commit, of the data before the header: sound after a power cut,
            # though the newest commit may be undone. With sync=False it might be neither.
            metasync=False,
        )
    except lmdb.Error as error:
        raise as_store_error(error, path) from error
    except OSError as error:
        raise as_store_error(lmdb.Error(str(error)), path) from error
